"""A world in which drivers of one study run, meet and die: the real driver, plan, ledger, searches and lease; a time, a
disk and workers of its own.

Each driver is a thread that stands still before every write, flush, rename and deletion until it is told to go on. So
it can be killed before it, half-way through it or after it, and anything may happen in between.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from functools import partial, partialmethod
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal
from unittest.mock import patch

import yaml
from ray.tune.search import Searcher
from rich.console import Console

from nemo.errors import UserError
from orchestrator import changes, fanout, files, lease, run, sweep, training
from orchestrator.context import Context, Event
from orchestrator.files import write_bytes
from orchestrator.head import Cluster
from orchestrator.lease import Clock, Lease, LeaseLost
from orchestrator.ledger import Ledger
from orchestrator.plan import Plan, plan
from orchestrator.process import Process
from orchestrator.progress import Progress
from orchestrator.step import Step
from orchestrator.study import Study
from tests.orchestrator.invented import RESULTS
from tests.orchestrator.study_examples import DESCRIPTIONS

STUDY: dict[str, Any] = {
    "name": "simulated",
    "pairs": [{"backbone": "simcnn", "dataset": "digits", "width": 0.125}],
    "methods": {"standard": {}, "mwt": {}, "nemo": {}},
    "recipe": {"epochs": 3, "batch_size": 32, "validation": 0.1},
    "sweep": {
        "nemo": {"search": "random", "trials": 2, "space": {"alpha": [0.5, 2.0]}, "early_stopping": "asha"},
    },
    "subtasks": {"from": "best", "sizes": [2], "samples": 1},
}
CLUSTER = Cluster("", ((2.0, 0.0),))
FOLDED = 3
"""So few results are folded into a segment here, for there are few."""
HOSTS = ("a", "b")  # folders on `b` cannot be locked, as on some network file systems


Death = Literal["before", "half", "orphan"]
"""How a driver dies: before what it stands before, in the middle of it, or without its worker, which goes on."""


class Killed(BaseException):
    """What a process that is no more would do next."""


class Driver(threading.Thread):
    """One `nemo run`, on a host of the world; it moves only while the world lets it."""

    def __init__(self, world: World, host: str, number: int, retry_failed: bool) -> None:
        super().__init__(daemon=True)
        self.world, self.retry_failed = world, retry_failed
        self.process = Process(host, host, number, float(number))
        self.lease: Lease | None = None
        self.lost: LeaseLost | None = None
        self.frozen = False  # cut off from its storage: it does not renew its lease
        self.dead = False
        self.orphan = False  # dead itself, but its worker goes on
        self.ended = False
        self.error: BaseException | None = None
        self.fanout: FanOut | None = None
        self.found: set[str] = set()  # what was finished when it took the lease
        self._worker_left: int | None = None  # how many more writes its worker lives for; None is for ever
        self._in_worker = self._writes = False
        self._how = "go"
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self.start()

    @property
    def alive(self) -> bool:
        return not (self.dead or self.orphan or self.ended)

    def run(self) -> None:
        self._go.acquire()
        try:
            if self._how == "go":
                run.run_study(self.world.file, storage=self.world.storage, retry_failed=self.retry_failed)
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            self._paused.release()

    def go(self, how: str = "go") -> None:
        """Lets it do what it stands before, and whatever follows until the next write; called by others."""
        if not self.ended:
            self._how = how
            self._go.release()
            self._paused.acquire()

    def kill(self, how: Death) -> bool:
        """SIGKILL; says whether it can die so where it stands now."""
        if self.ended or (how == "half" and not self._writes) or (how == "orphan" and not self._in_worker):
            return False
        if how == "orphan":
            self.orphan = True
        else:
            self.go(how)
        return True

    def pause(self, writes: bool = False) -> str:
        """Stands still before a write; returns how to go on: `go` or `half`; called by itself."""
        self._writes = writes
        if self.dead:
            raise Killed
        if self._in_worker and self._worker_left is not None:
            self._worker_left -= 1
            if self._worker_left < 0:
                raise Killed
        self._paused.release()
        self._go.acquire()
        if self._how != "go" or (self.orphan and not self._in_worker):
            self.dead = True
            self.lease = None
        if self.dead and self._how != "half":
            raise Killed
        if self.lost is not None and self.lease is not None and not self._in_worker:
            self.lease = None
            raise KeyboardInterrupt  # as the lease's thread interrupts the main one
        return self._how

    @contextmanager
    def working(self, writes: int | None) -> Iterator[None]:
        """What is in the block happens in a worker, which dies after so many writes."""
        self._in_worker, self._worker_left = True, writes
        try:
            yield
        finally:
            self._in_worker = False
            if self.orphan:
                self.dead = True


class FanOut:
    """Stands in for `fanout.FanOut`: submitted steps wait until `step` runs one of them."""

    def __init__(self, context: Context, slots: object, shared: object, on_event: Callable[[Event], None]) -> None:
        self._context, self._on_event = context, on_event
        self.waiting: list[Step] = []
        self._world = current().world
        current().fanout = self

    def submit(self, steps: list[Step]) -> None:
        assert current().found.isdisjoint(step.key for step in steps), "a finished step is submitted"
        self.waiting.extend(steps)

    def __enter__(self) -> FanOut:
        return self

    def __exit__(self, kind: type[BaseException] | None, *error: object) -> None:
        while kind is None and self.waiting:
            self.step()

    def step(self) -> None:
        step = self.waiting.pop(self._world.luck.randrange(len(self.waiting)))
        error: Exception = RuntimeError("its worker died")
        for _ in range(1 + fanout.MAX_RETRIES):
            try:
                with current().working(self._world.writes_until_death()):
                    document = self._world.compute(step, self._context)
                self._on_event(Event("finished", step, document=document))
                return
            except Killed:
                if current().dead:
                    raise
            except ValueError as failure:
                error = failure
                break
        self._on_event(Event("failed", step, reason=self._context.fail(step, error)))


class Tuner:
    """Stands in for `tune.Tuner`: asks the real queue for trials and tells the real watcher how they went."""

    def __init__(self, context: Context, tune_config: Any, run_config: Any) -> None:
        self._context, self._config = context, tune_config
        (self._watcher,) = run_config.callbacks
        self._world = current().world

    def fit(self) -> None:
        trials: list[SimpleNamespace] = []
        started, waiting = 0, True
        while started < self._config.num_samples or trials:
            if started < self._config.num_samples and len(trials) < self._config.max_concurrent_trials and waiting:
                config = self._config.search_alg.suggest(str(started))
                if isinstance(config, dict):
                    assert config["steps"][0].key not in current().found, "a finished training is submitted"
                    trials.append(SimpleNamespace(config=config, last_result={"epoch": 1}, get_error=lambda: None))
                    self._watcher.on_trial_result(0, [], trials[-1], {"rows": []})
                    started += 1
                    continue
                if config == Searcher.FINISHED:
                    started = self._config.num_samples
                waiting = False  # something has to end first
            fan_out = current().fanout
            if fan_out is not None and fan_out.waiting and (not trials or self._world.luck.random() < 0.5):
                fan_out.step()
            else:
                assert trials, "Tune would wait for ever"
                self._run(trials.pop(self._world.luck.randrange(len(trials))))
            waiting = True

    def _run(self, trial: SimpleNamespace) -> None:
        for _ in range(1 + training.MAX_FAILURES):
            try:
                with current().working(self._world.writes_until_death()):
                    self._train(trial.config)
                self._watcher.on_trial_complete(0, [], trial)
                return
            except Killed:
                if current().dead:
                    raise
                self._watcher.on_trial_recover(0, [], trial)
        self._watcher.on_trial_error(0, [], trial)

    def _train(self, config: dict[str, Any]) -> None:
        (step,) = config["steps"]
        ledger = self._context.ledger
        if config["every_epoch"] and ledger.get(step.key) is None and self._world.happens(0.2):
            self._world.stopped = True
            return
        try:
            self._world.compute(step, self._context)
        except ValueError as error:
            ledger.fail(step, str(error))
        shutil.rmtree(self._context.checkpoints(step), ignore_errors=True)


class World(Clock):
    """One study's folder, the hosts that see it, and time.

    Args:
        folder: An empty one.
        seed: Decides about everything that happens by chance.
        trouble: How likely steps fail, workers die and trials are stopped, from 0 to 1.
    """

    def __init__(self, folder: Path, seed: int = 0, trouble: float = 0.0) -> None:
        self.storage, self.file = folder / "runs", folder / "study.yaml"
        self.luck, self.trouble = random.Random(seed), trouble
        self.drivers: list[Driver] = []
        self.passed = 0.0
        self.stopped = False  # whether a trial was ever stopped early
        self.results: dict[str, Any] = {}
        self._flushed: set[int] = set()
        self.fields = STUDY
        self.extend()

    # the study

    def extend(self, **changed: Any) -> None:
        self.fields = {**self.fields, **changed}
        self.file.write_text(yaml.safe_dump(self.fields))

    @property
    def folder(self) -> Path:
        return self.storage / str(STUDY["name"])

    def ledger(self) -> Ledger:
        return Ledger(self.folder, readonly=True)

    def plan(self) -> Plan:
        return plan(Study.model_validate(self.fields), self.ledger(), DESCRIPTIONS)

    # time

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        until = self.passed + seconds
        while self.passed < until:
            current().pause()

    def tick(self, seconds: float) -> None:
        """Time passes, and drivers renew their leases, as threads of theirs do, or learn that they lost them."""
        for _ in range(round(seconds / lease.RENEWED_EVERY)):
            self.passed += lease.RENEWED_EVERY
            for driver in self.holders():
                try:
                    if driver.lease is not None and not driver.frozen:
                        driver.lease.renew()
                except LeaseLost as error:
                    driver.lost = error

    # drivers

    def start(self, host: str, retry_failed: bool = False) -> Driver:
        self.drivers.append(Driver(self, host, len(self.drivers), retry_failed))
        return self.drivers[-1]

    def holders(self) -> list[Driver]:
        """The living drivers that believe to hold the lease."""
        return [each for each in self.drivers if each.alive and each.lease is not None and each.lost is None]

    def run_to_its_end(self, driver: Driver) -> None:
        for _ in range(10_000):
            if driver.ended:
                return
            driver.go()
            self.passed += 0.1  # it may watch a driver on the other host
        raise AssertionError("a driver goes on for ever")

    def kill_all(self) -> None:
        for driver in self.drivers:
            driver.kill("before")
            driver.join()

    # what steps do

    def happens(self, likely: float) -> bool:
        return self.luck.random() < likely * self.trouble

    def writes_until_death(self) -> int | None:
        return self.luck.randrange(20) if self.happens(0.3) else None

    def compute(self, step: Step, context: Context) -> dict[str, Any]:
        """What a worker does for a step: checkpoint, artifact, result."""
        ledger = context.ledger
        document = ledger.get(step.key)
        if document is not None:
            return document
        assert step.key not in self.results, f"{step.label} is computed although it was finished"
        if self.happens(0.1):
            raise ValueError("the loss is NaN")
        if step.kind == "train":
            write_bytes(context.checkpoints(step) / "checkpoint.pt", b"half of the epochs")
        for parent in step.parents.values():
            assert ledger.verify(parent), f"{step.label} starts before what it builds on is whole"
        artifact, result = RESULTS[step.kind](step, random.Random(step.key))
        if artifact:
            write_bytes(ledger.artifact(step.key, artifact), step.key.encode())
        return ledger.put(step, result, seconds=1.0)

    # what must always hold

    def check(self) -> None:
        """Finished results are whole and never change, nothing else looks damaged, and one driver holds the lease."""
        reader = self.ledger()
        documents = dict(reader.results())
        for key, document in documents.items():
            assert reader.verify(key)
            told = {name: document[name] for name in ("kind", "params", "parents", "result", "artifacts")}
            assert self.results.setdefault(key, told) == told, "a result changed"
        assert documents.keys() == self.results.keys(), "a result was lost"
        assert not list(self.folder.glob("quarantine/*")), "something whole was taken for damaged"
        assert len([driver for driver in self.holders() if driver.process.host == "a"]) <= 1
        for driver in self.drivers:
            if driver.error is not None and not isinstance(driver.error, Killed | UserError):
                raise driver.error

    def check_finished(self) -> None:
        """Every step of the study has its result."""
        planned = self.plan()
        assert not any(planned.up_to.values()), planned.up_to
        assert [step.label for step in planned.steps if step.key not in self.results] == []
        assert self.ledger().failures() == {}


def current() -> Driver:
    """The driver that runs this."""
    thread = threading.current_thread()
    assert isinstance(thread, Driver)
    return thread


@contextmanager
def simulated(world: World) -> Iterator[World]:
    """Puts the world in the place of time, disk, Ray and MLflow; at the end every driver is dead."""
    real_flush, real_write = os.fsync, Path.write_bytes

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
        world._flushed.add(os.fstat(handle).st_ino)

    def replace(source: Path, target: Path, real: Callable[..., None] = os.replace) -> None:
        assert os.stat(source).st_ino in world._flushed, f"{target} gets its name before its content is on the disk"
        real(source, target)

    def write(path: Path, data: bytes) -> int:
        written = real_write(path, data)
        world._flushed.discard(path.stat().st_ino)
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
    def hold(folder: Path) -> Iterator[None]:
        driver = current()
        own = Lease(folder, driver.process, world)
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
            (os, "replace", point(replace)),
            (os, "unlink", point(os.unlink)),
            (os, "mkdir", point(os.mkdir)),
            (files.tempfile, "mkstemp", point(files.tempfile.mkstemp)),
            (Path, "write_bytes", point(write, lambda path, data: write(path, data[: len(data) // 2]))),
            (lease.fcntl, "flock", flock),
            (lease._log, "disabled", True),
            (Process, "alive", property(alive)),
            (run.Ledger, "lease", lambda ledger: hold(ledger.folder)),
            (run, "end_orphan", end_orphan),
            (run, "ray_head", lambda *given, **named: nullcontext(CLUSTER)),
            (run, "this_machine", lambda: CLUSTER),
            (run, "_load_once", lambda *given: None),
            (run, "describe", lambda study: DESCRIPTIONS),
            (changes, "describe", lambda study: DESCRIPTIONS),
            (run, "environment", dict),
            (run, "Tracking", Anything),
            (run, "TrackingQueue", Anything),
            (run, "AT_LEAST", FOLDED),
            (run.Ledger, "fold", partialmethod(run.Ledger.fold, FOLDED)),
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
    assert os.fsync is real_flush
