"""What may be swept of a method: its settings, and the numbers and words of the recipe that mean something to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

from nemo.methods import METHODS, Setting
from nemo.recipe import BOUNDS, Bounds, Recipe
from orchestrator.study.form import Schema, one_of
from orchestrator.study.problems import Problems

POSITIVE = ("temperature", "lr", "lr_mask")
"""What may not be 0."""

_NEVER = ("validation",)
"""Points are judged by it: each would be on other images."""

_APART = ("imagenet",)
"""What changes how images are evaluated, and so what points are compared on."""

_BOUNDS = {
    **BOUNDS,
    "epochs": Bounds("must be at least 1", least=1),
    "as_cut_from": Bounds("must be above 0 and below 1", above=0, below=1),
}
"""What is swept is trained."""


def _kinds() -> dict[str, type | tuple[str, ...]]:
    """Field of the recipe -> `int`, `float`, or its words; truth values and patterns are not swept."""
    found: dict[str, type | tuple[str, ...]] = {}
    for name, hint in get_type_hints(Recipe).items():
        words = tuple(word for word in get_args(hint) if isinstance(word, str) and word not in _APART)
        if name in _NEVER:
            continue
        if words:
            found[name] = words
        elif hint is int or hint == (int | None):
            found[name] = int
        elif hint is float or hint == (float | None):
            found[name] = float
    return found


RECIPE = _kinds()
"""What may be swept of a recipe: field -> `int`, `float`, or its words."""


def swept(method: str) -> list[str]:
    """What may be swept of a method; one that trains no network has no recipe."""
    own = METHODS[method]
    fields = [] if own.starts_from else [name for name in RECIPE if name not in own.ignores]
    return [*own.settings, *(name for name in fields if name not in own.settings)]


def is_of_recipe(method: str, name: str) -> bool:
    """Whether a swept name is a field of the recipe, and no setting of the method."""
    return name in RECIPE and name not in METHODS[method].settings


def is_whole(method: str, name: str) -> bool:
    """Whether the values of a swept name are whole numbers."""
    return is_of_recipe(method, name) and RECIPE[name] is int


def words_of_swept(method: str, name: str) -> tuple[str, ...] | None:
    """The words that a swept name may have; None of a number."""
    if not is_of_recipe(method, name):
        return METHODS[method].words.get(name)
    kind = RECIPE[name]
    return kind if isinstance(kind, tuple) else None


def recipe_of(method: str, point: Mapping[str, Setting]) -> dict[str, Any]:
    """The fields of the recipe among the values of a point, as a recipe has them."""
    return {
        name: value if isinstance(value, str) else int(value) if is_whole(method, name) else float(value)
        for name, value in point.items()
        if is_of_recipe(method, name)
    }


def check_settings(settings: Mapping[str, Setting]) -> None:
    """Refuses a weight below 0, and a temperature or learning rate that is not positive."""
    problems = Problems()
    for name, value in settings.items():
        if isinstance(value, str):
            continue
        positive = name in POSITIVE
        if value < 0 or (positive and value == 0):
            problems.add(name, text=f"should be {'positive' if positive else 'at least 0'}, not {value}.")
    problems.raise_any()


def value_form(method: str, name: str) -> Schema:
    """The schema of a value of what may be swept: one of its words, or a number that `refusal` lets pass."""
    if words := words_of_swept(method, name):
        return one_of(words)
    if not is_of_recipe(method, name) or name in POSITIVE:
        return {"type": "number", **({"exclusiveMinimum": 0} if name in POSITIVE else {"minimum": 0})}
    bounds = _BOUNDS[name]
    found = {"minimum": bounds.least, "exclusiveMinimum": bounds.above, "exclusiveMaximum": bounds.below}
    kind = "integer" if is_whole(method, name) else "number"
    return {"type": kind, **{each: number for each, number in found.items() if number is not None}}


def refusal(method: str, name: str, value: Setting) -> str | None:
    """What is wrong with a value of a swept name, as a sentence; None where nothing is."""
    words = words_of_swept(method, name)
    if words is not None:
        return None if value in words else f"should be {' or '.join(map(repr, words))}, not {value!r:.60}.{_why(value)}"
    if isinstance(value, str):
        return f"should be a valid number, not {value!r:.60}."
    if not is_of_recipe(method, name) or name in POSITIVE:
        positive = name in POSITIVE
        wrong = value < 0 or (positive and value == 0)
        return f"should be {'positive' if positive else 'at least 0'}, not {value}." if wrong else None
    if is_whole(method, name) and not float(value).is_integer():
        return f"should be a whole number, not {value}."
    return None if _BOUNDS[name].hold(value) else f"{_BOUNDS[name].remedy}, not {value:g}."


def _why(value: Setting) -> str:
    if value not in _APART:
        return ""
    return " It changes how images are evaluated, too: give it to a pair of its own, in that one's `recipe`."
