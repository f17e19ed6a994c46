"""The sweep: which settings of a method, and which recipes, a study tries."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, PlainValidator, TypeAdapter, model_validator
from pydantic_core import CoreSchema

from nemo.methods import METHODS, Setting
from orchestrator.study.constraints import Constraints
from orchestrator.study.early_stopping import EarlyStopping
from orchestrator.study.form import Form, Schema, form
from orchestrator.study.problems import (
    Model,
    NoDuplicates,
    Number,
    Problems,
    Whole,
    known_fields,
    named,
    unknown,
)
from orchestrator.study.sampler import CONSTRAINED, Sampler
from orchestrator.study.swept import refusal, swept, value_form, words_of_swept

Point = dict[str, Setting]
"""Swept name -> its value; the names are settings of the method, and fields of the recipe."""

MOST_POINTS = 10_000
OBJECTIVES: dict[str, Literal["maximize", "minimize"]] = {
    "accuracy": "maximize",
    "krr": "minimize",
    "cohesion": "maximize",
    "coupling": "minimize",
    "flops_reduction": "maximize",
}
"""What an adaptive search may optimise; `accuracy` is the one on the validation images."""


_NUMBER: TypeAdapter[float] = TypeAdapter(Number)


def _read_value(data: Any) -> Setting:
    """A number, or a word; `_check_names` knows which one the setting takes."""
    return data if isinstance(data, str) else _NUMBER.validate_python(data)


Value = Annotated[Setting, PlainValidator(_read_value), form({"type": ["number", "string"]})]


def setting_text(value: Setting) -> str:
    """A setting's value in a label: a number in few digits, a word as it is."""
    return value if isinstance(value, str) else f"{value:g}"


class Range(Model):
    """Values from `low` to `high`, both included."""

    low: Number
    high: Number
    log: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        if self.low >= self.high:
            problems.add("high", text=f"should be above low, {self.low}, not {self.high}.")
        if self.log and self.low <= 0:
            problems.add("low", text=f"should be positive for a logarithmic range, not {self.low}.")
        problems.raise_any()
        return self


class Choices(Model):
    """One of some values."""

    choices: Annotated[list[Value], Field(min_length=1), NoDuplicates]


def _read_dimension(data: Any) -> Any:
    """Reads `[low, high]`, `{low, high, log}` or `{choices: [...]}`."""
    if isinstance(data, Range | Choices):
        return data
    if isinstance(data, list):
        if len(data) != 2:
            problems = Problems()
            problems.add(text=f"should be [low, high], not {data}; for single values write {{choices: [...]}}.")
            problems.raise_any()
        data = {"low": data[0], "high": data[1]}
    kind: type[Model] = Choices if isinstance(data, Mapping) and "choices" in data else Range
    return kind.model_validate(data)


_PAIR = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
Dimension = Annotated[
    Range | Choices,
    BeforeValidator(_read_dimension),
    Form(lambda made: {"anyOf": [{**_PAIR, "description": "`[low, high]`"}, *made["anyOf"]]}),
]


_LISTED: Schema = {"properties": {"list": {"type": "array"}}, "required": ["list"]}
_GRID: Schema = {"properties": {"grid": {"type": "object", "minProperties": 1}}, "required": ["grid"]}
_SEARCH: Schema = {
    "properties": {
        "search": {"type": ["string", "object"]},
        "trials": {"type": "integer"},
        "space": {"type": "object", "minProperties": 1},
    },
    "required": ["search", "trials", "space"],
}
_KINDS: Schema = {"oneOf": [_GRID, _LISTED, _SEARCH]}
"""Exactly one of the three; a search with what it needs."""


_WORD: TypeAdapter[str] = TypeAdapter(Literal["optuna", "random"])


def _read_search(data: Any) -> Any:
    """Reads a word, or the fields of a sampler."""
    if data is None or isinstance(data, Sampler):
        return data
    return Sampler.model_validate(data) if isinstance(data, Mapping) else _WORD.validate_python(data)


_RULE: TypeAdapter[str] = TypeAdapter(Literal["asha", "hyperband", "median"])


def _read_stopping(data: Any) -> Any:
    """Reads a word, or the fields of early stopping."""
    if data is None or isinstance(data, EarlyStopping):
        return data
    return EarlyStopping.model_validate(data) if isinstance(data, Mapping) else _RULE.validate_python(data)


class Sweep(Model):
    """The points tried for one method: a `grid`, a `list`, or an adaptive `search`."""

    grid: dict[str, Annotated[list[Value], Field(min_length=1), NoDuplicates]] | None = None
    """name → values, numbers or words; every combination is tried

    Example: {lambda_coup: [1.0, 1.5, 2.0]}
    """
    listed: Annotated[list[dict[str, Value]], Field(min_length=1), NoDuplicates] | None = Field(None, alias="list")
    """the points themselves

    Example: [{lambda_coh: 0.5, lambda_coup: 1.5}, {lambda_coh: 1.0, lambda_coup: 2.2}]
    """
    search: Annotated[Literal["optuna", "random"] | Sampler | None, BeforeValidator(_read_search)] = None
    """`optuna` or `random` suggests points while the study runs; or `{sampler: NAME}`, another sampler of Optuna's

    Example: {sampler: nsga2, population: 12}
    """
    trials: Annotated[Whole, Field(ge=1)] | None = None
    """trainings for each pair and seed

    Left out: needed by a search
    """
    space: dict[str, Dimension] | None = None
    """name → `[low, high]`, `{low, high, log: true}` or `{choices: [...]}`

    Left out: needed by a search

    Example: {alpha: [0.5, 6.0], lr: {low: 0.003, high: 0.3, log: true}}
    """
    objectives: Annotated[list[Annotated[str, named(OBJECTIVES, "objective")]], Field(min_length=1), NoDuplicates] = [
        "accuracy"
    ]
    """what the search is for: `accuracy` (on validation images), `krr`, `cohesion`, `coupling`, `flops_reduction`"""
    threshold: Annotated[Number, Field(gt=0, le=1)] | None = None
    """where these are measured

    Left out: the study's highest
    """
    constraints: Constraints | None = None
    """what points must keep to; the search starts when the standard network is trained

    Left out: nothing
    """
    warm_start: str | None = None
    """another study in the same storage whose finished points a search begins with: those of the same network, data set
    and method that its space holds

    Left out: none

    Example: my-first-study
    """
    early_stopping: Annotated[
        Literal["asha", "hyperband", "median"] | EarlyStopping | None, BeforeValidator(_read_stopping)
    ] = None
    """`asha`, `hyperband` or `median` ends weak trainings early, by their accuracy; or, by another metric of their
    epochs, `{scheduler: asha, metric: ...}`

    Example: {scheduler: median, metric: validation/loss, grace: 0.2}
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        schema = super().__get_pydantic_json_schema__(core_schema, handler)
        handler.resolve_ref_schema(schema).update(_KINDS)
        return schema

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        kinds = [name for name in ("grid", "list", "search") if getattr(self, {"list": "listed"}.get(name, name))]
        if len(kinds) != 1:
            what = "is empty" if not kinds else f"has {' and '.join(kinds)}"
            problems.add(text=f"{what}, give exactly one of grid, list and search with their values.")
        points = math.prod(len(values) for values in (self.grid or {}).values())
        if points > MOST_POINTS:
            text = f"makes {points:,} points, give fewer values, at most {MOST_POINTS:,} points, or a search."
            problems.add("grid", text=text)
        if self.search:
            if self.constraints and self.search_name not in ("optuna", *CONSTRAINED):
                text = f"are for {', '.join(CONSTRAINED)}, {self.search_name} learns nothing from them; remove them."
                problems.add("constraints", text=text)
            if self.warm_start and self.search_name not in ("optuna", *CONSTRAINED):
                text = f"teaches {self.search_name} nothing, remove it or choose another sampler."
                problems.add("warm_start", text=text)
            if self.search_name == "cmaes":
                self._check_cmaes(problems)
            if self.trials is None:
                problems.add("trials", text="is missing, say how many trainings the search may try.")
            if not self.space:
                problems.add("space", text="is empty, give the search a range for at least one setting.")
            if self.early_stopping and len(self.objectives) > 1:
                text = "works with one objective only, drop early_stopping or all objectives but one."
                problems.add("early_stopping", text=text)
            by_default = self.stopping is not None and "metric" not in self.stopping.model_fields_set
            if by_default and self.objectives != ["accuracy"] and len(self.objectives) == 1:
                text = "stops by the accuracy after each epoch, set objectives to [accuracy], or name another metric."
                problems.add("early_stopping", text=text)
        else:
            for name in ("trials", "space", "objectives", "threshold", "constraints", "warm_start", "early_stopping"):
                if name in self.model_fields_set:
                    problems.add(name, text="belongs to a search, add `search: optuna` or remove it.")
        problems.raise_any()
        return self

    def _check_cmaes(self, problems: Problems) -> None:
        if len(self.objectives) > 1:
            text = "are several, and cmaes takes one; leave one, or choose tpe, gp or nsga2."
            problems.add("objectives", text=text)
        for name, dimension in (self.space or {}).items():
            if isinstance(dimension, Choices):
                problems.add("space", name, text="is no range, and cmaes knows no other; choose tpe, gp or nsga2.")

    @property
    def sampler(self) -> Sampler | None:
        """What suggests the points of a search; None of a grid or a list."""
        if self.search is None or isinstance(self.search, Sampler):
            return self.search
        return Sampler(sampler="tpe" if self.search == "optuna" else "random")

    @property
    def told_search(self) -> str | dict[str, Any] | None:
        """What a search is known by, in keys."""
        return self.search.told if isinstance(self.search, Sampler) else self.search

    @property
    def stopping(self) -> EarlyStopping | None:
        """How weak trainings are ended early; None where none is."""
        if self.early_stopping is None or isinstance(self.early_stopping, EarlyStopping):
            return self.early_stopping
        return EarlyStopping(scheduler=self.early_stopping)

    @property
    def search_name(self) -> str:
        """A search's word in labels."""
        return self.search.sampler if isinstance(self.search, Sampler) else str(self.search)

    def points(self) -> list[Point]:
        """The points that are known beforehand, the last name of a grid varying fastest; none for a search."""
        if self.grid is not None:
            return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        return [dict(point) for point in self.listed or []]


def read_sweeps(data: Any) -> dict[str, Sweep]:
    """Reads `{mwt: {grid: {lambda_coh: [0.5, 1.0]}}}` and checks the names against each method's settings."""
    problems = Problems()
    if data is None or data == {}:
        problems.add(text="is empty, name a method with a grid, a list or a search, or leave sweep out.")
        problems.raise_any()
    modular = [name for name, method in METHODS.items() if method.modular]
    sweeps = {}
    for name, entry in known_fields(data, modular, problems, "method with a sweep").items():
        with problems.under(name):
            sweeps[name] = Sweep.model_validate(entry)
            _check_names(sweeps[name], name)
            if stopping := sweeps[name].stopping:
                with problems.under(name, "early_stopping"):
                    stopping.check_metric(name)
    problems.raise_any()
    return sweeps


def sweep_form(made: Schema) -> Schema:
    """What `read_sweeps` takes, of the schema of a mapping of sweeps."""
    sweep = made["additionalProperties"]
    properties = {
        name: {"allOf": [sweep, {"properties": _fields_form({each: value_form(name, each) for each in swept(name)})}]}
        for name, method in METHODS.items()
        if method.modular
    }
    return {"type": "object", "properties": properties, "additionalProperties": False, "minProperties": 1}


def _fields_form(values: Schema) -> Schema:
    """What the fields of a sweep may hold, of the schema of each setting's values."""
    of_choices = {name: {"properties": {"choices": {"items": value}, "low": value}} for name, value in values.items()}
    return {
        "grid": {
            "properties": {name: {"items": value} for name, value in values.items()},
            "additionalProperties": False,
        },
        "list": {"items": {"properties": values, "additionalProperties": False}},
        "space": {"properties": of_choices, "additionalProperties": False},
    }


Sweeps = Annotated[dict[str, Sweep], BeforeValidator(read_sweeps), Form(sweep_form)]


def _check_names(sweep: Sweep, method: str) -> None:
    problems, names = Problems(), swept(method)
    for field, dimensions in (("grid", sweep.grid), ("space", sweep.space)):
        for name, dimension in (dimensions or {}).items():
            if name not in names:
                problems.add(field, name, text=unknown(name, names, "setting to sweep"))
                continue
            words = words_of_swept(method, name)
            if isinstance(dimension, Range):
                if words is not None:
                    text = f"has no values between words, write {{choices: [{', '.join(words)}]}}."
                    problems.add(field, name, text=text)
                    continue
                refused = {
                    end: refusal(method, name, value)
                    for end, value in (("low", dimension.low), ("high", dimension.high))
                }
                for end, wrong in refused.items():
                    if wrong:
                        problems.add(field, name, end, text=wrong)
                continue
            for position, value in enumerate(extremes(dimension)):
                place = (field, name, "choices") if isinstance(dimension, Choices) else (field, name)
                if wrong := refusal(method, name, value):
                    problems.add(*place, position, text=wrong)
    for position, point in enumerate(sweep.listed or []):
        for name, value in point.items():
            if name not in names:
                problems.add("list", position, name, text=unknown(name, names, "setting to sweep"))
            elif wrong := refusal(method, name, value):
                problems.add("list", position, name, text=wrong)
    problems.raise_any()


def extremes(candidates: list[Setting] | Range | Choices) -> list[Setting]:
    """The values of a dimension, or the ends of a range, between which all others lie."""
    if isinstance(candidates, Range):
        return [candidates.low, candidates.high]
    return candidates.choices if isinstance(candidates, Choices) else candidates
