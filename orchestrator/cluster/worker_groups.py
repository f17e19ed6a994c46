"""What Ray Train's groups of workers need of us where workers and nodes come and go."""

from __future__ import annotations

from typing import Any

from ray.train.v2._internal.execution.callback import WorkerGroupCallback


def keep_coordinator() -> None:
    """Has the actor that all trainings ask for room live on this driver's node, unless it lives elsewhere already.

    Ray pins it for good to the node of whoever asks first; with that node it ends, and elastic trainings wait for ever.
    """
    from ray.data._internal.cluster_autoscaler.default_autoscaling_coordinator import (
        get_or_create_autoscaling_coordinator,
    )

    get_or_create_autoscaling_coordinator()


class FreesFailedStarts(WorkerGroupCallback):  # type: ignore[misc]
    """Frees the placement group of a worker group that lost a worker while the workers met.

    At that moment Ray counts the group as started and forgets it: its CPUs would stay taken, and on a small cluster the
    next try would wait for them for ever. Ray loads this through `RAY_TRAIN_CALLBACKS`, before its own callbacks.
    """

    def __init__(self) -> None:
        self._held: Any = None

    def before_worker_group_start(self, worker_group_context: Any) -> None:
        """Another try: what the one before it still holds was forgotten."""
        if self._held is not None:
            self._held.shutdown()
            self._held = None

    def after_worker_group_start(self, worker_group: Any) -> None:
        """The group's workers live, and are about to meet."""
        self._held = worker_group.get_worker_group_state().placement_group_handle

    def before_worker_group_shutdown(self, worker_group: Any) -> None:
        """Ray frees it itself."""
        self._held = None
