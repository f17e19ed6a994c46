"""A driver of the simulated world: the real `run_study` in a thread that moves one write at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from orchestrator.driver import run
from orchestrator.ledger.lease import LeaseLost
from orchestrator.study.file import study_with_data
from orchestrator.system.process import Process
from tests.crashes.actor import Actor, Beside, Killed

if TYPE_CHECKING:
    from tests.crashes.executor import FanOut
    from tests.crashes.faults import Fault
    from tests.crashes.world import World

Death = Literal["before", "half", "orphan"]
"""How a driver dies: before what it stands before, in the middle of it, or without its worker, which goes on."""


class Driver(Actor):
    """One `nemo run`, on a host of the world; it moves only while the world lets it.

    Attributes:
        besides: Its threads beside the main one: what renews its lease, and its watchdog.
        faults: What is wrong between it and its storage.
        deaf_until: Until then it hears nothing of its workers.
    """

    def __init__(self, world: World, host: str, number: int, retry_failed: bool) -> None:
        super().__init__(world)
        self.retry_failed = retry_failed
        self.process = Process(host, host, number, float(number))
        self.besides: list[Beside] = []
        self.faults: list[Fault] = []
        self.deaf_until = 0.0
        self.holds = False  # whether it believes to hold the lease
        self.lost: LeaseLost | None = None
        self.ousted = False  # whether another one has rightly taken its lease, of which it need not know yet
        self.took = 0  # the moment when it took the lease
        self.sign_of_life = 0.0  # the time before which its lease was last renewed
        self.interrupted = False
        self.dead = False
        self.orphan = False  # dead itself, but its worker goes on
        self.fanout: FanOut | None = None
        self.found: set[str] = set()  # what was finished when it took the lease
        self.in_worker = False
        self._worker_left: int | None = None  # how many more writes its worker lives for; None is for ever
        self._writes = False
        self.start()

    @property
    def driver(self) -> Driver:
        return self

    @property
    def gone(self) -> bool:
        """Whether its process is no more."""
        return self.dead or self.orphan or self.ended

    @property
    def alive(self) -> bool:
        return not self.gone

    @property
    def renews(self) -> bool:
        """Whether it renews its lease in time, if it has one."""
        faulty = any(fault.who != "worker" and not fault.has_passed(self.world.passed) for fault in self.faults)
        return not faulty and all(beside.resting or beside.ended for beside in self.besides)

    def act(self) -> None:
        run.run_study(study_with_data(self.world.file), storage=self.world.storage, retry_failed=self.retry_failed)

    def go(self, how: str = "go", times: int = 1) -> None:
        super().go(how, times)
        if self.gone:
            for beside in self.besides:
                beside.move()

    def kill(self, how: Death) -> bool:
        """SIGKILL; says whether it can die so where it stands now."""
        if self.ended or (how == "half" and not self._writes) or (how == "orphan" and not self.in_worker):
            return False
        if how == "orphan":
            self.orphan = True
            for beside in self.besides:
                beside.move()
        else:
            self.go(how)
        return True

    def pause(self, writes: bool = False, waiting: bool = False) -> str:
        self._writes = writes
        if self.dead:
            raise Killed
        if self.in_worker and self._worker_left is not None and not waiting:
            self._worker_left -= 1
            if self._worker_left < 0:
                raise Killed
        super().pause(writes, waiting)
        if self._how != "go" or (self.orphan and not self.in_worker):
            self.dead = True
        if self.dead and self._how != "half":
            raise Killed
        if self.interrupted and not self.in_worker:
            self.interrupted = False
            raise KeyboardInterrupt  # as a signal interrupts the main thread
        return self._how

    @contextmanager
    def working(self, writes: int | None) -> Iterator[None]:
        """What is in the block happens in a worker, which dies after so many writes."""
        self.in_worker, self._worker_left = True, writes
        try:
            yield
        finally:
            self.in_worker = False
            if self.orphan:
                self.dead = True

    def hear(self) -> None:
        """Waits until it can hear of its workers."""
        self.wait_until(lambda: self.world.passed >= self.deaf_until, float("inf"))
