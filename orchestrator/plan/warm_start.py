"""The warm start of a search: which finished points of another study become its first trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from nemo.methods import METHODS, Setting
from nemo.recipe import Recipe, augmentation
from orchestrator.plan.combination_plan import Search
from orchestrator.plan.results import Result, WarmPoint, WarmStart
from orchestrator.storage.keys import canonical
from orchestrator.study.sweep import Choices, Point, Range
from orchestrator.study.swept import is_of_recipe, is_whole

_FREE = ("version", "settings", "recipe", "images_per_batchnorm", "seed")
"""What trainings may have otherwise."""


def warm_start(search: Search, study: str, trainings: Iterable[Result], measures: Iterable[Result]) -> WarmStart:
    """What of another study's results a search can begin with.

    Args:
        search: Its network, data set and method are what the points must have, and its space must hold them.
        study: The other study's name.
        trainings: Its finished trainings.
        measures: What was measured of their modules.
    """
    wanted = _same(search.combination.train({}).params)
    measured = {
        each["parents"]["train"]: each["result"]
        for each in measures
        if each["params"]["threshold"] in (search.threshold, None)
    }
    points: list[WarmPoint] = []
    left_out = Counter[str]()
    for training in trainings:
        if _same(training["params"]) != wanted:
            left_out["of another network, data set or method"] += 1
            continue
        point = _point(search, training["params"])
        if point is None:
            left_out["outside of the space"] += 1
            continue
        result = training["result"]
        known = {**measured.get(training["key"], {}), "accuracy": result.get("validation_accuracy")}
        values = {name: known.get(name) for name in search.directions}
        if known["accuracy"] is None or None in values.values():
            left_out["without what the search is for, measured on validation images or at its threshold"] += 1
            continue
        told = {name: float(value) for name, value in values.items() if value is not None}
        points.append(WarmPoint(training["key"], point, told, float(known["accuracy"])))
    return WarmStart(study, tuple(points), dict(left_out))


def _same(params: Mapping[str, Any]) -> str:
    return canonical({name: value for name, value in params.items() if name not in _FREE})


def _point(search: Search, params: Mapping[str, Any]) -> Point | None:
    """The values of what a search sweeps in a training's parameters; None where its space does not hold them."""
    method = search.combination.method
    settings = METHODS[method].complete(params["settings"])
    point: Point = {}
    for name, dimension in (search.sweep.space or {}).items():
        value = _of_recipe(params["recipe"], name) if is_of_recipe(method, name) else settings.get(name)
        held = _held(dimension, value)
        if held is None:
            return None
        point[name] = int(held) if isinstance(dimension, Range) and is_whole(method, name) else held
    return point


def _of_recipe(recipe: Mapping[str, Any], name: str) -> Any:
    value = recipe.get(name, getattr(Recipe, name))  # fields that came later are left out where they say nothing
    return augmentation(value) if name == "augment" else value


def _held(dimension: Range | Choices, value: Any) -> Setting | None:
    """A value as the dimension has it; None where it does not."""
    if isinstance(dimension, Choices):
        return next((choice for choice in dimension.choices if choice == value), None)
    if isinstance(value, str) or value is None:
        return None
    return float(value) if dimension.low <= value <= dimension.high else None
