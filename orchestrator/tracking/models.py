"""The logged models of a study: MLflow's entities for what can be kept and loaded, each made once and by its key."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mlflow.entities import LoggedModelOutput, LoggedModelStatus, Metric
from mlflow.exceptions import MlflowException

from orchestrator.tracking.connection import MlflowStore
from orchestrator.tracking.runs import PARAM_LENGTH, PARAMS_PER_CALL, Run

NAME_LENGTH = 250
"""Of a model's name, in which `/ : . % " '` are not allowed."""


@dataclass
class Model:
    """What is known of a logged model.

    Attributes:
        ready: Whether everything is in it.
        points: Metric and step of all that it has.
    """

    id: str
    ready: bool = False
    points: set[tuple[str, int]] = field(default_factory=set)


class Models:
    """Finds, makes and completes the logged models of a study; what the store raises is raised.

    Networks of trainings have one, and modules that are registered. Sub-tasks have none: of a module that a study only
    measures nothing is kept that could be loaded, and there may be thousands.

    Args:
        store: Where they are.
        study: The study's name, which all of its models carry as a tag.
    """

    def __init__(self, store: MlflowStore, study: str) -> None:
        self._client, self._experiment, self._study = store.client, store.experiment, study
        self._by_key: dict[str, Model] | None = None
        self.kept = True
        """Whether the store keeps such models: a server of before MLflow 3 does not."""

    def find(self, key: str) -> Model | None:
        """The model of a key, if there is one."""
        if self._by_key is None:
            self._by_key = self._fetch()
        return self._by_key.get(key)

    def forget(self) -> None:
        """Lets the store's models be read again: what was lost may be the answer to a create."""
        self._by_key = None

    def lacks(self, key: str, point: tuple[str, int] | None = None) -> bool:
        """Whether the store keeps models, and that of a key is not whole, or has no such metric at this step."""
        model = self.find(key)
        return self.kept and (model is None or not model.ready or (point is not None and point not in model.points))

    def make(
        self, key: str, name: str, kind: str, run: Run, params: Mapping[str, str], tags: Mapping[str, str]
    ) -> Model | None:
        """The model of a key, made if there is none, as an output of its run; None where the store keeps none.

        Args:
            key: Of the step that made it.
            name: What a person reads; what MLflow allows in no name becomes `-`.
            kind: `network` or `module`, MLflow's model type.
            run: The run that made it.
            params: Its parameters.
            tags: Its tags.
        """
        model = self.find(key)
        if not self.kept:
            return None
        if model is None:
            model = self._create(key, name, kind, run, params, tags)
        elif model.ready or self._is_output(model, run):
            return model
        self._client.log_outputs(run.id, [LoggedModelOutput(model.id, 0)])
        return model

    def _is_output(self, model: Model, run: Run) -> bool:
        outputs = self._client.get_run(run.id).outputs
        return outputs is not None and model.id in {each.model_id for each in outputs.model_outputs}

    def measured(self, model: Model | None, points: Sequence[Metric], *dataset: str) -> list[Metric]:
        """The points as metrics of a model, too, where it lacks them; `dataset`: name and digest of their data."""
        return [
            point
            if model is None or (point.key, point.step) in model.points
            else Metric(point.key, point.value, point.timestamp, point.step, model.id, *dataset)
            for point in points
        ]

    def complete(self, model: Model | None, points: Sequence[Metric]) -> None:
        """Marks a model as ready, whose points have been written."""
        if model is None:
            return
        model.points |= {(point.key, point.step) for point in points}
        if not model.ready:
            self._client.finalize_logged_model(model.id, LoggedModelStatus.READY)
            model.ready = True

    def _create(
        self, key: str, name: str, kind: str, run: Run, params: Mapping[str, str], tags: Mapping[str, str]
    ) -> Model:
        created = self._client.create_logged_model(
            self._experiment,
            name=re.sub(r"""[/:.%"']""", "-", name)[:NAME_LENGTH],
            source_run_id=run.id,
            tags={"nemo.key": key, "study": self._study, **tags},
            params={each: value[:PARAM_LENGTH] for each, value in list(params.items())[:PARAMS_PER_CALL]},
            model_type=kind,
        )
        model = Model(created.model_id)
        if self._by_key is not None:
            self._by_key[key] = model
        return model

    def _fetch(self) -> dict[str, Model]:
        models: dict[str, Model] = {}
        token = None
        while True:
            try:
                page = self._client.search_logged_models(
                    [self._experiment],
                    filter_string=f"tags.study = '{self._study}'",
                    order_by=[{"field_name": "creation_timestamp", "ascending": True}],
                    page_token=token,
                )
            except MlflowException as error:
                if error.get_http_status_code() != 404:
                    raise
                self.kept = False
                return {}
            for existing in page:
                points = {(metric.key, metric.step) for metric in existing.metrics or []}
                model = Model(existing.model_id, existing.status is LoggedModelStatus.READY, points)
                models.setdefault(existing.tags.get("nemo.key", ""), model)
            token = page.token
            if not token:
                return models
