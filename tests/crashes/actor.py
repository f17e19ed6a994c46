"""Threads that move only while the world lets them, and what they wait on: in the world's time, never in ours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.crashes.driver import Driver
    from tests.crashes.world import World


class Killed(BaseException):
    """What a process that is no more would do next."""


class Actor(threading.Thread):
    """A thread of a driver."""

    def __init__(self, world: World) -> None:
        super().__init__(daemon=True)
        self.world = world
        self.waiting = False  # going on changes nothing before time passes, or another thread moves
        self.resting = False  # between two things that it does every so many seconds
        self.ended = False
        self.error: BaseException | None = None
        self._how, self._times = "go", 0
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)

    @property
    def driver(self) -> Driver:
        """Whose thread it is."""
        raise NotImplementedError

    def act(self) -> None:
        """What it does when it may move for the first time."""
        raise NotImplementedError

    def run(self) -> None:
        self._go.acquire()
        try:
            if self._how == "go":
                self.act()
        except BaseException as error:
            self.error = error
        finally:
            self.ended = True
            self._paused.release()

    def go(self, how: str = "go", times: int = 1) -> None:
        """Lets it do what it stands before, and whatever follows until the next write, so many times; called by others.

        It does not stop in between, for that takes long on a busy machine, unless it has to wait.
        """
        if not self.ended and times > 0:
            self._how, self._times = how, times - 1
            self._go.release()
            self._paused.acquire()

    def pause(self, writes: bool = False, waiting: bool = False) -> str:
        """Stands still; returns how to go on: `go` or `half`; called by itself."""
        self.waiting = waiting
        if self._times > 0 and not waiting:
            self._times -= 1
        else:
            self._paused.release()
            self._go.acquire()
        return self._how

    def sleep(self, seconds: float) -> None:
        """Waits until so much time has passed in the world."""
        self.wait_until(lambda: False, self.world.passed + seconds)

    def wait_until(self, reached: Callable[[], bool], deadline: float) -> None:
        """Waits until something has happened, or it is too late for that."""
        while self.world.passed < deadline and not reached():
            self.pause(waiting=True)


class Beside(Actor):
    """Stands in for a `Thread` that a driver starts beside its main one; it dies with its driver."""

    def __init__(self, target: Callable[..., None], args: Sequence[object] = (), **named: object) -> None:
        self._owner = current()
        super().__init__(self._owner.world)
        self._target, self._given = target, args
        self._owner.besides.append(self)

    @property
    def driver(self) -> Driver:
        return self._owner

    def act(self) -> None:
        self._target(*self._given)

    def pause(self, writes: bool = False, waiting: bool = False) -> str:
        if self._owner.gone:
            raise Killed
        how = super().pause(writes, waiting)
        if self._owner.gone:
            raise Killed
        return how

    def move(self) -> None:
        """Lets it go on until it has to wait; called by the world when time has passed."""
        self.go(times=10_000)
        assert self.ended or self.waiting, "a thread beside a driver goes on for ever"

    def join(self, timeout: float | None = None) -> None:
        if not isinstance(threading.current_thread(), Actor):
            return super().join(timeout)
        deadline = self.world.passed + (float("inf") if timeout is None else timeout)
        while not self.ended and self.world.passed < deadline:
            self.move()
            if not self.ended:
                acting().pause(waiting=True)


class Bell:
    """Stands in for an `Event` that ends what is done every so many seconds."""

    def __init__(self) -> None:
        self._rung = False

    def set(self) -> None:
        if current().gone:
            raise Killed
        self._rung = True

    def wait(self, seconds: float) -> bool:
        actor = acting()
        actor.resting = True
        actor.wait_until(lambda: self._rung, actor.world.passed + seconds)
        actor.resting = False
        return self._rung


class Lock:
    """Stands in for an `RLock` among the threads of a driver."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        while not self._lock.acquire(blocking=False):
            acting().pause(waiting=True)

    def __exit__(self, *error: object) -> None:
        self._lock.release()


def acting() -> Actor:
    """The thread that runs this."""
    thread = threading.current_thread()
    assert isinstance(thread, Actor)
    return thread


def current() -> Driver:
    """The driver that runs this."""
    return acting().driver
