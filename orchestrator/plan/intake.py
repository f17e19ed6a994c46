"""The intake of trainings that a study gets while it runs: offered by one thread, taken by the one that trains."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from orchestrator.plan.combination_plan import Search
from orchestrator.plan.step import Step


@dataclass(frozen=True)
class More:
    """What a study is to train from now on: all that is pending, and all of its searches."""

    steps: Sequence[Step]
    searches: Sequence[Search]


class Intake:
    """Holds what was offered last, for it includes what was offered before."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._more: More | None = None
        self._later = self._closed = False

    def offer(self, more: More) -> bool:
        """Gives more to train; False where nothing is trained any more."""
        with self._lock:
            if not self._closed:
                self._more = more
            return not self._closed

    def take(self) -> More | None:
        """What was offered since the last call."""
        with self._lock:
            more, self._more = self._more, None
            return more

    def postpone(self) -> None:
        """Says that some of what was taken has to wait until what is trained now has ended."""
        with self._lock:
            self._later = True

    def close(self) -> bool:
        """Takes no more, unless something was offered or postponed: then that is to be trained, and it stays open."""
        with self._lock:
            self._closed = self._more is None and not self._later
            self._more, self._later = None, False
            return self._closed
