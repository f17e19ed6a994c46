"""What the simulated world puts in the place of the disk, of time, Ray, MLflow and processes."""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from functools import partial, partialmethod
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

from rich.console import Console

from orchestrator.cluster.cluster import Cluster
from orchestrator.computing import data
from orchestrator.driver import changes, run, silence
from orchestrator.driver import driver as driving
from orchestrator.driver.limits import Meter
from orchestrator.driver.progress import Progress
from orchestrator.driver.silence import Watchdog
from orchestrator.execution import scheduler as sweep
from orchestrator.ledger import lease
from orchestrator.ledger.lease import Lease, LeaseHeld, LeaseLost
from orchestrator.ledger.ledger import Ledger
from orchestrator.storage import Store, bucket, files, folder
from orchestrator.study import file
from orchestrator.study.data import DescribedStudy
from orchestrator.system.process import Process
from orchestrator.tracking import connection, tracking
from tests.crashes.actor import Actor, Bell, Beside, Killed, Lock, acting, current
from tests.crashes.bucket import Client, OneByOne
from tests.crashes.executor import FanOut, Tuner
from tests.crashes.faults import operate
from tests.crashes.world import World
from tests.orchestrator.study_examples import DESCRIPTIONS

CLUSTER = Cluster("", ((2.0, 0.0),))
FOLDED = 3
"""So few results are folded into a segment here, for there are few."""
GIVES_UP_AFTER = 600.0
"""Seconds without any news of its workers after which a driver gives up."""


@contextmanager
def simulated(world: World) -> Iterator[World]:
    """Drivers that start in the block live in the world; at its end they are dead."""
    with ExitStack() as patches:
        patches.enter_context(patch.dict(os.environ, XDG_STATE_HOME=str(world.file.parent / "state")))
        for target, name, stand_in in (*_disk(world), *_bucket(world), *_hosts(world), *_ray_and_the_rest()):
            patches.enter_context(patch.object(target, name, stand_in, **({"create": True} if name == "open" else {})))
        try:
            yield world
        finally:
            world.kill_all()


def _disk(world: World) -> Iterator[tuple[object, str, object]]:
    """The disk of studies in a folder: each change is a point, and it and every look may meet a fault."""
    real_write = Path.write_bytes

    def is_studies(place: object) -> bool:
        return isinstance(place, int) or str(place).startswith(str(world.storage))

    def look(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(place: Any, *given: Any, **named: Any) -> Any:
            thread = threading.current_thread()
            if not isinstance(thread, Actor) or not thread.driver.faults or not is_studies(place):
                return real(place, *given, **named)
            return operate(thread, lambda: real(place, *given, **named), remote=False)

        return call

    def point(real: Callable[..., Any], half: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            thread = threading.current_thread()
            if not isinstance(thread, Actor) or world.remote:
                return real(*given, **named)
            if thread.pause(writes=half is not None) == "half" and half is not None:
                half(*given, **named)
                raise Killed
            place = named["dir"] if "dir" in named else given[0]
            if not is_studies(place):
                return real(*given, **named)
            return operate(thread, lambda: real(*given, **named), remote=False)

        return call

    def flush(handle: int) -> None:
        world.flushed.add(os.fstat(handle).st_ino)

    def named(real: Callable[..., None]) -> Callable[..., None]:
        def call(source: Path, target: Path) -> None:
            assert os.stat(source).st_ino in world.flushed, f"{target} gets its name before its content is on the disk"
            real(source, target)

        return call

    def write(path: Path, data: bytes) -> int:
        written = real_write(path, data)
        world.flushed.discard(path.stat().st_ino)
        return written

    def flock(handle: int, operation: int, real: Callable[[int, int], None] = fcntl.flock) -> None:
        if current().process.host not in world.locking:
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        while True:
            try:
                return real(handle, operation | fcntl.LOCK_NB)
            except BlockingIOError:
                acting().pause(waiting=True)

    yield os, "fsync", point(flush)
    yield os, "replace", point(named(os.replace))
    yield os, "link", point(named(os.link))
    yield os, "unlink", point(os.unlink)
    yield os, "mkdir", point(os.mkdir)
    yield os, "stat", look(os.stat)
    yield os, "scandir", look(os.scandir)
    yield os, "listdir", look(os.listdir)
    yield Path, "read_bytes", look(Path.read_bytes)
    yield files, "open", look(open)
    yield files.tempfile, "mkstemp", point(files.tempfile.mkstemp)
    yield Path, "write_bytes", point(write, lambda path, data: write(path, data[: len(data) // 2]))
    yield folder.fcntl, "flock", flock


def _bucket(world: World) -> Iterator[tuple[object, str, object]]:
    """The object store of studies in a bucket."""

    def client(url: str, patience: object = None) -> Client:
        return Client(world.objects, url.removeprefix("s3://"))

    yield bucket, "client_of", client
    yield bucket, "shared_client", client
    yield bucket, "ThreadPoolExecutor", OneByOne


def _hosts(world: World) -> Iterator[tuple[object, str, object]]:
    """Hosts, their processes and threads, and time."""
    take, renew = Lease.take, Lease.renew

    def taken(own: Lease) -> None:
        take(own)
        world.taken(current())

    def renewed(own: Lease) -> None:
        driver, moment, passed = current(), world.next_moment(), world.passed
        try:
            renew(own)
        except LeaseLost as error:
            driver.lost = error
            raise
        world.renewed(driver, moment, passed)

    @contextmanager
    def hold(store: Store) -> Iterator[None]:
        driver = current()
        with lease.hold(store):
            driver.found = world.finished()
            try:
                yield
            finally:
                driver.holds = False

    @contextmanager
    def stoppable() -> Iterator[Callable[[BaseException], None]]:
        driver, errors = current(), list[BaseException]()

        def stop(error: BaseException) -> None:
            errors.append(error)
            driver.interrupted = True

        try:
            yield stop
        except KeyboardInterrupt:
            if not errors:
                raise
            raise errors[0] from None
        finally:
            if errors:
                driver.interrupted = False

    def alive(process: Process) -> bool | None:
        thread = threading.current_thread()
        if isinstance(thread, Actor) and thread.driver.process.machine != process.machine:
            return None
        return world.drivers[process.pid].alive

    def end_orphan(folder: Path) -> None:
        for driver in world.drivers:
            if driver.orphan and driver.process.host == current().process.host:
                driver.kill("before")

    def refused(described: object, text: object, ledger: object, held: LeaseHeld) -> None:
        raise held

    threads = SimpleNamespace(Thread=Beside, Event=Bell, RLock=Lock)
    for module in (lease, driving, silence):
        yield module, "threading", threads
    yield lease, "Clock", lambda: world
    yield lease, "stoppable", stoppable
    yield lease._log, "disabled", True
    yield Lease, "take", taken
    yield Lease, "renew", renewed
    yield Process, "alive", property(alive)
    yield Process, "this", lambda: current().process
    yield run, "hold", hold
    yield driving, "stoppable", stoppable
    yield run, "end_orphan", end_orphan
    yield driving, "Watchdog", partial(Watchdog, clock=world.monotonic)
    yield run, "hand_over", refused
    yield driving, "Meter", partial(Meter, clock=world.monotonic)
    yield driving, "patience", lambda: GIVES_UP_AFTER


def _ray_and_the_rest() -> Iterator[tuple[object, str, object]]:
    class Anything:
        def __init__(self, *given: object) -> None:
            pass

        def __getattr__(self, name: str) -> Callable[..., Any]:
            return lambda *given, **named: {}

    class OwnHead(Anything):
        def __enter__(self) -> OwnHead:
            return self

        def __exit__(self, *error: object) -> None:
            pass

    yield run, "OwnHead", OwnHead
    yield run, "ray_head", lambda at: nullcontext(CLUSTER)
    yield driving, "head_lives", lambda folder: True
    yield run, "this_machine", lambda: CLUSTER
    yield data, "load_once", lambda *given: {}
    yield run, "interruptible", nullcontext
    for module in (file, changes):
        yield module, "describe", lambda study: DescribedStudy(study, DESCRIPTIONS)
    yield run, "environment", dict
    yield connection, "store_of", lambda *given: ()
    yield tracking, "Tracking", Anything
    yield driving, "AT_LEAST", FOLDED
    yield Ledger, "fold", partialmethod(Ledger.fold, FOLDED)
    yield driving, "Shared", Anything
    yield driving, "Progress", partial(Progress, console=Console(file=StringIO()))
    yield driving, "FanOut", FanOut
    yield sweep.tune, "with_parameters", lambda trainable, context, datasets: context
    yield sweep.tune, "with_resources", lambda context, resources: context
    yield sweep.tune, "Tuner", Tuner
