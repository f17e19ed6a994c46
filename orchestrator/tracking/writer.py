"""A study in MLflow: one run for it, one for each training, one for each sub-task; all of it follows from the ledger.

A run is marked as FINISHED only after everything is in it, so what it lacks is known and can be written later.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.results import Result
from orchestrator.plan.step import CUTTING, Step, step_of
from orchestrator.storage.keys import content_key
from orchestrator.storage.layout import ENVIRONMENT, NETWORK, RELEVANCE, SUBMITTED, artifact
from orchestrator.tracking.connection import MlflowStore, first_line, is_refusal
from orchestrator.tracking.entries import (
    dataset_input,
    epoch_points,
    flat_params,
    identity_tags,
    machine_tags,
    milliseconds,
    result_points,
    subtask_tags,
    threshold_points,
    threshold_text,
)
from orchestrator.tracking.models import Model, Models
from orchestrator.tracking.runs import Run, Runs
from orchestrator.tracking.spool import Spool
from orchestrator.tracking.views import KIND, view_tags

log = logging.getLogger(__name__)

Write = Callable[[], None]

OWN = ("train", *CUTTING)
"""The kinds of steps that have runs of their own; the others write into their training's."""

REASON_LENGTH = 2000  # a tag has room for a few thousand characters, and what it is compared with must be what it holds

_REPORT_VERSION = 2  # raised when a study's run gets something new with its report

SETTLES = 1.0  # seconds in which a server that is back completes the requests that it got before it hung


@dataclass
class CaughtUp:
    """What was missing.

    Attributes:
        written: Noun -> how many were written.
        refused: What the store refused, and why.
    """

    written: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)

    @property
    def refusals(self) -> str:
        """How much the store refused, and why."""
        others = len(self.refused) - 1
        return self.refused[0] + (f" and {others} more" if others else "")

    def __str__(self) -> str:
        counted = [f"{count} {noun}{'s' * (count > 1)}" for noun, count in self.written.items()]
        return ", ".join(counted)


class StudyRuns:
    """Writes a study's steps to their runs; what the store raises is raised, and writing again adds nothing.

    Args:
        store: Where the runs are.
        study: The study's name.
        ledger: The study's.
    """

    def __init__(self, store: MlflowStore, study: str, ledger: Ledger) -> None:
        self._runs, self._models = Runs(store, study), Models(store, study)
        self._study, self._ledger, self._spool = study, ledger, Spool(ledger.store)

    def forget(self) -> None:
        """See `Runs.forget`."""
        self._runs.forget()
        self._models.forget()

    def settle(self) -> None:
        """Gives a server that is back a moment to complete earlier requests: one that hung carries those out first.

        What these made is found afterwards, and is not made a second time.
        """
        self._runs.find(f"study:{self._study}")  # it answers
        time.sleep(SETTLES)
        self.forget()

    # the study's own run

    def describe_study(self) -> None:
        """Copies the study file and its environment into the study's run, and the views into the experiment."""
        run = self._study_run()
        for name in (SUBMITTED, ENVIRONMENT):
            self._copy(run, name)
        self._runs.write(run, tags=_commit_tag(self._ledger.store.read(ENVIRONMENT)))
        self._runs.describe_experiment({**KIND, **view_tags()})

    def open_study(self) -> None:
        """Marks the study as running."""
        self._runs.open(self._study_run())

    def attach_report(self) -> None:
        """Gives the study's run its key figures, and its report with its figures in `report/`, as of the same results.

        A report that cannot be made, or that the store refuses, only costs a warning: the study is finished without it.
        """
        run, content = self._study_run(), self._content_key()
        if run.report == content:
            return
        from orchestrator.report.export import write_pictured  # needs torch and matplotlib
        from orchestrator.report.key_figures import key_figures
        from orchestrator.report.study_report import gather

        with tempfile.TemporaryDirectory(prefix="nemo-report-") as folder:
            try:
                report = gather(self._ledger.store)
                figures, files = key_figures(report), write_pictured(report, Path(folder))
            except Exception as error:
                log.warning("the report of %s cannot be put into MLflow: %s", self._study, first_line(error))
                return
            try:
                self._write_figures(run, figures)
                for path in files:
                    self._runs.copy(run, path, str("report" / path.relative_to(folder).parent))
                self._runs.mark_report(run, content)
            except MlflowException as error:
                if not is_refusal(error):
                    raise
                log.warning("MLflow refuses the report of %s (%s)", self._study, first_line(error))

    def _write_figures(self, run: Run, figures: Mapping[str, float]) -> None:
        """Numbers that change as the study grows: each time at a higher step."""
        step, when = self._runs.next_step(run, figures, len(self._ledger.finished())), now()
        self._runs.write(run, metrics=[Metric(name, number, when, step) for name, number in figures.items()])

    def end_study(self, status: str) -> None:
        """Marks the study as FINISHED, FAILED or KILLED."""
        self._runs.end(self._study_run(), status, now())

    # what happens to steps

    def write_epochs(self, step: Step, rows: Sequence[Mapping[str, float]]) -> None:
        """Adds to the curves of a training: entries of its history (`epoch`, `time` in unix ms, and the metrics)."""
        started = int(rows[0]["time"] - 1000 * rows[0].get("seconds", 0)) if rows else now()
        self._write_epochs(self._training_run(step, started), rows)

    def open_training(self, step: Step) -> None:
        """Marks a training as running, again where it failed before."""
        run = self._training_run(step, now())
        self._runs.open(run)
        self._runs.excuse(run)

    def write_result(self, record: Result) -> None:
        """Writes a result of the ledger to the run that it belongs to."""
        step, result = step_of(record), record["result"]
        end = milliseconds(record["finished"])
        start = end - int(1000 * record.get("seconds", 0))
        run = self._run_of(step, start)
        if run is None:
            return
        if step.kind == "train":
            self._write_epochs(run, result.get("history", []))
            if run.status != "FINISHED":  # else it is there
                self._copy(run, artifact(step.key, NETWORK), "model")
            self._write_measured(run, step, result_points(result, end), machine_tags(record))
        elif step.kind in CUTTING:
            counts = {"class_count": len(result["classes"]), "seconds": record.get("seconds")}
            self._runs.write(run, metrics=result_points({**counts, **result}, end))
        elif step.kind == "modularize":
            self._copy(run, artifact(step.key, RELEVANCE), "masks")
            self._runs.write(run, metrics=[Metric("kernels", float(sum(result["widths"])), end, 0)])
        else:
            self._write_measured(run, self._training_of(step), threshold_points(result, end))
        if step.kind in OWN:
            self._runs.excuse(run)
            self._runs.end(run, "FINISHED", end)
        elif run.reason.startswith(f"{step.kind}: "):
            self._runs.excuse(run)

    def write_end(self, step: Step, status: str, reason: str, when: int) -> None:
        """Marks a step as FAILED, or as KILLED if it was stopped early, with the reason."""
        run = self._run_of(step, when)
        if run is not None:
            if step.kind in OWN:
                self._runs.end(run, status, when)
            self._runs.give_reason(run, _reason(step, reason))

    # what is missing

    def catch_up(self) -> CaughtUp:
        """Writes everything that the ledger and the spool have and the runs lack."""
        done = CaughtUp()
        for noun, write in self._missing():
            try:
                write()
            except MlflowException as error:
                if not is_refusal(error):
                    raise
                done.refused.append(f"a {noun} ({first_line(error)})")
            else:
                done.written[noun] += 1
        if done.refused:
            self.forget()
        else:
            self._spool.clear()
        return done

    def _missing(self) -> Iterator[tuple[str, Write]]:
        """What is missing in MLflow: a noun, and a function that writes it."""
        for step, rows in self._spool.curves():
            if self._ledger.get(step.key, step.kind) is None:
                yield "curve", partial(self.write_epochs, step, rows)
        for _, record in self._ledger.results():
            if record["kind"] == "train":
                self._ledger.remember(record)  # all others ask for theirs
            if not self._has_result(step_of(record)):
                yield "result", partial(self.write_result, record)
        stops = {stop["key"]: ("stop", "KILLED", stop, stop["stopped"]) for stop in self._ledger.stops()}
        failures = {key: ("failure", "FAILED", each, each["failed"]) for key, each in self._ledger.failures().items()}
        for noun, status, document, when in (stops | failures).values():
            step = step_of(document)
            if self._ledger.get(step.key, step.kind) is None and not self._has_end(step, status, document["reason"]):
                yield noun, partial(self.write_end, step, status, document["reason"], milliseconds(when))

    def _has_result(self, step: Step) -> bool:
        training = self._training_of(step)
        if training is None:
            return True  # there is nothing yet that it could be written to
        if step.kind in OWN:
            run = self._runs.find(step.key)
            lacks_model = step.kind == "train" and self._models.lacks(step.key)
            return run is not None and run.status == "FINISHED" and not lacks_model
        run = self._runs.find(training.key)
        mark = "kernels" if step.kind == "modularize" else f"krr/{threshold_text(step.params['threshold'])}"
        lacks_point = step.kind == "measure" and self._models.lacks(training.key, (mark, 0))
        return run is not None and mark in run.steps and not lacks_point

    def _has_end(self, step: Step, status: str, reason: str) -> bool:
        training = self._training_of(step)
        if training is None:
            return True
        if step.kind in OWN:
            run = self._runs.find(step.key)
            return run is not None and run.status == status and run.reason == _reason(step, reason)
        # A training has one reason, and several steps may have failed on it.
        run = self._runs.find(training.key)
        return run is not None and run.reason != ""

    # the runs

    def _content_key(self) -> str:
        """A hash of what a report depends on: the study, and all that has finished or failed."""
        study = self._ledger.store.read(SUBMITTED) or b""
        failures = self._ledger.failures()
        return content_key([study.decode(errors="replace"), sorted(self._ledger.finished()), failures, _REPORT_VERSION])

    def _study_run(self) -> Run:
        key = f"study:{self._study}"
        return self._runs.find(key) or self._runs.make(key, self._study, "study", None, now(), {})

    def _run_of(self, step: Step, started: int) -> Run | None:
        """The run that a step is written to; None while there is no training that it belongs to."""
        training = self._training_of(step)
        if training is None:
            return None
        if step.kind in CUTTING:
            return self._subtask_run(step, training, started)
        return self._training_run(training, started)

    def _training_run(self, step: Step, started: int) -> Run:
        run = self._runs.find(step.key)
        if run is None:
            tags = identity_tags(step.params)
            run = self._runs.make(step.key, step.label, "training", self._study_run(), started, tags)
        if not run.params:
            self._runs.add_dataset(run, dataset_input(step.params))  # first: params mark it as done
            self._runs.write(run, params=flat_params(step.params))
        return run

    def _subtask_run(self, step: Step, training: Step, started: int) -> Run:
        run = self._runs.find(step.key)
        identity = identity_tags(training.params)
        if run is None:
            parent = self._training_run(training, started)
            kind = "derived" if step.kind == "derive" else "subtask"
            run = self._runs.make(step.key, step.label, kind, parent, started, {**identity, **subtask_tags(step)})
        if not run.params:
            self._runs.write(run, params={**identity, **flat_params(step.params)})
        return run

    def _training_of(self, step: Step) -> Step | None:
        """The training that a step is or descends from; None where its result was damaged and is computed again."""
        if step.kind == "train":
            return step
        record = self._ledger.get(step.parents["train"], "train")
        return None if record is None else step_of(record)

    def _copy(self, run: Run, name: str, folder: str | None = None) -> None:
        with self._ledger.store.fetching(name) as path:
            if path is not None:
                self._runs.copy(run, path, folder)

    def _write_measured(
        self, run: Run, training: Step | None, points: Sequence[Metric], tags: Mapping[str, str] | None = None
    ) -> None:
        """Writes what was measured of a trained network to its run and to its logged model."""
        if training is None:
            return
        model, dataset = self._model_of(training, run), dataset_input(training.params).dataset
        self._runs.write(run, metrics=self._models.measured(model, points, dataset.name, dataset.digest), tags=tags)
        self._models.complete(model, points)

    def _model_of(self, training: Step, run: Run) -> Model | None:
        """The logged model of a trained network; its weights stay where the run has them."""
        identity = identity_tags(training.params)
        tags = {**identity, "stage": "training", "weights": f"runs:/{run.id}/model/{NETWORK}"}
        params = {**identity, **flat_params(training.params)}
        return self._models.make(training.key, training.label, "network", run, params, tags)

    def _write_epochs(self, run: Run, rows: Sequence[Mapping[str, float]]) -> None:
        self._runs.write(run, metrics=[point for row in rows for point in epoch_points(row)])


def _reason(step: Step, reason: str) -> str:
    return f"{step.kind}: {reason}"[:REASON_LENGTH]


def _commit_tag(environment: bytes | None) -> dict[str, str]:
    return {} if environment is None else machine_tags({"environment": json.loads(environment)})


def now() -> int:
    """The time in unix ms."""
    return int(time.time() * 1000)
