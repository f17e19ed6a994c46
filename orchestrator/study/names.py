"""Names without quotes that YAML takes for something else: `00010` is the number 8 there, and `no` is false."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from typing import Any

from orchestrator.study.problems import Place

PlainText = Callable[[Place], str | None]
"""What stands at a place of a study without quotes, where YAML did not take it for a text; None elsewhere."""


def misread_names(data: Any, plain_text: PlainText) -> Iterator[tuple[Place, str]]:
    """The classes, columns and class names that a study asks for and YAML has misread, each with a sentence.

    Args:
        data: The study as YAML has it.
        plain_text: See there.
    """
    for place, value in _names(data):
        text = plain_text(place)
        if text is not None and not (type(value) is int and text == str(value)):
            yield place, f"{text!r:.60} is {_meaning(value)} in YAML, put it in quotes."


def _names(data: Any) -> Iterator[tuple[Place, Any]]:
    """Every place where a name is asked for, and its value."""
    for field in ("subtasks", "derive"):
        for place, classes in _items(_get(data, field, "classes"), (field, "classes")):
            yield from _items(classes, place)
        groups = _get(data, field, "groups")
        for name, classes in groups.items() if isinstance(groups, dict) else ():
            yield from _items(classes, (field, "groups", name))
    for place, pair in _items(_get(data, "pairs"), ("pairs",)):
        options = _get(pair, "dataset_options")
        for name in ("classes", "only"):
            yield from _items(_get(options, name), (*place, "dataset_options", name))
        for name in ("image", "label", "text", "text_pair"):
            if isinstance(options, dict) and name in options:
                yield (*place, "dataset_options", name), options[name]


def _items(values: Any, place: Place) -> Iterator[tuple[Place, Any]]:
    if isinstance(values, list):
        yield from (((*place, position), value) for position, value in enumerate(values))


def _get(data: Any, *names: str) -> Any:
    for name in names:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _meaning(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return "a date"
    return f"the number {value}" if isinstance(value, int | float) else f"a {type(value).__name__}"
