"""A running study's limits: what it spends is measured, and it ends in order where a limit is reached."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable

from nemo.errors import UserError
from orchestrator.cluster.capacity import takes
from orchestrator.cluster.cluster import Cluster
from orchestrator.ledger.spending import Spent, reached, read_spent, record_spent
from orchestrator.plan.step import Step, counted
from orchestrator.storage import Store
from orchestrator.study.limits import Limits
from orchestrator.study.resources import Resources
from orchestrator.system.signals import Interrupted

RECORDED_EVERY = 30.0
"""Seconds after which what was spent is written again: so much of it a killed driver forgets."""

_log = logging.getLogger(__name__)


class LimitReached(Interrupted):
    """A limit of the study is reached; it ends like after Ctrl-C, and with the same exit code."""

    carries_on = "with a higher limit this carries on"

    def __init__(self, limit: str, left: Iterable[Step]) -> None:
        KeyboardInterrupt.__init__(self, f"{limit} with {counted(left) or 'only steps yet unknown'} left")
        self.exit_code = 130


class Meter:
    """Measures what a study spends while its driver runs, and writes it down beside its results.

    Args:
        store: The study's; it has what earlier runs spent.
        limits: The study's.
        clock: Seconds that only ever grow.
    """

    def __init__(self, store: Store, limits: Limits, clock: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits
        self._store, self._clock = store, clock
        self._spent = read_spent(store)
        self._recorded, self._recorded_at = self._spent, clock()
        self._measured_at = clock()
        self._warned = False

    @property
    def spent(self) -> Spent:
        """By all runs so far."""
        return self._spent

    @property
    def reached(self) -> str:
        """The limit that is reached, see `orchestrator.ledger.spending`; empty where none is."""
        return reached(self.limits, self._spent)

    def measure(self, cpus: float, gpus: float, counts: bool = True) -> None:
        """Adds the time since the last call, in which steps held so much; writes it down now and then.

        Args:
            cpus: That steps hold.
            gpus: Likewise.
            counts: Whether the time itself counts; not that of a pause in which nothing runs.
        """
        now = self._clock()
        if counts:
            self._spent = self._spent.plus(now - self._measured_at, cpus, gpus)
        self._measured_at = now
        if now - self._recorded_at >= RECORDED_EVERY:
            self.record()

    def record(self) -> None:
        """Writes it down; a storage that cannot be written is told once, and tried again the next time."""
        self._recorded_at = self._clock()
        if self._spent == self._recorded:
            return
        try:
            record_spent(self._store, self._spent)
            self._recorded, self._warned = self._spent, False
        except UserError as error:
            if not self._warned:
                _log.warning("what the study spends cannot be written (%s)", error)
            self._warned = True


def held(running: Iterable[Step], cluster: Cluster, resources: Resources) -> tuple[float, float]:
    """The CPUs and GPUs that running steps hold together: at most the cluster's, for some may wait in Ray."""
    cpus = gpus = 0.0
    tasks = set()
    for step in running:
        if step.kind == "train":
            more = takes(step, cluster, resources)
        else:
            task = tuple(step.parents.values()) if step.kind == "measure" else step.key  # measures share a task
            more = (0.0, 0.0) if task in tasks else (resources.subtask.cpus, resources.subtask.gpus)
            tasks.add(task)
        cpus, gpus = cpus + more[0], gpus + more[1]
    return min(cpus, cluster.cpus), min(gpus, cluster.gpus)
