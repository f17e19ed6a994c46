"""The queue of the steps that may run now: the highest priority first, equals in the order in which they came."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Iterable, Mapping
from itertools import count

from orchestrator.plan.step import Step


class StepQueue:
    """Steps that wait for room; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._heap: list[tuple[int, int, Step]] = []
        self._numbers = count()

    def __len__(self) -> int:
        return len(self._heap)

    def extend(self, steps: Iterable[Step]) -> None:
        """Adds steps, in their order."""
        with self._lock:
            for step in steps:
                heapq.heappush(self._heap, (-step.priority, next(self._numbers), step))

    def arrange(self, steps: Mapping[str, Step]) -> None:
        """Gives waiting steps the priorities of these, by key; equals keep their order."""
        with self._lock:
            waiting = [(number, steps.get(step.key, step)) for _, number, step in self._heap]
            self._heap = [(-step.priority, number, step) for number, step in waiting]
            heapq.heapify(self._heap)

    def peek(self) -> Step | None:
        """The next step, which stays in the queue; None where there is none."""
        with self._lock:
            return self._heap[0][-1] if self._heap else None

    def pop(self) -> Step:
        """Takes the next step.

        Raises:
            IndexError: There is none.
        """
        with self._lock:
            return heapq.heappop(self._heap)[-1]
