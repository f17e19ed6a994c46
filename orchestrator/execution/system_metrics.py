"""What a training does to its machine: MLflow's own monitors, sampled in the training's worker."""

from __future__ import annotations

import logging
import threading
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

PREFIX = "system/"
"""Of the metrics' names, as MLflow's page expects them in its tab of system metrics."""

_log = logging.getLogger(__name__)


class SystemMetrics(AbstractContextManager["SystemMetrics"]):
    """Samples the machine every 10 s, or `MLFLOW_SYSTEM_METRICS_SAMPLING_INTERVAL`; `take` gives the means since.

    MLflow's sampler would write to the server itself. Here only the driver does that, so its monitors are asked for the
    numbers, which travel with the epochs: they are in the ledger, and are written later where MLflow was away.

    Args:
        on: Whether anything is sampled; MLflow is not even imported otherwise.
    """

    def __init__(self, on: bool) -> None:
        self._monitor = _monitor() if on else None
        self._lock, self._end = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._sample, name="system-metrics", daemon=True)

    def __enter__(self) -> SystemMetrics:
        if self._monitor is not None:
            self.take()  # a first sample has no time to be the mean of
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()

    def take(self) -> dict[str, float]:
        """The means since the last call, such as `system/cpu_utilization_percentage`; of the whole machine."""
        if self._monitor is None:
            return {}
        with self._lock:
            self._monitor.collect_metrics()
            means = self._monitor.aggregate_metrics()
            for each in self._monitor.monitors:
                each.clear_metrics()
        return {PREFIX + name: float(value) for name, value in means.items()}

    def _sample(self) -> None:
        assert self._monitor is not None
        while not self._end.wait(self._monitor.sampling_interval):
            with self._lock:
                self._monitor.collect_metrics()


def _monitor() -> SystemMetricsMonitor | None:
    from mlflow.system_metrics.system_metrics_monitor import SystemMetricsMonitor

    logging.getLogger("mlflow.system_metrics").setLevel(logging.WARNING)  # it tells each worker of no GPU
    try:
        # Never started, so it asks nobody; without an address it makes a database in the working folder.
        return SystemMetricsMonitor(run_id="", tracking_uri="http://nobody")
    except Exception as error:  # a machine that lets nobody look costs no training
        _log.warning("no system metrics: %s", error)
        return None
