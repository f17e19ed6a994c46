"""One study that is killed again and again until it is finished, and what must hold then."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from orchestrator.cluster.orphan import MARKER
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import KINDS
from orchestrator.storage import Store, Where, store_at
from tests import tiny
from tests.faults.driver import Driver, checkpoints, finished, processes
from tests.faults.matrix.kills import ENDS_THE_DRIVER, Kill, Stage

PATIENCE = 600.0
"""Seconds after which a stage that has not come is not awaited any longer."""

TITLES = {
    "training process": "ray::ImplicitFunc",
    "Tune trial of two workers": "ray::ImplicitFunc",
    "worker of two": "ray::RayTrainWorker",
    "Train controller": "ray::TrainController",
}
PROGRAMS = {"Ray's GCS": "gcs_server", "Ray's raylet": "raylet"}
TASKS, FEW_TASKS = 45, 8
"""Sub-tasks of the study: all pairs of ten classes; and of a short one."""

TRAININGS, FEW_TRAININGS = 3, 2

SURVIVED = 2
"""So often one driver's training is tried again after its worker died, or a task."""


def write_study(folder: Path, workers: int, short: bool = False, **changes: Any) -> Path:
    """Long enough that each stage can be hit several times, small enough that a hundred kills take half an hour.

    A short one is long enough that a stage can be hit once.
    """
    samples = FEW_TASKS if short else "all"
    if short:
        changes["sweep"] = None
    return tiny.write_study(
        folder,
        recipe={**tiny.STUDY["recipe"], "epochs": 12 if short else 40 if workers == 1 else 30},
        subtasks={**tiny.STUDY["subtasks"], "samples": samples, "finetune": {"epochs": 4, "batch_size": 32}},
        resources={"training": {"workers": workers, "cpus": 1}, "subtask": {"cpus": 1}},
        **changes,
    )


def numbers(storage: Where) -> dict[str, Any]:
    """Key -> what a step found, without what tells how long it took."""
    found = {}
    for key, document in Ledger(store_at(storage) / "tiny", readonly=True).results():
        result = dict(document["result"])
        result["history"] = [
            {name: value for name, value in row.items() if name not in ("seconds", "time", "timestamp")}
            for row in result.get("history", [])
        ]
        artifacts = {name: recorded["sha256"] for name, recorded in document["artifacts"].items()}
        found[key] = {**result, "artifacts": artifacts}
    return found


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """Where two studies found different things."""
    told = [f"{key} is there once" for key in sorted(found.keys() ^ expected.keys())]
    for key in sorted(found.keys() & expected.keys()):
        told += [
            f"{key} {name}: {found[key].get(name)} and not {value}"[:300]
            for name, value in expected[key].items()
            if found[key].get(name) != value
        ]
    return told


class History:
    """Runs a study through some kills, to its end.

    Args:
        folder: An empty one.
        kills: In the order of their stages.
        seed: Decides when exactly, and which of several processes.
        workers: Of each training.
        storage: Where the study lies, if not in that folder.
        tracking: The address of an MLflow server, if it is not a file.
        short: For a kill or two, each at a stage of its own.

    Attributes:
        study: The study's file.
        store: Where it lies.
        starts: How often a driver was started.
        done: Every kill that was really done.
    """

    def __init__(
        self,
        folder: Path,
        kills: list[Kill],
        seed: int,
        workers: int = 1,
        storage: Where | None = None,
        tracking: str | None = None,
        short: bool = False,
    ) -> None:
        self._storage, self._kills = storage or folder / "runs", kills
        self._tasks = FEW_TASKS if short else TASKS
        self._trainings = FEW_TRAININGS if short else TRAININGS
        self.store = store_at(self._storage) / "tiny"
        self.study = write_study(folder, workers, short, tracking=tracking and {"uri": tracking})
        self._luck = random.Random(seed)
        self._temporary = Path(tempfile.mkdtemp(prefix="nk", dir="/tmp"))  # short: Ray's sockets lie in there
        self._driver: Driver | None = None
        self._markers: set[str] = set()
        self._results: dict[str, tuple[bytes, int]] = {}
        self._epochs: dict[str, list[dict[str, float]]] = {}
        self._hit: Counter[str] = Counter()  # how often what was killed since the driver started
        self.starts = 0
        self.done: list[Kill] = []

    def run(self) -> dict[str, Any]:
        """Does it all, and returns what the study found, see `numbers`."""
        try:
            for kill in self._kills:
                for _ in range(kill.times):
                    self._do(kill)
            self._finish()
        finally:
            self._end("driver and its Ray head")
            shutil.rmtree(self._temporary, ignore_errors=True)
        return numbers(self._storage)

    # until it is finished

    def _start(self) -> Driver:
        """The same command again; what failed after its last try, too."""
        self._temporary.mkdir(exist_ok=True)
        self._driver = Driver(self.study, self._storage, "--retry-failed", TMPDIR=str(self._temporary))
        self._hit.clear()
        self.starts += 1
        return self._driver

    def _do(self, kill: Kill) -> None:
        if kill.times != SURVIVED + 1 and self._hit[kill.victim] >= SURVIVED:
            self._end("driver")  # what died twice already would fail
            self.done.append(Kill("driver", kill.stage, 1, kill.workers))
        driver = self._reach(kill)
        if driver is None:
            return
        self._remember(driver)
        if kill.victim in ENDS_THE_DRIVER:
            self._end(kill.victim)
        elif not self._kill_worker(driver, kill):
            return
        self.done.append(kill)

    def _end(self, victim: str) -> None:
        driver = self._driver
        if driver is None:
            return
        self._remember(driver)
        marker = driver.marker
        if victim in PROGRAMS:
            for process in processes(marker):
                with suppress(psutil.Error):
                    if process.name() == PROGRAMS[victim]:
                        process.kill()
            driver.ended(180)
        else:
            driver.kill()
        if victim not in ("driver", *PROGRAMS):
            while left := processes(marker):
                for process in left:
                    with suppress(psutil.Error):
                        process.kill()
                psutil.wait_procs(left, timeout=10)
        if victim.startswith("every process"):
            shutil.rmtree(self._temporary)
        self._driver = None

    def _kill_worker(self, driver: Driver, kill: Kill) -> bool:
        """Kills what runs such work; False if nothing does any more."""
        found = processes(driver.marker, TITLES.get(kill.victim, "ray::"))
        if kill.victim == "task worker":
            found = [each for each in found if " of mwt " in title(each) or title(each).startswith("ray::modularize")]
            found = [each for each in found if self._hit[title(each)] < SURVIVED]
        if not found:
            return False
        for process in found if kill.times == SURVIVED + 1 else [self._luck.choice(found)]:
            self._hit[title(process) if kill.victim == "task worker" else kill.victim] += 1
            with suppress(psutil.Error):
                process.kill()
        return True

    # when

    def _reach(self, kill: Kill) -> Driver | None:
        """Waits until the study is where the kill is to be done; None if it is past that already."""
        driver = self._driver or self._start()
        known = {key: len(rows) for key, rows in self._epochs.items()}
        tasks, deadline = finished(self.store, "reuse"), time.monotonic() + PATIENCE
        measures = 2 * (self._trainings - 1)  # at two thresholds of each, the standard one left out
        reached: dict[Stage, Callable[[], bool]] = {
            "starting": lambda: driver.marker is not None,
            "training": lambda: any(len(rows) > known.get(key, 0) for key, rows in histories_of(self.store).items()),
            "modularizing": lambda: bool(processes(driver.marker, "ray::modularize")),
            "fan-out": lambda: finished(self.store, "reuse") > tasks,
            "closing": lambda: (
                finished(self.store, "reuse") == self._tasks and finished(self.store, "measure") == measures
            ),
        }
        past: dict[Stage, Callable[[], bool]] = {
            "starting": lambda: False,
            "training": lambda: finished(self.store, "train") == self._trainings,
            "modularizing": lambda: finished(self.store, "reuse") > 0,
            "fan-out": lambda: finished(self.store, "reuse") > self._tasks - 3,
            "closing": lambda: False,
        }
        while not reached[kill.stage]():
            self._markers |= {driver.marker} - {None}  # type: ignore[arg-type]
            assert time.monotonic() < deadline, f"{kill} was never reached:\n{driver.log}"
            if driver.process.poll() is not None:
                self._driver = None
                if driver.process.returncode == 0:  # it was faster
                    return None
                assert driver.process.returncode == 1, driver.log  # a step failed after its last try
                driver = self._start()
            if past[kill.stage]():
                return None
            time.sleep(0.1)
        time.sleep(self._luck.choice([0.0, 0.05, 0.3, 1.0]) if kill.stage != "closing" else 0.0)
        return driver if driver.process.poll() is None else None

    def _remember(self, driver: Driver) -> None:
        """What must still be there at the end."""
        self._markers |= {driver.marker} - {None}  # type: ignore[arg-type]
        files = tiny.result_files(self._storage)
        self._results |= {path: file for path, file in files.items() if Path(path).parent.name in KINDS}
        self._epochs |= histories_of(self.store)

    # what must hold

    def _finish(self) -> None:
        for _ in range(3):
            driver = self._driver or self._start()
            if driver.ended(600) == 0:
                break
            self._driver = None
        assert driver.process.returncode == 0, driver.log
        self._driver = None
        tiny.assert_complete(self.study, self._storage)
        after = tiny.result_files(self._storage)
        assert {path: after[path] for path in self._results} == self._results, "a finished step ran again"
        ledger = Ledger(self.store, readonly=True)
        for key, rows in self._epochs.items():
            history = (ledger.get(key) or {})["result"]["history"]
            assert history[: len(rows)] == rows, "an epoch was lost that a checkpoint held"
        assert self.store.below("quarantine") == set(), "something whole was taken for damaged"
        assert self.store.below("checkpoints") == set(), "a finished training left its checkpoint"
        assert not left_of(self._markers), "processes of a dead head live on"


def title(process: psutil.Process) -> str:
    """What `ps` shows: Ray puts the step's name there."""
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def histories_of(store: Store) -> dict[str, list[dict[str, float]]]:
    """Key -> the epochs that a training's checkpoint holds."""
    return {key: state["history"] for key, state in checkpoints(store).items()}


def left_of(markers: set[str]) -> Counter[str]:
    """What lives of some Ray heads, by name."""
    found: Counter[str] = Counter()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARKER) in markers:
                found[process.name()] += 1
    return found
