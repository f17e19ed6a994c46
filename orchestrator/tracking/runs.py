"""The runs of one study in an MLflow store: found again by their key, and nothing is written to them twice.

MLflow does not prevent a run's key, or a metric's step, from being written twice: the store's content is read before
anything is added, once for each run and metric that this process did not make itself.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlflow.entities import DatasetInput, Metric, Param, RunTag, ViewType

from orchestrator.tracking.connection import MlflowStore

# A call takes 100 params and 100 tags, and 1,000 entities in all.
METRICS_PER_CALL, PARAMS_PER_CALL = 800, 100
PARAM_LENGTH = 6000
NAME_LENGTH = 250  # of a run, which MLflow checks nowhere: SQLite takes more, PostgreSQL and MySQL refuse it

REPORT = "nemo.report"
"""The tag of a study's run that identifies the results that its report shows."""


@dataclass
class Run:
    """What is known of an MLflow run.

    Attributes:
        params: Whether it has its parameters.
        reason: Why it failed or was stopped; empty where it did not.
        report: Identifies the results that its report shows; empty if it has none.
        steps: Metric -> the steps that it has; None where only the store knows them.
    """

    id: str
    status: str = "RUNNING"
    params: bool = False
    reason: str = ""
    steps: dict[str, set[int] | None] = field(default_factory=dict)
    report: str = ""


class Runs:
    """Finds, makes and writes the runs of a study; what the store raises is raised.

    Args:
        store: Where they are.
        study: The study's name, which all of its runs carry as a tag.
    """

    def __init__(self, store: MlflowStore, study: str) -> None:
        self._client, self._experiment = store.client, store.experiment
        self._study = study
        self._by_key: dict[str, Run] | None = None

    def find(self, key: str) -> Run | None:
        """The run of a key, if there is one."""
        if self._by_key is None:
            self._by_key = self._fetch_runs()
        return self._by_key.get(key)

    def forget(self) -> None:
        """Lets the store's runs be read again: what was lost may be the answer to a create."""
        self._by_key = None

    def make(self, key: str, name: str, stage: str, parent: Run | None, started: int, tags: Mapping[str, str]) -> Run:
        """Makes the run of a key that has none, with these tags; `started` in unix ms."""
        all_tags = {"nemo.key": key, "study": self._study, "stage": stage, **tags}
        if parent is not None:
            all_tags["mlflow.parentRunId"] = parent.id
        name = name if len(name) <= NAME_LENGTH else f"{name[: NAME_LENGTH - 1]}…"
        created = self._client.create_run(self._experiment, start_time=started, tags=all_tags, run_name=name)
        run = Run(created.info.run_id)
        if self._by_key is not None:
            self._by_key[key] = run
        return run

    def write(
        self,
        run: Run,
        metrics: list[Metric] | None = None,
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Adds points and tags, and the params unless they are there."""
        # A point of a model may be in its run already, from before there was the model: the same point is kept once.
        points = [each for each in metrics or [] if each.model_id or each.step not in self._steps(run, each.key)]
        entries = [Param(name, value[:PARAM_LENGTH]) for name, value in ({} if run.params else params or {}).items()]
        labels = [RunTag(name, value) for name, value in (tags or {}).items()]
        calls = max(math.ceil(len(points) / METRICS_PER_CALL), math.ceil(len(entries) / PARAMS_PER_CALL), bool(labels))
        for call in range(calls):
            chunk = points[call * METRICS_PER_CALL : (call + 1) * METRICS_PER_CALL]
            self._client.log_batch(
                run.id,
                metrics=chunk,
                params=entries[call * PARAMS_PER_CALL : (call + 1) * PARAMS_PER_CALL],
                tags=labels if call == 0 else [],
            )
            for point in chunk:
                run.steps[point.key] = self._steps(run, point.key) | {point.step}
        run.params = run.params or bool(entries)

    def next_step(self, run: Run, metrics: Iterable[str], at_least: int) -> int:
        """A step for new values of metrics that change as a study grows: MLflow shows that of the highest step."""
        return max([at_least, *(1 + step for metric in metrics for step in self._steps(run, metric))])

    def add_dataset(self, run: Run, dataset: DatasetInput) -> None:
        """Names a data set that the run used; MLflow keeps one of a name and digest once."""
        self._client.log_inputs(run.id, [dataset])

    def copy(self, run: Run, path: Path, folder: str | None = None) -> None:
        """Copies a file to the run's artifacts."""
        self._client.log_artifact(run.id, str(path), folder)

    def open(self, run: Run) -> None:
        """Marks a run as running."""
        if run.status != "RUNNING":
            self._client.update_run(run.id, status="RUNNING")
            run.status = "RUNNING"

    def end(self, run: Run, status: str, when: int) -> None:
        """Marks a run as FINISHED, FAILED or KILLED at a time in unix ms."""
        if run.status != status:
            self._client.set_terminated(run.id, status, when)
            run.status = status
            run.steps = {sys.intern(name): None for name in run.steps}  # mostly nothing more is written to the run

    def give_reason(self, run: Run, reason: str) -> None:
        """Sets the reason why a run failed or was stopped."""
        self._client.set_tag(run.id, "reason", reason)
        run.reason = reason

    def excuse(self, run: Run) -> None:
        """Removes the reason: what failed before runs again, or has succeeded."""
        if run.reason:
            self._client.delete_tag(run.id, "reason")
            run.reason = ""

    def mark_report(self, run: Run, report: str) -> None:
        """Records which results a run's report shows."""
        self._client.set_tag(run.id, REPORT, report)
        run.report = report

    def describe_experiment(self, tags: Mapping[str, str]) -> None:
        """Sets tags of the experiment."""
        for name, value in tags.items():
            self._client.set_experiment_tag(self._experiment, name, value)

    def _fetch_runs(self) -> dict[str, Run]:
        runs: dict[str, Run] = {}
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
            for existing in page:
                tags = existing.data.tags
                steps: dict[str, set[int] | None] = dict.fromkeys(existing.data.metrics)
                has_params = bool(existing.data.params)
                rest = tags.get("reason", ""), steps, tags.get(REPORT, "")
                run = Run(existing.info.run_id, existing.info.status, has_params, *rest)
                # Should there be two of a key, made by two drivers at once, the older one is the run.
                runs.setdefault(tags.get("nemo.key", ""), run)
            token = page.token
            if not token:
                return runs

    def _steps(self, run: Run, metric: str) -> set[int]:
        """The steps that a metric has in the store."""
        steps = run.steps.get(metric, set())
        if steps is None:
            steps = {point.step for point in self._client.get_metric_history(run.id, metric)}
            run.steps[metric] = steps
        return steps
