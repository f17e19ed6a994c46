"""The sweep: which settings and learning rates of a method a study tries."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, TypeAdapter, model_validator

from nemo.methods import METHODS, Setting
from nemo.methods.method import Words
from orchestrator.study.problems import Model, NoDuplicates, Number, Problems, Whole, check_name, known_fields, unknown

Point = dict[str, Setting]
"""Swept name -> its value; the names are settings of the method, `lr` and `lr_mask`."""

LEARNING_RATES = ("lr", "lr_mask")
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


Value = Annotated[Setting, PlainValidator(_read_value)]


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


Dimension = Annotated[Range | Choices, BeforeValidator(_read_dimension)]


class Sweep(Model):
    """The points tried for one method: a `grid`, a `list`, or an adaptive `search`.

    Attributes:
        grid: Name -> values; every combination is tried.
        listed: `list` in the file: the points themselves.
        search: Who suggests points, within `space`, for `trials` trainings per pair and seed.
        objectives: What the search optimises, measured at `threshold` (None: the study's highest).
        early_stopping: `asha` stops weak trials early; for a single objective only.
    """

    grid: dict[str, Annotated[list[Value], Field(min_length=1), NoDuplicates]] | None = None
    listed: Annotated[list[dict[str, Value]], Field(min_length=1), NoDuplicates] | None = Field(None, alias="list")
    search: Literal["optuna", "random"] | None = None
    trials: Annotated[Whole, Field(ge=1)] | None = None
    space: dict[str, Dimension] | None = None
    objectives: Annotated[
        list[Annotated[str, AfterValidator(check_name(OBJECTIVES, "objective"))]], Field(min_length=1), NoDuplicates
    ] = ["accuracy"]
    threshold: Annotated[Number, Field(gt=0, le=1)] | None = None
    early_stopping: Literal["asha"] | None = None

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
            if self.trials is None:
                problems.add("trials", text="is missing, say how many trainings the search may try.")
            if not self.space:
                problems.add("space", text="is empty, give the search a range for at least one setting.")
            if self.early_stopping and len(self.objectives) > 1:
                text = "works with one objective only, drop early_stopping or all objectives but one."
                problems.add("early_stopping", text=text)
            if self.early_stopping and self.objectives != ["accuracy"] and len(self.objectives) == 1:
                text = "stops by the accuracy after each epoch, set objectives to [accuracy] or drop early_stopping."
                problems.add("early_stopping", text=text)
        else:
            for name in ("trials", "space", "objectives", "threshold", "early_stopping"):
                if name in self.model_fields_set:
                    problems.add(name, text="belongs to a search, add `search: optuna` or remove it.")
        problems.raise_any()
        return self

    def points(self) -> list[Point]:
        """The points that are known beforehand, the last name of a grid varying fastest; none for a search."""
        if self.grid is not None:
            return [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        return [dict(point) for point in self.listed or []]


def check_settings(settings: Mapping[str, Setting]) -> None:
    """Refuses a weight below 0, and a temperature or learning rate that is not positive."""
    problems = Problems()
    for name, value in settings.items():
        if isinstance(value, str):
            continue
        positive = name in ("temperature", *LEARNING_RATES)
        if value < 0 or (positive and value == 0):
            problems.add(name, text=f"should be {'positive' if positive else 'at least 0'}, not {value}.")
    problems.raise_any()


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
            rates = [rate for rate in LEARNING_RATES if rate not in METHODS[name].ignores]
            _check_names(sweeps[name], [*METHODS[name].settings, *rates], METHODS[name].words)
    problems.raise_any()
    return sweeps


def _check_names(sweep: Sweep, names: list[str], words: Mapping[str, Words]) -> None:
    problems = Problems()
    for field, dimensions in (("grid", sweep.grid), ("space", sweep.space)):
        for name, dimension in (dimensions or {}).items():
            if name not in names:
                problems.add(field, name, text=unknown(name, names, "setting to sweep"))
                continue
            if isinstance(dimension, Range) and name in words:
                text = f"has no values between words, write {{choices: [{', '.join(words[name])}]}}."
                problems.add(field, name, text=text)
                continue
            for position, value in enumerate(extremes(dimension)):
                place = (field, name, "choices") if isinstance(dimension, Choices) else (field, name)
                if refused := _refusal(value, words.get(name)):
                    problems.add(*place, position, text=refused)
                    continue
                with problems.under(field):
                    check_settings({name: value})
    for position, point in enumerate(sweep.listed or []):
        for name, value in point.items():
            if name not in names:
                problems.add("list", position, name, text=unknown(name, names, "setting to sweep"))
            elif refused := _refusal(value, words.get(name)):
                problems.add("list", position, name, text=refused)
        with problems.under("list", position):
            check_settings({name: value for name, value in point.items() if name in names})
    problems.raise_any()


def _refusal(value: Setting, words: Words | None) -> str | None:
    """What is wrong with a value of a setting that takes these words, or numbers; None where nothing is."""
    if words is None:
        return f"should be a valid number, not {value!r:.60}." if isinstance(value, str) else None
    return None if value in words else f"should be {' or '.join(map(repr, words))}, not {value!r:.60}."


def extremes(candidates: list[Setting] | Range | Choices) -> list[Setting]:
    """The values that a range check must pass."""
    if isinstance(candidates, Range):
        return [candidates.low]
    return candidates.choices if isinstance(candidates, Choices) else candidates
