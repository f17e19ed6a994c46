"""Ending a study early: by Ctrl-C, SIGTERM and a terminal that is closed, and from threads beside the main one."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from nemo.errors import UserError


def endings() -> list[signal.Signals]:
    """The signals that end a command in order.

    SIGHUP, of a terminal that is closed or an ssh that broke, is one of them: what it kills at once leaves a Ray head
    behind. `nohup` has it ignored, and it stays so.
    """
    hung_up = [] if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hung_up]


def as_interrupts() -> None:
    """Lets all the `endings` be KeyboardInterrupts, until this process ends."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in endings():
        signal.signal(number, interrupt)


_ECHO = 2.0
"""Seconds. Batch systems send SIGTERM to all processes of a job, its script among them, which passes it on."""


class Interrupted(KeyboardInterrupt):
    """One of the `endings` was received, and this process is to end.

    Attributes:
        exit_code: What a shell expects of a process that a signal ended: 130 after Ctrl-C, 143 after SIGTERM.
        carries_on: What the same command does afterwards, for people.
    """

    carries_on = "this carries on"

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.exit_code = 128 + number


@contextmanager
def interruptible(end: Callable[[], object]) -> Iterator[None]:
    """Raises `Interrupted` in a block, in the main thread, at the first of the `endings`; the second ends the process.

    A SIGTERM that follows another one at once is the same.

    Args:
        end: Called before the process ends at once, to end what would outlive it.

    Raises:
        UserError: This is not the main thread: Python gives signals to that alone.
    """
    _require_main_thread()
    received: list[int] = []
    first = 0.0

    def handle(number: int, frame: FrameType | None) -> None:
        nonlocal first
        if received and number == received[0] == signal.SIGTERM and time.monotonic() - first < _ECHO:
            return
        received.append(number)
        if len(received) == 1:
            first = time.monotonic()
            raise Interrupted(number)
        try:
            end()
        finally:
            os._exit(128 + number)

    before = {number: signal.signal(number, handle) for number in endings()}
    try:
        yield
    except KeyboardInterrupt:
        if not received:
            raise
        raise Interrupted(received[0]) from None  # where Ray waits, it raises a plain KeyboardInterrupt in its place
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stopped(KeyboardInterrupt):
    """Unwinds the main thread past any `except Exception`; Ray's waits let only a KeyboardInterrupt pass."""


@contextmanager
def stoppable() -> Iterator[Callable[[BaseException], None]]:
    """Lets other threads end a block: yields a function that makes the block raise the error it is called with.

    Raises:
        UserError: As `interruptible`.
    """
    _require_main_thread()
    errors: list[BaseException] = []

    def stop(error: BaseException) -> None:
        errors.append(error)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGUSR2)  # wakes it wherever it waits

    def unwind(number: int, frame: FrameType | None) -> None:
        raise _Stopped

    before = signal.signal(signal.SIGUSR2, unwind)
    try:
        yield stop
    except KeyboardInterrupt:
        if not errors:
            raise
        raise errors[0] from None
    finally:
        signal.signal(signal.SIGUSR2, before)


def _require_main_thread() -> None:
    if threading.current_thread() is not threading.main_thread():
        raise UserError(
            "a study answers to Ctrl-C, which only a program's main thread can; run it there, or as the command nemo "
            "run in a process of its own"
        )
