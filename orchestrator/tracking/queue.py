"""Tracking in a thread of its own: no step waits until MLflow has written another one, or has caught up."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.tracking.tracking import Tracking

log = logging.getLogger(__name__)

HELD = 1000
"""At most so many results of sub-tasks wait in memory: where MLflow is slower than the cluster, they would fill it."""

PATIENCE = 15.0
"""Seconds after which a person is told what is still being waited for."""


class TrackingQueue:
    """What `Tracking` is told, in the order in which it was told; `close` waits until all of it is written.

    What a killed driver did not write is in the ledger, and the next one finds that it is missing.

    Args:
        tracking: Used by nobody else from now on.
    """

    def __init__(self, tracking: Tracking) -> None:
        self._tracking = tracking
        self._waiting: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        self._thread.start()

    def study_run(self, study: str, ledger: Ledger, environment: Mapping[str, Any]) -> None:
        """See `Tracking.study_run`; the ledger is read in the other thread."""
        self._put(partial(self._tracking.study_run, study, ledger, environment))

    def log_epochs(self, step: Step, rows: Sequence[Mapping[str, float]]) -> None:
        """See `Tracking.log_epochs`."""
        self._put(partial(self._tracking.log_epochs, step, rows))

    def log_result(self, document: Mapping[str, Any]) -> None:
        """See `Tracking.log_result`; where many sub-tasks wait, `close` finds the last ones missing and writes them."""
        if self._waiting.qsize() >= HELD and document["kind"] == "reuse":
            self._raise()
            return
        self._put(partial(self._tracking.log_result, document))

    def log_failure(self, step: Step, reason: str) -> None:
        """See `Tracking.log_failure`."""
        self._put(partial(self._tracking.log_failure, step, reason))

    def log_stopped(self, step: Step, reason: str) -> None:
        """See `Tracking.log_stopped`."""
        self._put(partial(self._tracking.log_stopped, step, reason))

    def close(self, status: str = "FINISHED") -> None:
        """See `Tracking.close`.

        Raises:
            BaseException: What stopped the thread, if something did and `log_...` has not raised it.
        """
        self._waiting.put(partial(self._tracking.close, status))
        self._waiting.put(None)
        self._thread.join(PATIENCE)
        if self._thread.is_alive():
            log.warning("MLflow is still being written; Ctrl-C leaves the rest to the next run, or to nemo sync")
            self._thread.join()
        self._raise()

    def _put(self, write: Callable[[], None]) -> None:
        self._raise()
        self._waiting.put(write)

    def _raise(self) -> None:
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        while (write := self._waiting.get()) is not None:
            try:
                write()
            except BaseException as error:  # raised again in the driver's own thread
                self._error = self._error or error
