"""The watchdog of a run: it says what a study waits for that is silent, and gives up when there is no hope."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from nemo.errors import UserError

SAY_AFTER = 60.0
"""Seconds without any news after which it is said what the study waits for, or ten of its longest epochs."""

GIVE_UP_AFTER = 30 * 60.0
"""Seconds without any news after which there is no hope, or a hundred of its longest epochs."""

UNKNOWN = 6 * 3600.0
"""The same while something runs that nothing tells the length of."""

PATIENCE = "NEMO_GIVE_UP_AFTER"
"""Environment variable: seconds that win over all of these."""

_LOOKS_EVERY = 1.0

Verdict = Literal["fine", "say", "give up"]


class Watchdog:
    """Decides what silence means.

    Only time that it looked at counts: a laptop that slept and a driver that was stopped have heard nothing either.

    Args:
        patience: Seconds to give up after, whatever epochs take.
        clock: Seconds that only ever grow.
    """

    def __init__(self, patience: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest, self._patience, self._clock = 0.0, patience, clock
        self._looked = clock()
        self._said = 0.0
        self.silence = 0.0

    def heard(self, seconds: float = 0.0) -> None:
        """Something happened; if it was the end of an epoch or of a step, it took so many seconds."""
        self._longest = max(self._longest, seconds)
        self.silence = self._said = 0.0

    def look(self, unknown: bool = False) -> Verdict:
        """Looks whether the silence has lasted too long; to be called about once a second.

        Args:
            unknown: Whether something runs that nothing tells the length of, such as a first epoch.

        Returns:
            `say` when the silence is worth a word, and again each time that it is twice as long.
        """
        now = self._clock()
        self.silence += min(now - self._looked, 10 * _LOOKS_EVERY)
        self._looked = now
        give_up = self._patience or max(GIVE_UP_AFTER, 100 * self._longest, UNKNOWN if unknown else 0.0)
        if self.silence >= give_up:
            return "give up"
        if self.silence >= max(2 * self._said, min(max(SAY_AFTER, 10 * self._longest), give_up / 2)):
            self._said = self.silence
            return "say"
        return "fine"


def patience() -> float | None:
    """What the environment says.

    Raises:
        UserError: It is no number of seconds.
    """
    given = os.environ.get(PATIENCE)
    try:
        seconds = float(given) if given else None
    except ValueError:
        seconds = -1.0
    if seconds is not None and not seconds > 0:
        raise UserError(f"${PATIENCE}={given}: is no number of seconds, give one such as 3600, or none at all")
    return seconds


@contextmanager
def watching(look: Callable[[], bool]) -> Iterator[None]:
    """Calls `look` about once a second, in a thread of its own, while the block runs or until it returns False."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(_LOOKS_EVERY) and look():
            pass

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(60)  # it may hang as well as anybody
