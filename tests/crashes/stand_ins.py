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
from typing import Any
from unittest.mock import patch

from rich.console import Console

from orchestrator.cluster.cluster import Cluster
from orchestrator.driver import changes, run
from orchestrator.driver.progress import Progress
from orchestrator.execution import scheduler as sweep
from orchestrator.ledger import lease
from orchestrator.ledger.lease import Lease
from orchestrator.ledger.ledger import Ledger
from orchestrator.storage import Store, files, folder
from orchestrator.study import file
from orchestrator.study.data import DescribedStudy
from orchestrator.system.process import Process
from tests.crashes.driver import Driver, Killed, current
from tests.crashes.executor import FanOut, Tuner
from tests.crashes.world import World
from tests.orchestrator.study_examples import DESCRIPTIONS

CLUSTER = Cluster("", ((2.0, 0.0),))
FOLDED = 3
"""So few results are folded into a segment here, for there are few."""


@contextmanager
def simulated(world: World) -> Iterator[World]:
    """Drivers that start in the block live in the world; at its end they are dead."""
    real_write = Path.write_bytes

    def point(real: Callable[..., Any], half: Callable[..., Any] | None = None) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            thread = threading.current_thread()
            if not isinstance(thread, Driver):
                return real(*given, **named)
            if thread.pause(writes=half is not None) == "half" and half is not None:
                half(*given, **named)
                raise Killed
            return real(*given, **named)

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
        thread = threading.current_thread()
        if isinstance(thread, Driver) and thread.process.host == "b":
            raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))
        while True:
            try:
                return real(handle, operation | fcntl.LOCK_NB)
            except BlockingIOError:
                if not isinstance(thread, Driver):
                    return None  # a renewal: whoever has the lock stands still, and may at worst tie with it
                thread.pause()

    def alive(process: Process) -> bool | None:
        thread = threading.current_thread()
        if isinstance(thread, Driver) and thread.process.machine != process.machine:
            return None
        return world.drivers[process.pid].alive

    @contextmanager
    def hold(store: Store) -> Iterator[None]:
        driver = current()
        own = Lease(store, driver.process, world)
        own.take()
        driver.lease, driver.found = own, world.ledger().finished()
        try:
            yield
        except KeyboardInterrupt:
            if driver.lost is None:
                raise
        finally:
            driver.lease = None
            own.release()
        if driver.lost is not None:
            raise driver.lost

    def end_orphan(folder: Path) -> None:
        for driver in world.drivers:
            if driver.orphan and driver.process.host == current().process.host:
                driver.kill("before")

    class Anything:
        def __init__(self, *given: object) -> None:
            pass

        def __getattr__(self, name: str) -> Callable[..., Any]:
            return lambda *given, **named: {}

    with ExitStack() as patches:
        for target, name, stand_in in (
            (os, "fsync", point(flush)),
            (os, "replace", point(named(os.replace))),
            (os, "link", point(named(os.link))),
            (os, "unlink", point(os.unlink)),
            (os, "mkdir", point(os.mkdir)),
            (files.tempfile, "mkstemp", point(files.tempfile.mkstemp)),
            (Path, "write_bytes", point(write, lambda path, data: write(path, data[: len(data) // 2]))),
            (folder.fcntl, "flock", flock),
            (lease._log, "disabled", True),
            (Process, "alive", property(alive)),
            (run, "hold", hold),
            (run, "end_orphan", end_orphan),
            (run, "ray_head", lambda *given, **named: nullcontext(CLUSTER)),
            (run, "this_machine", lambda: CLUSTER),
            (run, "load_once", lambda *given: None),
            (run, "interruptible", nullcontext),
            (run, "stoppable", nullcontext),
            (run, "watching", nullcontext),
            (run, "Watch", Anything),
            (file, "describe", lambda study: DescribedStudy(study, DESCRIPTIONS)),
            (changes, "describe", lambda study: DescribedStudy(study, DESCRIPTIONS)),
            (run, "environment", dict),
            (run, "Tracking", Anything),
            (run, "AT_LEAST", FOLDED),
            (Ledger, "fold", partialmethod(Ledger.fold, FOLDED)),
            (run, "Shared", Anything),
            (run, "Progress", partial(Progress, console=Console(file=StringIO()))),
            (run, "FanOut", FanOut),
            (sweep.tune, "with_parameters", lambda trainable, context, datasets: context),
            (sweep.tune, "with_resources", lambda context, resources: context),
            (sweep.tune, "Tuner", Tuner),
        ):
            patches.enter_context(patch.object(target, name, stand_in))
        try:
            yield world
        finally:
            world.kill_all()
