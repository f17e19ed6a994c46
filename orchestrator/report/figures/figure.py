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
class Key:
    """How a series is told from others.

    Attributes:
        style: Which colour and marker, from 0; None is what others are compared with, grey and dashed.
        band: Which dashes, from 0, of a line in a band as wide as its points' spreads; None has marks and bars.
    """

    style: int | None
    band: int | None = None


@dataclass(frozen=True)
class Series:
    """Points that belong together.

    Attributes:
        line: Whether they are joined.
        marks: Whether they show; those of a band never do.
        text: The line's tooltip.
    """

    points: Sequence[Point]
    key: Key
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
        own = [series for series in self.series if series.key.style is not None]
        places = {point.x if series.line else (point.x, point.y) for series in own for point in series.points}
        return len(places) < 2


@dataclass(frozen=True)
class Figure:
    """Panels with one legend.

    Attributes:
        legend: What each key stands for.
        table: The same numbers as text, where no other table of the report has them.
    """

    title: str
    panels: Sequence[Panel]
    legend: Mapping[str, Key]
    note: str
    table: Table | None = None
    kind: str = field(default="figure", init=False)


def keys_of(names: Sequence[tuple[str, str]]) -> tuple[dict[tuple[str, str], Key], dict[str, Key]]:
    """Key by method and settings, and the legend: one each as long as they can be told apart, else one per method."""
    unique = list(dict.fromkeys(names))
    if len(unique) <= COLOURS:
        keys = {name: Key(place) for place, name in enumerate(unique)}
        return keys, {" ".join(name).strip(): key for name, key in keys.items()}
    methods = list(dict.fromkeys(method for method, _ in unique))
    counts: defaultdict[str, int] = defaultdict(int)
    for method, _ in unique:
        counts[method] += 1
    of_method = {method: Key(place % COLOURS) for place, method in enumerate(methods)}
    labels = {method if counts[method] == 1 else f"{method}, {counts[method]} settings": method for method in methods}
    keys = {name: of_method[name[0]] for name in unique}
    return keys, {text: of_method[method] for text, method in labels.items()}
