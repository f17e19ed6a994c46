"""The study: everything that a user describes in one YAML file, typed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import AfterValidator, BeforeValidator, Field, PrivateAttr, model_validator

from nemo.errors import UserError
from nemo.methods import METHODS
from nemo.recipe import Finetune, Recipe
from orchestrator.storage.studies import STORES
from orchestrator.study.checks import check_whole
from orchestrator.study.methods import MethodEntry, Methods, RecipeFields
from orchestrator.study.pair import Pair
from orchestrator.study.problems import FieldsOf, Model, NoDuplicates, Number, Problems, Whole, field_name, valid_fields
from orchestrator.study.sweep import Point, Sweep, read_sweeps
from orchestrator.system.credentials import without_password

Threshold = Annotated[Number, Field(gt=0, le=1)]


def _check_samples(value: Any) -> Any:
    problems = Problems()
    if value not in ("all", "nested") and (type(value) is not int or value < 1):
        problems.add(text=f"should be a whole number of at least 1, all or nested, not {value!r:.60}.")
    problems.raise_any()
    return value


def _check_class(value: Any) -> Any:
    problems = Problems()
    if type(value) not in (int, str):
        problems.add(text=f"should be the number or the name of a class, not {value!r:.60}.")
    problems.raise_any()
    return value


Class = Annotated[int | str, BeforeValidator(_check_class)]


class Subtasks(Model):
    """Which sub-tasks modules are cut out for, and how they are fine-tuned (method.md 6.5 and 7).

    Attributes:
        source: `from` in the file: `every` sweep point, or the `best` of each pair, method and seed.
        sizes: Numbers of classes.
        samples: Sub-tasks drawn per size, `all` of them, or the `nested` ones {0, 1}, {0, 1, 2}, ...
        classes: Sub-tasks given one by one, by class number or name.
        thresholds: Some of the study's thresholds; None takes the highest.
        head: See `extract_module`; None takes the method's own, and `slice` for networks that were trained `as_cut`.
        surgery: How a Transformer is cut, see `extract_module`.
        recalibration: Training images of the sub-task on which a cut-out module's BatchNorm statistics are taken anew.
    """

    source: Literal["best", "every"] = Field("every", alias="from")
    sizes: Annotated[list[Annotated[Whole, Field(ge=2)]], NoDuplicates] = []
    samples: Annotated[int | Literal["all", "nested"], BeforeValidator(_check_samples)] = 10
    seed: Annotated[Whole, Field(ge=0)] = 0
    classes: list[Annotated[list[Class], Field(min_length=2), NoDuplicates]] = []
    thresholds: Annotated[list[Threshold], Field(min_length=1), NoDuplicates] | None = None
    mask_values: Literal["drop", "keep_generator", "fold_mean"] = "drop"
    head: Literal["linear", "paper", "slice"] | None = None
    surgery: Literal["exact", "paper"] = "exact"
    recalibration: Annotated[Whole, Field(ge=0)] = 0
    finetune: Annotated[dict[str, Any], FieldsOf(Finetune)] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        if not self.sizes and not self.classes:
            problems.add("sizes", text="is empty, give the sub-tasks' sizes, or the sub-tasks themselves as classes.")
        if self.recalibration == 1:
            problems.add("recalibration", text="is 1, and one image has no spread, give some hundreds, or 0 for none.")
        valid_fields(Finetune, self.finetune, problems, lambda field: ("finetune", field))
        problems.raise_any()
        return self


class Select(Model):
    """How the best sweep point is chosen on the validation images.

    Attributes:
        tolerance: A point may be this much less accurate than the standard network, as a fraction.
    """

    tolerance: Annotated[Number, Field(ge=0, lt=1)] = 0.01


class TrainingResources(Model):
    """What one training gets: workers of data-parallel training, CPU cores and GPUs of each.

    Attributes:
        min_workers: A training goes on with so few where the cluster shrinks, and grows again with it; the batch stays
            the same. None always has all `workers`.
        placement: `pack` puts the workers on as few nodes as can hold them, `spread` on as many as there are.
    """

    workers: Annotated[Whole, Field(ge=1)] = 1
    min_workers: Annotated[Whole, Field(ge=1)] | None = None
    cpus: Annotated[Number, Field(gt=0)] = 1.0
    gpus: Annotated[Number, Field(ge=0)] = 0.0
    placement: Literal["pack", "spread"] = "pack"

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        if self.min_workers is not None and self.min_workers > self.workers:
            text = f"{self.min_workers} is more than the {self.workers} workers, give at most as many."
            problems.add("min_workers", text=text)
        problems.raise_any()
        return self

    @property
    def fewest(self) -> int:
        """The fewest workers that a training can go on with."""
        return self.workers if self.min_workers is None else self.min_workers

    @property
    def elastic(self) -> bool:
        """Whether a training may go on with fewer workers than it asked for."""
        return self.fewest < self.workers


class SubtaskResources(Model):
    """What one modularize or reuse step gets."""

    cpus: Annotated[Number, Field(gt=0)] = 1.0
    gpus: Annotated[Number, Field(ge=0)] = 0.0


class Resources(Model):
    """What steps may use; never part of a key. `max_concurrent` bounds the trainings at a time."""

    training: TrainingResources = TrainingResources()
    subtask: SubtaskResources = SubtaskResources()
    max_concurrent: Annotated[Whole, Field(ge=1)] | None = None


class Tracking(Model):
    """Where MLflow writes; None is the SQLite file in the storage folder, and the study's name."""

    uri: Annotated[str, AfterValidator(without_password)] | None = None
    experiment: str | None = None


def _check_study_name(name: str) -> str:
    problems = Problems()
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        text = f"{name!r} names a folder, use 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first."
        problems.add(text=text)
    if name in STORES:
        problems.add(text=f"{name!r} is where the storage folder keeps MLflow's data, choose another name.")
    problems.raise_any()
    return name


class Study(Model):
    """One study; `load_study_file` reads it from YAML.

    Raises:
        ValidationError: All of what is wrong, each with its place.
    """

    name: Annotated[str, AfterValidator(_check_study_name)]
    pairs: Annotated[list[Pair], Field(min_length=1), NoDuplicates]
    methods: Methods
    seeds: Annotated[list[Annotated[Whole, Field(ge=0, lt=2**32)]], Field(min_length=1), NoDuplicates] = [0]
    recipe: RecipeFields = {}
    sweep: Annotated[dict[str, Sweep], BeforeValidator(read_sweeps)] = {}
    thresholds: Annotated[list[Threshold], Field(min_length=1), NoDuplicates] = [0.9]
    subtasks: Subtasks | None = None
    select: Select = Select()
    resources: Resources = Resources()
    tracking: Tracking = Tracking()
    storage: str | None = None
    data_root: str | None = None
    _source: Any = PrivateAttr(None)

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_whole(self)
        return self

    def finetune_for(self, pair: Pair) -> Finetune:
        """How a pair's modules are fine-tuned."""
        return Finetune(**{**(self.subtasks.finetune if self.subtasks else {}), **pair.finetune})

    def recipe_for(self, pair: Pair, method: str, **changed: float) -> Recipe:
        """The recipe of one training: the pair's fields win over the method's, and those over the study's."""
        fields = dict(self.recipe)
        for layer in self.recipe_layers(pair, method):
            fields |= layer
        return Recipe(**{**fields, **changed})

    def recipe_layers(self, pair: Pair, method: str) -> list[dict[str, Any]]:
        """The recipe fields in the order in which later ones win, after the study's own.

        A method that starts from another one's network has that one's recipe.
        """
        method = METHODS[method].starts_from or method
        special = pair.methods.get(method, MethodEntry())
        return [self.methods.get(method, MethodEntry()).recipe, pair.recipe, special.recipe]

    def settings_for(self, pair: Pair, method: str) -> dict[str, float]:
        """The method's settings on a pair before any sweep."""
        own, special = self.methods.get(method, MethodEntry()), pair.methods.get(method, MethodEntry())
        return METHODS[method].complete({**own.settings, **special.settings})

    def points(self, method: str) -> list[Point]:
        """The sweep points of a method that are known beforehand; one empty point without a sweep."""
        sweep = self.sweep.get(method)
        return [{}] if sweep is None else sweep.points()

    @property
    def subtask_thresholds(self) -> list[float]:
        """The thresholds at which modules are cut out."""
        if self.subtasks is None:
            return []
        return self.subtasks.thresholds or [max(self.thresholds)]

    @property
    def text(self) -> str:
        """The study as YAML: as submitted, with overrides applied."""
        if self._source is not None:
            return str(self._source.text)
        return yaml.safe_dump(self.model_dump(mode="json", by_alias=True, exclude_unset=True), sort_keys=False)

    def where(self, *place: str | int) -> str:
        """`file:line: field` of a place in the file that the study was read from."""
        return field_name(place) if self._source is None else str(self._source.where(place))

    @contextmanager
    def naming_lines(self) -> Iterator[None]:
        """Puts the line of the field in the file before an error whose text starts with the field."""
        try:
            yield
        except UserError as error:
            field, _, text = str(error).partition(": ")
            raise UserError(f"{self.where(*field.split('.'))}: {text}") from error
