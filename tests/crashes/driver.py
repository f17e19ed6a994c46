"""A driver of the simulated world: the real `run_study` in a thread that moves one write at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from orchestrator.driver import run
from orchestrator.ledger.lease import Lease, LeaseLost
from orchestrator.study.file import study_with_data
from orchestrator.system.process import Process

if TYPE_CHECKING:
    from tests.crashes.executor import FanOut
    from tests.crashes.world import World

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
                run.run_study(
                    study_with_data(self.world.file), storage=self.world.storage, retry_failed=self.retry_failed
                )
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


def current() -> Driver:
    """The driver that runs this."""
    thread = threading.current_thread()
    assert isinstance(thread, Driver)
    return thread
