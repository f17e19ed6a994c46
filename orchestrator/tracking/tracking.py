"""Writing a study to MLflow while it runs; a store that cannot be reached never holds up the study.

The ledger decides what is finished, and `StudyRuns` can write it again from there. What the ledger does not hold, the
curves of trainings without a result, waits in the `Spool` while the store is away.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from queue import SimpleQueue
from typing import Any

from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.results import Result
from orchestrator.plan.step import Step
from orchestrator.storage.layout import ENVIRONMENT
from orchestrator.system.credentials import masked
from orchestrator.tracking.connection import (
    STORE_ERRORS,
    MlflowStore,
    NoAddress,
    cannot_use,
    first_line,
    may_come_back,
    open_store,
)
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.writer import StudyRuns, now

log = logging.getLogger(__name__)

PAUSE_SECONDS, LONGEST_PAUSE = 30.0, 300.0
"""Seconds without a further attempt after a failed write, doubled each time: one that hangs takes ten seconds."""


HELD = 1000
"""At most so many results of sub-tasks wait in memory: where MLflow is slower than the cluster, they would fill it."""

PATIENCE = 15.0
"""Seconds after which a warning says that MLflow is still being written."""


class Tracking:
    """The study in an MLflow store; used by the driver only.

    Calls are queued and written in their order by a thread of its own, so that no step waits for MLflow. What a killed
    driver did not write is in the ledger, and the next one finds that it is missing. A store that cannot be reached
    costs a warning and is not tried again for a while; what it missed is written when it is back, by `close`, by the
    next run of the study or by `nemo sync`.

    Args:
        uri, artifact_root, experiment: See `open_store`.

    Raises:
        UserError: The store cannot be used, and not because a server is away.
    """

    def __init__(self, uri: str, artifact_root: str | None, experiment: str) -> None:
        self._masked_uri = masked(uri)
        self._open = partial(open_store, uri, artifact_root, experiment)
        self._silent_until = 0.0
        self._pause, self._unreachable = PAUSE_SECONDS, False
        self._store: MlflowStore | None = None
        self._runs: StudyRuns | None = None
        self._described = self._caught_up = False
        self._waiting: SimpleQueue[Callable[[], object] | None] = SimpleQueue()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)
        try:
            self._store = self._open()
        except (*STORE_ERRORS, ImportError) as error:
            if not may_come_back(uri, error):
                raise cannot_use(uri, artifact_root, error) from error
            self._pause_writes(error)
        self._thread.start()

    # called by the driver; each raises what stopped the thread before, such as a study's store that is full

    def study_run(self, study: str, ledger: Ledger, environment: Mapping[str, Any]) -> None:
        """Opens the study's run, or goes on with it, and writes everything that is not there yet."""
        self._study, self._ledger, self._spool = study, ledger, Spool(ledger.store)
        described = json.dumps(environment, indent=2).encode()
        self._put(lambda: ledger.store.write(ENVIRONMENT, described))
        self._put(partial(self._write, lambda runs: None))

    def study_changed(self) -> None:
        """Copies the study file again, for it has grown while it runs."""

        def describe() -> None:
            self._described = False
            self._write(lambda runs: None)

        self._put(describe)

    def log_epochs(self, step: Step, rows: Sequence[Mapping[str, float]]) -> None:
        """Writes entries of a training's history (`epoch`, `time` in unix ms, and the metrics).

        Give only epochs that a checkpoint holds: another one would be run again after a crash, and may differ.
        """

        def write(runs: StudyRuns) -> None:
            runs.open_training(step)
            runs.write_epochs(step, rows)

        def write_or_keep() -> None:
            if not self._write(write) and self._masked_uri:
                self._spool.append(step, rows)

        self._put(write_or_keep)

    def log_result(self, result: Result) -> None:
        """Writes a result of the ledger to the run it belongs to.

        Where many sub-tasks wait, `close` finds the last ones missing and writes them.
        """
        if self._waiting.qsize() >= HELD and result["kind"] == "reuse":
            self._raise()
            return
        self._put(partial(self._write, lambda runs: runs.write_result(result)))

    def log_failure(self, step: Step, reason: str) -> None:
        """Marks a training or a sub-task as failed, with its reason."""
        self._put(partial(self._write, lambda runs: runs.write_end(step, "FAILED", reason, now())))

    def log_stopped(self, step: Step, reason: str) -> None:
        """Marks a training that the search stopped early."""
        self._put(partial(self._write, lambda runs: runs.write_end(step, "KILLED", reason, now())))

    def flush(self) -> None:
        """Waits until all calls so far are written, or left for later.

        Raises:
            BaseException: What stopped the thread, if something did.
        """
        written = threading.Event()
        self._waiting.put(written.set)
        if not written.wait(PATIENCE):
            log.warning("MLflow is still being written; Ctrl-C leaves the rest to the next run, or to nemo sync")
            written.wait()
        self._raise()

    def close(self, status: str = "FINISHED") -> None:
        """Writes what was missed, and ends the study's run as FINISHED or FAILED, with its report, or as KILLED.

        Raises:
            BaseException: See `flush`.
        """
        self._waiting.put(partial(self._end, status))
        try:
            self.flush()
        finally:
            self._waiting.put(None)

    # in the thread

    def _put(self, write: Callable[[], object]) -> None:
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

    def _end(self, status: str) -> None:
        def end(runs: StudyRuns) -> None:
            if status != "KILLED":  # a person waits for it
                runs.attach_report()
            runs.end_study(status)

        self._silent_until = 0.0
        self._caught_up = False
        if not self._write(end) and self._masked_uri:
            text = "MLflow at %s lacks some of this study: nemo sync %s, or its next run, writes it"
            log.warning(text, self._masked_uri, self._study)

    def _write(self, write: Callable[[StudyRuns], None]) -> bool:
        """Writes what was missed, then this; returns whether that succeeded."""
        if time.monotonic() < self._silent_until:
            self._caught_up = False
            return False
        try:
            write(self._ready())
        except STORE_ERRORS as error:
            self._pause_writes(error)
            return False
        self._pause, self._unreachable = PAUSE_SECONDS, False
        return True

    def _ready(self) -> StudyRuns:
        """The study's runs, when nothing is missing in them."""
        if self._runs is None:
            self._store = self._store or self._open()
            self._runs = StudyRuns(self._store, self._study, self._ledger)
        if self._unreachable:
            self._runs.settle()
        if not self._described:
            self._runs.describe_study()
            self._runs.open_study()
            self._described = True
        if not self._caught_up:
            caught_up = self._runs.catch_up()
            if caught_up.refused:
                log.warning("MLflow at %s refuses %s", self._masked_uri, caught_up.refusals)
            self._caught_up = True
        return self._runs

    def _pause_writes(self, error: Exception) -> None:
        self._caught_up = False
        if self._runs is not None:
            self._runs.forget()
        if isinstance(error, NoAddress) and not self._unreachable:
            log.warning("tracking.uri: %s; the study goes on, and nemo sync writes it from the ledger then", error)
        elif not self._unreachable:
            text = "MLflow at %s cannot be written (%s); the study goes on, and what is missed is written later"
            log.warning(text, self._masked_uri, first_line(error))
        self._unreachable = True
        self._silent_until = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
