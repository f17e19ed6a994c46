"""The points of a sweep as recipes: which of them fit none, whatever each value is by itself."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

from nemo.recipe import Recipe
from orchestrator.study.problems import Place
from orchestrator.study.sweep import MOST_POINTS, Point, Sweep, extremes, setting_text
from orchestrator.study.swept import recipe_of


def unfit(sweep: Sweep, method: str, recipe: Callable[..., Recipe], workers: int) -> tuple[Place, str] | None:
    """The first point that fits no recipe: its place in the sweep, and a sentence about it; None where all do.

    Args:
        sweep: Its points, or the corners of its space, are tried.
        method: Its method.
        recipe: Makes the recipe of fields that a point changes; raises `ValueError` where they fit none.
        workers: Of a training; each needs two images of a batch.
    """
    for place, point in _tried(sweep):
        changed = recipe_of(method, point)
        if not changed:
            continue
        told = ", ".join(f"{name}={setting_text(value)}" for name, value in changed.items())
        if "augment" in changed and recipe().augment == "imagenet":
            return place, "sweeps augment, but the recipe's `imagenet` evaluates images otherwise; drop one of them."
        try:
            batch = recipe(**changed).batch_size
        except ValueError as error:
            return place, f"has points that fit no recipe, with {told}: {error}; choose others."
        if batch < 2 * workers and "batch_size" in changed:
            return place, f"has points with {told}, less than 2 images for each of {workers} workers; raise batch_size."
    return None


def _tried(sweep: Sweep) -> Iterator[tuple[Place, Point]]:
    if sweep.listed is not None:
        yield from ((("list", position), dict(point)) for position, point in enumerate(sweep.listed))
    elif sweep.space is not None:
        corners = itertools.product(*(extremes(dimension) for dimension in sweep.space.values()))
        for values in itertools.islice(corners, MOST_POINTS):
            yield ("space",), dict(zip(sweep.space, values, strict=True))
    else:
        yield from ((("grid",), point) for point in sweep.points())
