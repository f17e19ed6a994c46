"""Draws panels as SVG that takes its colours from the page: one picture for light, dark and paper."""

from __future__ import annotations

import math
from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, tostring

from orchestrator.report.figures.figure import COLOURS, Panel, Point, Series

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 16, 10, 40

# The markers, around (0, 0); as many shapes as colours, so that print without colour can be read.
_MARKERS = (
    "M-3.2 0a3.2 3.2 0 1 0 6.4 0a3.2 3.2 0 1 0 -6.4 0",
    "M-2.9 -2.9H2.9V2.9H-2.9Z",
    "M0 -4L4 0L0 4L-4 0Z",
    "M0 -3.8L3.7 2.8H-3.7Z",
    "M0 3.8L3.7 -2.8H-3.7Z",
    "M-1.3 -3.8H1.3V-1.3H3.8V1.3H1.3V3.8H-1.3V1.3H-3.8V-1.3H-1.3Z",
    "M-3.8 -2.6V2.6L3.2 0Z",
    "M3.8 -2.6V2.6L-3.2 0Z",
)


def draw(panel: Panel) -> str:
    """A panel as one `<svg>`; every text in it is escaped."""
    svg = Element("svg", viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")
    if len(panel.series) > COLOURS + 1:
        svg.set("class", "many")
    svg.set("aria-label", f"{panel.title}: {panel.y} by {panel.x}")
    x, y = _scale(panel, "x", LEFT, WIDTH - RIGHT), _scale(panel, "y", HEIGHT - BOTTOM, TOP)
    _axes(svg, panel, x, y)
    for series in panel.series:
        if series.line:
            _line(svg, series, x, y)
    for series in panel.series:
        for point in series.points if series.marks else ():
            _mark(svg, point, series.style, x, y)
    return tostring(svg, encoding="unicode")


def marker(style: int | None) -> str:
    """A style's marker as a small `<svg>`, for a legend."""
    svg = Element("svg", {"viewBox": "-9 -6 18 12", "class": "key", "aria-hidden": "true"})
    SubElement(svg, "path", {"d": "M-9 0H9", "class": f"line {_class(style)}"})
    if style is not None:
        SubElement(svg, "path", {"d": _MARKERS[style], "class": f"mark {_class(style)}"})
    return tostring(svg, encoding="unicode")


class _Scale:
    """From values to places, linear, with ticks at round values around them."""

    def __init__(self, values: list[float], begin: float, end: float, whole: bool) -> None:
        low, high = min(values, default=0.0), max(values, default=1.0)
        if high - low < 1e-9 * max(1.0, abs(high)):
            low, high = low - 0.5, high + 0.5
        step = _round_step((high - low) / 5)
        step = max(1.0, step) if whole else step
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        self.ticks = [place * step for place in range(first, last + 1)]
        self._digits = max(0, -math.floor(math.log10(step) + 1e-9))
        gap = 0.3 if whole else 0.0  # a bar at the first or last whole number stands clear of the axis
        self._low, self._high = self.ticks[0] - gap, self.ticks[-1] + gap
        self._begin, self._end = begin, end

    def __call__(self, value: float) -> float:
        return self._begin + (value - self._low) / (self._high - self._low) * (self._end - self._begin)

    def text(self, tick: float) -> str:
        return f"{tick:.{self._digits}f}"


def _round_step(step: float) -> float:
    """1, 2 or 5 times a power of ten, at least the step."""
    power = 10.0 ** math.floor(math.log10(step))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= step * (1 - 1e-9))


def _scale(panel: Panel, axis: str, begin: float, end: float) -> _Scale:
    points = [point for series in panel.series for point in series.points]
    if axis == "x":
        reach = [(point.x, point.across or 0.0) for point in points]
    else:
        reach = [(point.y, point.spread or 0.0) for point in points]
    values = [value + sign * half for value, half in reach for sign in (-1, 1)]
    return _Scale(values, begin, end, panel.whole and axis == "x")


def _axes(svg: Element, panel: Panel, x: _Scale, y: _Scale) -> None:
    right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
    grid = "".join(f"M{LEFT} {y(tick):.1f}H{right}" for tick in y.ticks)
    SubElement(svg, "path", {"d": grid + "".join(f"M{x(tick):.1f} {bottom}v4" for tick in x.ticks), "class": "grid"})
    for tick in y.ticks:
        _text(svg, y.text(tick), LEFT - 6, y(tick) + 3.5, "end")
    for tick in x.ticks:
        _text(svg, x.text(tick), x(tick), bottom + 15, "middle")
    _text(svg, panel.x, (LEFT + right) / 2, HEIGHT - 6, "middle", "name")
    middle = (TOP + bottom) / 2
    _text(svg, panel.y, 10, middle, "middle", "name").set("transform", f"rotate(-90 10 {middle:.1f})")


def _text(svg: Element, text: str, x: float, y: float, anchor: str, kind: str = "tick") -> Element:
    element = SubElement(svg, "text", {"x": f"{x:.1f}", "y": f"{y:.1f}", "text-anchor": anchor, "class": kind})
    element.text = text
    return element


def _line(svg: Element, series: Series, x: _Scale, y: _Scale) -> None:
    places = [f"{x(point.x):.1f},{y(point.y):.1f}" for point in series.points]
    if len(places) > 1:
        kind = f"line {_class(series.style)}"
        line = SubElement(svg, "polyline", {"points": " ".join(places), "class": kind})
        _title(line, series.text)


def _mark(svg: Element, point: Point, style: int | None, x: _Scale, y: _Scale) -> None:
    group = SubElement(svg, "g", {"transform": f"translate({x(point.x):.1f} {y(point.y):.1f})"})
    bars = "".join(_bars(point, x, y))
    if bars:
        SubElement(group, "path", {"d": bars, "class": f"bar {_class(style)}"})
    if point.chosen:
        SubElement(group, "circle", {"r": "7", "class": f"ring {_class(style)}"})
    SubElement(group, "path", {"d": _MARKERS[style or 0], "class": f"mark {_class(style)}"})
    _title(group, point.text)


def _bars(point: Point, x: _Scale, y: _Scale) -> Iterator[str]:
    if point.spread:
        up, down = (y(point.y + sign * point.spread) - y(point.y) for sign in (1, -1))
        yield f"M0 {up:.1f}V{down:.1f}M-2.5 {up:.1f}h5M-2.5 {down:.1f}h5"
    if point.across:
        left, right = (x(point.x + sign * point.across) - x(point.x) for sign in (-1, 1))
        yield f"M{left:.1f} 0H{right:.1f}M{left:.1f} -2.5v5M{right:.1f} -2.5v5"


def _title(element: Element, text: str) -> None:
    if text:
        title = Element("title")
        title.text = text
        element.insert(0, title)


def _class(style: int | None) -> str:
    return "reference" if style is None else f"c{style}"
