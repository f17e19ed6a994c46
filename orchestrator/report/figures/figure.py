"""A figure as data: panels of series of points; `plotting` makes pictures of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orchestrator.report.tables import Table

COLOURS = 8
"""So many series can be distinguished by colour and marker; of more, those of one method look alike."""


@dataclass(frozen=True)
class Point:
    """One mark.

    Attributes:
        text: Its tooltip; empty for none.
        spread: Half the length of its vertical bar; None has none.
        across: The same of its horizontal bar.
        chosen: Marks it among the others.
    """

    x: float
    y: float
    text: str = ""
    spread: float | None = None
    across: float | None = None
    chosen: bool = False


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        style: Which colour and marker, from 0; None is what others are compared with, grey and dashed.
        line: Whether they are joined.
        marks: Whether they show.
        text: The line's tooltip.
    """

    points: Sequence[Point]
    style: int | None
    line: bool = True
    marks: bool = True
    text: str = ""


@dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        whole: Whether x is counted in whole numbers.
    """

    title: str
    x: str
    y: str
    series: Sequence[Series]
    whole: bool = False

    @property
    def empty(self) -> bool:
        """Whether it shows nothing that a number does not: lines of one point, or one mark."""
        own = [series for series in self.series if series.style is not None]
        places = {point.x if series.line else (point.x, point.y) for series in own for point in series.points}
        return len(places) < 2


@dataclass(frozen=True)
class Figure:
    """Panels with one legend.

    Attributes:
        legend: What each style stands for.
        table: The same numbers as text, where no other table of the report has them.
    """

    title: str
    panels: Sequence[Panel]
    legend: Mapping[str, int | None]
    note: str
    table: Table | None = None
    kind: str = field(default="figure", init=False)


def styles_of(names: Sequence[tuple[str, str]]) -> tuple[dict[tuple[str, str], int], dict[str, int | None]]:
    """Style by method and settings, and the legend: one each as long as they can be told apart, else one per method."""
    unique = list(dict.fromkeys(names))
    if len(unique) <= COLOURS:
        styles = {name: place for place, name in enumerate(unique)}
        return styles, {" ".join(name).strip(): style for name, style in styles.items()}
    methods = list(dict.fromkeys(method for method, _ in unique))
    counts: defaultdict[str, int] = defaultdict(int)
    for method, _ in unique:
        counts[method] += 1
    styles = {name: methods.index(name[0]) % COLOURS for name in unique}
    labels = {method if counts[method] == 1 else f"{method}, {counts[method]} settings": method for method in methods}
    return styles, {text: methods.index(method) % COLOURS for text, method in labels.items()}
