"""`width: [0.25, 0.5]` of a pair: a pair of each width, with a standard network of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.study.problems import Place, Problems

Written = Sequence[tuple[int, int | None]]
"""Of every pair where it is written: its position in the file, and that of its width in a list of such."""


def one_width_each(data: Any, problems: Problems) -> tuple[Any, Written]:
    """A study's fields with one width in each pair.

    Args:
        data: The fields as they are written.
        problems: Takes what is wrong with lists of widths.

    Returns:
        The same fields, but for pairs of several widths; and where each pair is written, nothing where all are as
        written.
    """
    pairs = data.get("pairs") if isinstance(data, Mapping) else None
    if not isinstance(pairs, list) or not any(isinstance(_width(pair), list) for pair in pairs):
        return data, ()
    made: list[Any] = []
    written: list[tuple[int, int | None]] = []
    for position, pair in enumerate(pairs):
        widths = _width(pair)
        if not isinstance(widths, list):
            made.append(pair)
            written.append((position, None))
            continue
        if not widths:
            problems.add("pairs", position, "width", text="is too short, give at least 1.")
        for place, width in enumerate(widths or [1.0]):
            if width in widths[:place]:
                problems.add("pairs", position, "width", place, text=f"{width} is given twice, remove one.")
                continue
            made.append({**pair, "width": width})
            written.append((position, place if widths else None))
    return {**data, "pairs": made}, written


def as_written(place: Place, written: Written) -> Place:
    """The place of a field in the file that the pairs were read from."""
    if not written or len(place) < 2 or place[0] != "pairs" or not isinstance(place[1], int):
        return place
    position, width = written[place[1]]
    rest = place[2:]
    return ("pairs", position, *rest, width) if rest == ("width",) and width is not None else ("pairs", position, *rest)


def _width(pair: Any) -> Any:
    return pair.get("width") if isinstance(pair, Mapping) else None
