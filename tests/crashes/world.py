"""The simulated world: a study's folder, its hosts and drivers, time, chance, and what must always hold."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Literal

import yaml
from obstore.store import MemoryStore

from nemo.errors import UserError
from orchestrator.execution.context import DIED, Context
from orchestrator.ledger.lease import EXPIRED_AFTER, RENEWED_EVERY, Clock, read_owner
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Plan, plan
from orchestrator.plan.step import Step
from orchestrator.report.rendering import as_json
from orchestrator.report.study_report import gather
from orchestrator.storage import Store, layout, store_at
from orchestrator.study.data import DescribedStudy
from orchestrator.study.study import Study
from tests.crashes.actor import Killed, acting
from tests.crashes.driver import Driver
from tests.crashes.faults import heal
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
HOSTS = ("a", "b")
REASONS = ("the loss is NaN", "ValueError: the loss is NaN", "RuntimeError: its worker died", DIED, "gave up after")
"""What steps fail of here; a storage that cannot be reached is no step's fault."""

Storage = Literal["folder", "network folder", "bucket"]
"""A folder that only `a` can lock, as some network file systems are; one that both can; a bucket."""


class World(Clock):
    """One study's storage, the hosts that see it, and time.

    Args:
        folder: An empty one.
        seed: Decides about everything that happens by chance.
        trouble: How likely steps fail, workers die and trials are stopped, from 0 to 1.
        kind: Where the studies lie.
    """

    def __init__(self, folder: Path, seed: int = 0, trouble: float = 0.0, kind: Storage = "folder") -> None:
        self.remote, self.objects = kind == "bucket", MemoryStore()
        self.storage: Path | str = "s3://bucket/runs" if self.remote else folder / "runs"
        self.locking = ("a",) if kind == "folder" else HOSTS
        self.file = folder / "study.yaml"
        self.luck, self.trouble = random.Random(seed), trouble
        self.drivers: list[Driver] = []
        self.passed = 0.0
        self._moments = count(1)
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
    def store(self) -> Store:
        return store_at(self.storage) / str(STUDY["name"])

    def ledger(self) -> Ledger:
        return Ledger(self.store, readonly=True)

    def plan(self) -> Plan:
        return plan(DescribedStudy(Study.model_validate(self.fields), DESCRIPTIONS), self.ledger())

    # time

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        acting().sleep(seconds)

    def tick(self, seconds: float) -> None:
        """Time passes: drivers renew their leases or learn that they lost them, and look whether they hear anything."""
        until, rested = self.passed + seconds, False
        while self.passed < until:
            chunk = min(until - self.passed, RENEWED_EVERY)
            self.passed += chunk
            living = [driver for driver in self.drivers if driver.alive]
            for driver in living:
                for beside in driver.besides:
                    beside.move()
                self.check_lease()
            rest = all(driver.renews for driver in living)
            if rested and rest:  # each has renewed its lease since the last one landed
                assert len(self.holders()) <= 1, "two drivers have renewed their leases"
            rested = rest and chunk == RENEWED_EVERY

    def next_moment(self) -> int:
        return next(self._moments)

    # the lease

    def taken(self, driver: Driver) -> None:
        """A driver took the lease: from nobody, or one on another host that has not renewed it for long enough."""
        for other in self.holders() if self.leases_are_sure else ():
            elsewhere = other.process.machine != driver.process.machine
            silent = self.passed - other.sign_of_life
            assert other.ousted or elsewhere, "a driver on the same host, which lives, lost its lease"
            assert other.ousted or silent >= EXPIRED_AFTER, f"a driver lost its lease after {silent} s"
            other.ousted = True
        driver.holds, driver.took, driver.sign_of_life = True, self.next_moment(), self.passed

    def renewed(self, driver: Driver, began: int, time: float) -> None:
        """A driver renewed its lease, and so does not know of another one that took it before this renewal began."""
        others = [other for other in self.holders() if other is not driver and not other.ousted]
        if self.leases_are_sure:
            assert all(other.took > began for other in others), "a driver renewed a lease that another one has taken"
        driver.sign_of_life = time
        driver.ousted = bool(others)

    def check_lease(self) -> None:
        """The lease in the storage is that of the driver that rightly holds it, or of one that is just taking it."""
        for holder in self.holders() if self.leases_are_sure else ():
            owner = None if holder.ousted else read_owner(self.store)
            named = None if owner is None else self.drivers[owner.process.pid]
            if not holder.ousted and named is not holder:
                assert named is not None, "somebody gave back a lease that was not theirs"
                assert not named.took, "a driver wrote over a lease that another one has taken"

    @property
    def leases_are_sure(self) -> bool:
        """Whether no two drivers can take the lease at once: each one's host can lock the folder, or it is a bucket."""
        return all(driver.process.host in self.locking for driver in self.drivers)

    # drivers

    def start(self, host: str, retry_failed: bool = False) -> Driver:
        self.drivers.append(Driver(self, host, len(self.drivers), retry_failed))
        return self.drivers[-1]

    def holders(self) -> list[Driver]:
        """The living drivers that believe to hold the lease."""
        return [each for each in self.drivers if each.alive and each.holds and each.lost is None]

    def finished(self) -> set[str]:
        """The keys of what is finished, and whole."""
        return set(self._documents())

    def run_to_its_end(self, *drivers: Driver) -> None:
        """Lets drivers go on in turns until each has ended."""
        for _ in range(2_000):
            going = [driver for driver in drivers if not driver.ended]
            if not going:
                return
            for driver in going:
                driver.go(times=20)
            self.tick(1.0)
        raise AssertionError("a driver goes on for ever")

    def heal(self) -> None:
        """Nothing is wrong any more with any driver's disk or network."""
        for driver in self.drivers:
            heal(driver)

    def kill_all(self) -> None:
        for driver in self.drivers:
            driver.kill("before")
            driver.join()
            for beside in driver.besides:
                beside.move()
                beside.join()

    # what steps do

    def happens(self, likely: float) -> bool:
        return self.luck.random() < likely * self.trouble

    def writes_until_death(self) -> int | None:
        return self.luck.randrange(20) if self.happens(0.3) else None

    def compute(self, step: Step, context: Context) -> dict[str, Any]:
        """What a worker does for a step: checkpoint, artifact, result."""
        ledger = context.ledger
        finished = step.key in self.results
        document = ledger.get(step.key)
        if document is not None:
            return document
        assert not finished, f"{step.label} is computed although it was finished"
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

    def _documents(self) -> dict[str, Any]:
        reader = self.ledger()
        documents = dict(reader.results())
        for key in documents:
            assert reader.verify(key)
        return documents

    def check(self) -> None:
        """Results are whole and never change, nothing else looks damaged, and no step fails of its storage."""
        self.check_lease()
        documents = self._documents()
        for key, document in documents.items():
            told = {name: document[name] for name in ("kind", "params", "parents", "result", "artifacts")}
            assert self.results.setdefault(key, told) == told, "a result changed"
        assert documents.keys() == self.results.keys(), "a result was lost"
        assert not self.store.list(layout.QUARANTINE), "something whole was taken for damaged"
        for failure in self.ledger().failures().values():
            assert failure["reason"].startswith(REASONS), failure["reason"]
        for driver in self.drivers:
            if driver.error is not None and not isinstance(driver.error, Killed | UserError):
                raise driver.error
            own = f"run by process {driver.process.pid} on {driver.process.host} "
            assert own not in str(driver.error), "a driver took its own lease for another one's"
            for beside in driver.besides:
                if beside.error is not None and not isinstance(beside.error, Killed):
                    raise beside.error

    def check_finished(self) -> None:
        """Every step of the study has its result."""
        planned = self.plan()
        assert not any(planned.up_to.values()), planned.up_to
        assert [step.label for step in planned.steps if step.key not in self.results] == []
        assert self.ledger().failures() == {}

    def check_report(self) -> None:
        """The report opens."""
        report = gather(self.store)
        assert report.all_tables
        assert as_json(report.frames)
