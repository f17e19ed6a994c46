"""How much of a cluster steps take: how many fit, what never can, and how often what died runs again."""

from __future__ import annotations

import math
import threading

from nemo.errors import UserError
from nemo.methods import METHODS
from orchestrator.cluster.cluster import Cluster
from orchestrator.plan.step import Step
from orchestrator.study.resources import Resources, SubtaskResources, TrainingResources

MAX_RETRIES = 2
"""How often Ray runs a task again whose worker died: a step of the fan-out, or candidates of a module search."""

MAX_FAILURES = 2
"""How often a training starts again after a worker died: by Tune where it is one worker, in its trial's own process,
else by Train, which starts its group of workers again."""

SEARCH_TASKS = 16
"""At most so many candidates of one search in a trained network run at a time."""


class Slots:
    """Shares a cluster between the trainings, which come first, and the fan-out; thread-safe.

    Ray has no priorities: a stream of small tasks would take every CPU that falls free, and a training that needs
    several at once would wait for ever.

    Attributes:
        closed: Whether nothing more may start, as while a study is paused.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._demand = self._running = 0
        self.closed = False
        self._need = (0.0, 0.0)

    def trainings(self, wanted: int, running: int, cpus: float, gpus: float) -> None:
        """Updates how many trainings could run now, how many do, and what each of them takes."""
        with self._lock:
            self._demand, self._running, self._need = wanted, running, (cpus, gpus)

    def tasks(self, cpus: float, gpus: float) -> int:
        """How many tasks of this size may be in flight now.

        Beside trainings that take everything it is one, which runs when one of them ends; none while a training waits.
        """
        if self.closed:
            return 0
        with self._lock:
            free = self._cluster.cpus - self._demand * self._need[0], self._cluster.gpus - self._demand * self._need[1]
            fitting = _fitting(free, (cpus, gpus))
            if self._demand == 0:
                return max(1, 2 * fitting)  # the second half waits in Ray, so that no worker waits for the driver
            return max(fitting, int(self._demand <= self._running))


def concurrent_trainings(cluster: Cluster, resources: Resources) -> int:
    """How many trainings the cluster can run at a time, at most `max_concurrent`.

    Raises:
        UserError: Not even one; the sentence holds the arithmetic.
    """
    training = resources.training
    places = _places(cluster, training)
    if places < training.fewest:
        needs = f"{training.fewest} workers x {training.cpus:g} CPUs"
        needs += f" and {training.gpus:g} GPUs each" if training.gpus else ""
        raise UserError(
            f"resources.training: a training needs {needs}, but the cluster of {cluster.cpus:g} CPUs and "
            f"{cluster.gpus:g} GPUs has room for {places} such workers; ask for fewer workers, CPUs or GPUs."
        )
    return min(max(1, places // training.workers), resources.max_concurrent or places)


def _places(cluster: Cluster, needs: TrainingResources | SubtaskResources) -> int:
    return sum(_fitting(node, (needs.cpus, needs.gpus)) for node in cluster.nodes)


def concurrent_subtasks(cluster: Cluster, resources: Resources) -> int:
    """How many sub-tasks the cluster can run at a time."""
    return _places(cluster, resources.subtask)


def searches_modules(step: Step) -> bool:
    """Whether a training is a search for the modules of another one's network."""
    return METHODS[step.params["method"]].starts_from is not None


def bundles_of(step: Step, cluster: Cluster, resources: Resources) -> list[tuple[float, float]]:
    """The CPUs and GPUs that a training holds while it runs, each pair on one node; fewer where it may."""
    if searches_modules(step):
        subtask = resources.subtask
        return [(subtask.cpus, subtask.gpus)] * min(SEARCH_TASKS, concurrent_subtasks(cluster, resources))
    training = resources.training
    return [(training.cpus, training.gpus)] * min(training.workers, _places(cluster, training))


def takes(step: Step, cluster: Cluster, resources: Resources) -> tuple[float, float]:
    """How many CPUs and GPUs a training holds in all."""
    bundles = bundles_of(step, cluster, resources)
    return sum(cpus for cpus, _ in bundles), sum(gpus for _, gpus in bundles)


def check_room(cluster: Cluster, resources: Resources, *, trains: bool = True) -> None:
    """Refuses trainings and sub-tasks that the cluster can never run.

    Args:
        cluster: What there is.
        resources: What is asked for.
        trains: Whether anything is left to train.

    Raises:
        UserError: One of them needs more than there is; the sentence starts with the field and holds the arithmetic.
    """
    if trains:
        concurrent_trainings(cluster, resources)
    _check_subtasks(cluster, resources)


def _check_subtasks(cluster: Cluster, resources: Resources) -> None:
    subtask = resources.subtask
    if concurrent_subtasks(cluster, resources) == 0:
        raise UserError(
            f"resources.subtask: a sub-task needs {subtask.cpus:g} CPUs and {subtask.gpus:g} GPUs on one node, which "
            f"no node of the cluster has ({cluster.cpus:g} CPUs and {cluster.gpus:g} GPUs in all); ask for less."
        )


def _fitting(free: tuple[float, float], size: tuple[float, float]) -> int:
    """How often a size fits; a fraction of a GPU must come from a single GPU, so 0.4 of one fits twice into each."""
    (cpus, gpus), (cpu, gpu) = free, size
    counts = [_times(cpus, cpu)] if cpu > 0 else []
    if 0 < gpu < 1:
        whole = math.floor(gpus + _ROUNDING)
        counts.append(whole * _times(1.0, gpu) + _times(gpus - whole, gpu))
    elif gpu > 0:
        counts.append(_times(gpus, gpu))
    return max(0, min(counts, default=0))


_ROUNDING = 1e-9


def _times(have: float, need: float) -> int:
    return math.floor(have / need + _ROUNDING)
