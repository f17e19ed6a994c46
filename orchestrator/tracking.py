"""MLflow, as the driver writes it: one run for the study, one for each training, one for each sub-task.

The ledger decides what is finished; everything here can be written again from it. A run is found by its tag
`nemo.key`, a point carries the time stamp of the result it comes from (MLflow drops a byte-identical point), and a
run is marked FINISHED only after everything in it, so that what was missed is known and writing twice adds nothing.
"""

from __future__ import annotations

import fcntl
import json
import logging
import math
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# MLflow reads these when it is imported or called. Its own default waits minutes for a server that is away.
for _name, _value in {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "3",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
}.items():
    os.environ.setdefault(_name, _value)

from mlflow.entities import Metric, Param, RunTag, ViewType  # noqa: E402
from mlflow.exceptions import MlflowException  # noqa: E402
from mlflow.tracking import MlflowClient  # noqa: E402
from sqlalchemy.exc import SQLAlchemyError  # noqa: E402

from nemo.errors import UserError  # noqa: E402
from orchestrator.ledger import Ledger  # noqa: E402
from orchestrator.mlflow_entries import (  # noqa: E402
    epoch_points,
    flat_params,
    identity_tags,
    machine_tags,
    milliseconds,
    result_points,
    threshold_points,
    threshold_text,
)
from orchestrator.mlflow_views import view_tags  # noqa: E402
from orchestrator.step import Step  # noqa: E402

log = logging.getLogger(__name__)
for _chatty in ("mlflow.store.db.utils", "alembic"):
    logging.getLogger(_chatty).setLevel(logging.WARNING)

# A call takes 100 params and 100 tags, and 1,000 entities in all.
METRICS_PER_CALL, PARAMS_PER_CALL = 800, 100
PARAM_LENGTH = 6000

PAUSE_SECONDS = 30.0
"""After a failed write the store is left alone for so long: a server that is away must not hold up the study."""

STAGES = {"train": "training", "reuse": "subtask"}


@dataclass
class _Run:
    """What is known of an MLflow run."""

    id: str
    status: str
    metrics: set[str] = field(default_factory=set)
    reason: bool = False  # whether it carries the reason of a failure
    epochs: set[int] = field(default_factory=set)  # those that this process wrote


class Tracking:
    """The study in an MLflow store; the driver's, and nobody else's.

    Writing never raises: a store that is away costs a warning and a few seconds, is then left alone for a while, and
    `close()` (or the next run of the study) writes what was missed from the ledger. Calls are serialised.

    Args:
        uri: MLflow's tracking URI; an SQLite file is made with its folder.
        artifact_root: Where a new experiment keeps its files; None leaves it to a server.
        experiment: Name of the experiment, made when there is none.
        models: Whether the networks' safetensors are copied to the runs.

    Raises:
        UserError: The store cannot be opened now, before anything has been computed.
    """

    def __init__(self, uri: str, artifact_root: str | None, experiment: str, models: bool = True) -> None:
        self.uri = uri
        self.missed = 0
        self._models = models
        self._lock = threading.RLock()
        self._silent_until = 0.0
        self._runs: dict[str, _Run] | None = None
        self._study = ""
        self._ledger: Ledger | None = None
        try:
            with _only_one_creates(uri):
                self._client = MlflowClient(tracking_uri=uri)
                self._experiment = self._open_experiment(experiment, artifact_root)
        except (MlflowException, SQLAlchemyError, OSError, ImportError) as error:
            remedy = "start the server, mend the URI, or leave it out to use a file in the storage folder"
            if artifact_root is not None:
                remedy = "make the storage folder writable with room to spare"
            raise UserError(f"tracking.uri: MLflow cannot use {uri!r} ({_first_line(error)}); {remedy}") from error

    def _open_experiment(self, name: str, artifact_root: str | None) -> str:
        experiment = self._client.get_experiment_by_name(name)
        if experiment is None:
            try:
                return str(self._client.create_experiment(name, artifact_location=artifact_root))
            except MlflowException:
                # Another driver on the same server was faster.
                experiment = self._client.get_experiment_by_name(name)
                if experiment is None:
                    raise
        if experiment.lifecycle_stage != "active":
            raise UserError(f"tracking.experiment: {name!r} was deleted in MLflow; restore it or give another name")
        return str(experiment.experiment_id)

    @property
    def experiment_id(self) -> str:
        return self._experiment

    def study_run(self, study: str, ledger: Ledger, study_file: str, environment: Mapping[str, Any]) -> None:
        """Open the study's run, or go on with it, and write every result of the ledger that is not there yet."""
        self._study, self._ledger = study, ledger

        def write() -> None:
            run = self._study_run()
            self._client.update_run(run.id, status="RUNNING")
            commit = (environment.get("git") or {}).get("commit")
            if commit:
                self._client.set_tag(run.id, "mlflow.source.git.commit", commit)
            for name, value in view_tags().items():
                self._client.set_experiment_tag(self._experiment, name, value)
            self._client.log_text(run.id, study_file, "study.yaml")
            self._client.log_text(run.id, json.dumps(environment, indent=2), "environment.json")

        self._attempt(write)
        self.sync(ledger)

    def log_training_epoch(self, step: Step, epoch: Mapping[str, float]) -> None:
        """Write one entry of a training's history (`epoch`, `time` in unix ms, and the metrics).

        Give only epochs that a checkpoint holds: another one would be run again after a crash, with another time
        stamp, and its points would then be there twice.
        """

        def write() -> None:
            run = self._training_run(step)
            if run.status != "RUNNING":
                self._client.update_run(run.id, status="RUNNING")
                run.status = "RUNNING"
            self._excuse(run)
            self._write_epochs(run, [epoch])

        self._attempt(write)

    def log_result(self, step: Step, record: Mapping[str, Any]) -> None:
        """Write a step's record of the ledger to the run it belongs to."""
        self._attempt(lambda: self._write_result(step, record))

    def log_failure(self, step: Step, reason: str) -> None:
        """Mark a training or a sub-task as failed, with its reason."""
        self._attempt(lambda: self._end(step, "FAILED", reason))

    def log_stopped(self, step: Step, reason: str) -> None:
        """Mark a training that the search stopped early."""
        self._attempt(lambda: self._end(step, "KILLED", reason))

    def sync(self, ledger: Ledger) -> int:
        """Write what the ledger has and the store does not.

        Returns:
            How many results were written.
        """
        written = 0

        def write() -> None:
            nonlocal written
            for _, record in ledger.results():
                step = step_of(record)
                if not self._is_written(step):
                    self._write_result(step, record)
                    written += 1

        self._attempt(write)
        return written

    def close(self, status: str = "FINISHED") -> None:
        """Write what was missed, and end the study's run as FINISHED, FAILED or KILLED."""
        self._silent_until = 0.0
        if self.missed and self._ledger is not None:
            self.missed = 0
            self.sync(self._ledger)
        if self._ledger is not None and not self.missed:
            self._attempt(lambda: self._client.set_terminated(self._study_run().id, status))
        if self.missed:
            log.warning("MLflow at %s missed some results; the next run of the study writes them", self.uri)

    def _attempt(self, write: Callable[[], None]) -> None:
        with self._lock:
            if time.monotonic() < self._silent_until:
                self.missed += 1
                return
            try:
                write()
            except (MlflowException, SQLAlchemyError, OSError) as error:
                self.missed += 1
                self._silent_until = time.monotonic() + PAUSE_SECONDS
                # The answer to a create may be what was lost: ask the store again which runs there are.
                self._runs = None
                log.warning("MLflow at %s could not be written (%s); the study goes on", self.uri, _first_line(error))

    def _known(self) -> dict[str, _Run]:
        """Key -> run of this study; asked of the store once."""
        if self._runs is None:
            self._runs = {}
            token = None
            while True:
                page = self._client.search_runs(
                    [self._experiment],
                    filter_string=f"tags.study = '{self._study}'",
                    run_view_type=ViewType.ACTIVE_ONLY,
                    order_by=["attributes.start_time ASC"],
                    max_results=1000,
                    page_token=token,
                )
                for found in page:
                    run = _Run(
                        found.info.run_id, found.info.status, set(found.data.metrics), "reason" in found.data.tags
                    )
                    # Nothing in MLflow keeps a key unique; should there be two, the older one is the run.
                    self._runs.setdefault(found.data.tags.get("nemo.key", ""), run)
                token = page.token
                if not token:
                    break
        return self._runs

    def _run(self, key: str, name: str, stage: str, parent: _Run | None, started: int, tags: Mapping[str, str]) -> _Run:
        known = self._known()
        if key not in known:
            every = {"nemo.key": key, "study": self._study, "stage": stage, **tags}
            if parent is not None:
                every["mlflow.parentRunId"] = parent.id
            created = self._client.create_run(self._experiment, start_time=started, tags=every, run_name=name)
            known[key] = _Run(created.info.run_id, "RUNNING")
        return known[key]

    def _study_run(self) -> _Run:
        return self._run(f"study:{self._study}", self._study, "study", None, _now(), {})

    def _training_run(self, step: Step, started: int | None = None) -> _Run:
        if step.key in self._known():
            return self._known()[step.key]
        run = self._run(
            step.key, step.label, "training", self._study_run(), started or _now(), identity_tags(step.params)
        )
        self._write(run, params=flat_params(step.params))
        return run

    def _subtask_run(self, step: Step, started: int) -> _Run:
        if step.key in self._known():
            return self._known()[step.key]
        training = self._training_of(step)
        tags = {**identity_tags(training.params), "threshold": threshold_text(step.params["threshold"])}
        return self._run(step.key, step.label, "subtask", self._training_run(training), started, tags)

    def _training_of(self, step: Step) -> Step:
        """The training that a step of another kind descends from; finished, so its record is there."""
        assert self._ledger is not None
        record = self._ledger.get(step.parents["train"])
        if record is None:
            raise KeyError(f"the ledger has no result {step.parents['train']}, which {step.label} descends from")
        return step_of(record)

    def _is_written(self, step: Step) -> bool:
        known = self._known()
        if step.kind in STAGES:
            return step.key in known and known[step.key].status == "FINISHED"
        run = known.get(self._training_of(step).key)
        mark = "kernels" if step.kind == "modularize" else f"krr/{threshold_text(step.params['threshold'])}"
        return run is not None and mark in run.metrics

    def _write_result(self, step: Step, record: Mapping[str, Any]) -> None:
        end = milliseconds(record["finished"])
        start = end - int(1000 * record.get("seconds", 0))
        result = record["result"]
        if step.kind == "train":
            run = self._training_run(step, start)
            self._write_epochs(run, result.get("history", []))
            self._write(run, metrics=result_points(result, end), tags=machine_tags(record))
            self._copy(run, step.key, "network.safetensors", "model")
            self._excuse(run)
            self._terminate(run, "FINISHED", end)
        elif step.kind == "reuse":
            run = self._subtask_run(step, start)
            counts = {"class_count": len(result["classes"]), "seconds": record.get("seconds")}
            params = {**identity_tags(self._training_of(step).params), **flat_params(step.params)}
            self._write(run, metrics=result_points({**counts, **result}, end), params=params)
            self._excuse(run)
            self._terminate(run, "FINISHED", end)
        else:
            run = self._training_run(self._training_of(step))
            if step.kind == "modularize":
                self._copy(run, step.key, "relevance.safetensors", "masks")
                self._write(run, metrics=[Metric("kernels", float(sum(result["widths"])), end, 0)])
            else:
                self._write(run, metrics=threshold_points(result, end))

    def _write_epochs(self, run: _Run, history: list[Mapping[str, float]]) -> None:
        new = [epoch for epoch in history if int(epoch["epoch"]) not in run.epochs]
        self._write(run, metrics=[point for epoch in new for point in epoch_points(epoch)])
        run.epochs.update(int(epoch["epoch"]) for epoch in new)

    def _write(
        self,
        run: _Run,
        metrics: list[Metric] | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        points = metrics or []
        entries = [Param(name, value[:PARAM_LENGTH]) for name, value in (params or {}).items()]
        labels = [RunTag(name, value) for name, value in (tags or {}).items()]
        calls = max(math.ceil(len(points) / METRICS_PER_CALL), math.ceil(len(entries) / PARAMS_PER_CALL), bool(labels))
        for call in range(calls):
            self._client.log_batch(
                run.id,
                metrics=points[call * METRICS_PER_CALL : (call + 1) * METRICS_PER_CALL],
                params=entries[call * PARAMS_PER_CALL : (call + 1) * PARAMS_PER_CALL],
                tags=labels if call == 0 else [],
            )
        run.metrics.update(point.key for point in points)

    def _copy(self, run: _Run, key: str, name: str, folder: str) -> None:
        assert self._ledger is not None
        path = self._ledger.artifact(key, name)
        if self._models and path.exists():
            self._client.log_artifact(run.id, str(path), folder)

    def _end(self, step: Step, status: str, reason: str) -> None:
        if step.kind in STAGES:
            run = self._training_run(step) if step.kind == "train" else self._subtask_run(step, _now())
            self._terminate(run, status, _now())
        else:
            run = self._training_run(self._training_of(step))
        self._client.set_tag(run.id, "reason", f"{step.kind}: {reason}")
        run.reason = True

    def _excuse(self, run: _Run) -> None:
        """What failed before runs again, or has succeeded."""
        if run.reason:
            self._client.delete_tag(run.id, "reason")
            run.reason = False

    def _terminate(self, run: _Run, status: str, end: int) -> None:
        self._client.set_terminated(run.id, status, end)
        run.status = status


def step_of(record: Mapping[str, Any]) -> Step:
    """The step that a result's record describes; where it ran is not part of it."""
    return Step(record["kind"], record["params"], record["parents"], {}, record["key"], record["label"])


@contextmanager
def _only_one_creates(uri: str) -> Iterator[None]:
    """Two drivers that create one SQLite store at the same time would leave it half migrated."""
    if not uri.startswith("sqlite:///"):
        yield
        return
    path = Path(uri.removeprefix("sqlite:///"))
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _now() -> int:
    return int(time.time() * 1000)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
