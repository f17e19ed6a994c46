"""A callback of Ray Train that kills a worker in the moment in which the workers of a group meet."""

from __future__ import annotations

import os
import signal
from typing import Any

from ray.train.v2._internal.execution.callback import WorkerGroupCallback


class KillsTheFirstStart(WorkerGroupCallback):
    def __init__(self) -> None:
        self._starts = 0

    def after_worker_group_start(self, worker_group: Any) -> None:
        self._starts += 1
        if self._starts == 1:
            os.kill(worker_group.get_workers()[-1].metadata.pid, signal.SIGKILL)
