"""The simulated world: a study's folder, its hosts and drivers, time, chance, and what must always hold."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from nemo.errors import UserError
from orchestrator.execution.context import Context
from orchestrator.ledger import lease
from orchestrator.ledger.lease import Clock, LeaseLost
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Plan, plan
from orchestrator.plan.step import Step
from orchestrator.storage import layout
from orchestrator.study.data import DescribedStudy
from orchestrator.study.study import Study
from tests.crashes.driver import Driver, Killed, current
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
HOSTS = ("a", "b")  # folders on `b` cannot be locked, as on some network file systems


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
        self.disputed = False  # whether a lease was taken over that its owner has not tried to renew since
        self.stopped = False  # whether a trial was ever stopped early
        self.results: dict[str, Any] = {}
        self.flushed: set[int] = set()  # inodes whose content is on the disk
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
        return plan(DescribedStudy(Study.model_validate(self.fields), DESCRIPTIONS), self.ledger())

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
        self.disputed = False

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
            context.store.write(f"{layout.checkpoints(step.key)}/checkpoint.pt", b"half of the epochs")
        for parent in step.parents.values():
            assert ledger.verify(parent), f"{step.label} starts before what it builds on is whole"
        artifact, result = RESULTS[step.kind](step, random.Random(step.key))
        if artifact:
            with ledger.writing(step.key, artifact) as path:
                path.write_bytes(step.key.encode())
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
        same_host = [driver for driver in self.holders() if driver.process.host == "a"]
        assert self.disputed or len(same_host) <= 1, "two drivers on one host hold the lease"
        for driver in self.drivers:
            if driver.error is not None and not isinstance(driver.error, Killed | UserError):
                raise driver.error

    def check_finished(self) -> None:
        """Every step of the study has its result."""
        planned = self.plan()
        assert not any(planned.up_to.values()), planned.up_to
        assert [step.label for step in planned.steps if step.key not in self.results] == []
        assert self.ledger().failures() == {}
