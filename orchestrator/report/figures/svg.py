"""Panels as inline SVG for the page: matplotlib's, with the page's colours and with texts for a pointer."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from xml.etree.ElementTree import Element, SubElement, fromstring, tostring

from orchestrator.report.figures.figure import Key, Panel
from orchestrator.report.figures.plotting import PALETTE, key_svg, panel_svg

_VARIABLES = {"none": "none"} | {colour: f"var(--{name})" for name, colour in PALETTE.items()}
_LINK = "{http://www.w3.org/1999/xlink}href"
_NUMBER = re.compile(r"-?\d+\.\d+")
_LOOK = {"fill", "fill-opacity", "font-size", "opacity", "text-anchor"} | {
    f"stroke{each}" for each in ("", "-dasharray", "-linecap", "-linejoin", "-opacity", "-width")
}


def draw(panel: Panel, prefix: str) -> str:
    """A panel as one `<svg>`: its colours are the page's variables, every text in it is escaped.

    Args:
        panel: What to show.
        prefix: Begins the ids in it; no two pictures of a page may share one.
    """
    drawn, titles = panel_svg(panel)
    svg = _inline(drawn, titles, prefix)
    svg.set("role", "img")
    svg.set("aria-label", f"{panel.title}: {panel.y} by {panel.x}")
    return tostring(svg, encoding="unicode")


def marker(key: Key, prefix: str) -> str:
    """A key's line and marker as a small `<svg>`, for a legend; see `draw`."""
    svg = _inline(key_svg(key), {}, prefix)
    svg.set("class", "key")
    svg.set("aria-hidden", "true")
    return tostring(svg, encoding="unicode")


def _inline(drawn: bytes, titles: Mapping[str, Sequence[str]], prefix: str) -> Element:
    """The shapes of a picture without its groups; those of one text are together, and have it as their title."""
    root = fromstring(drawn)
    svg = Element("svg", viewBox=root.attrib["viewBox"])
    marks: dict[str, Element] = {}
    for shape, text in _shapes(root, titles, prefix):
        if text:
            if text not in marks:
                marks[text] = Element("g")
                SubElement(marks[text], "title").text = text
            marks[text].append(shape)
        else:
            svg.append(shape)
    svg.extend(marks.values())  # over the grid
    return svg


def _shapes(
    drawn: Element, titles: Mapping[str, Sequence[str]], prefix: str, texts: Iterator[str] | None = None
) -> Iterator[tuple[Element, str]]:
    """The shapes in a group, each with its text or an empty one, and definitions before what uses them."""
    for each in drawn:
        kind, name = each.tag.rpartition("}")[2], each.get("id", "")
        if kind == "g":
            yield from _shapes(each, titles, prefix, iter(titles[name]) if name in titles else texts)
        elif kind == "defs":
            defined = [shape for shape, _ in _shapes(each, {}, prefix)]
            if defined:
                definitions = Element("defs")
                definitions.extend(defined)
                yield definitions, ""
        elif kind in ("use", "text") or "d" in each.attrib:  # a bar of no length is a path without an outline
            shape = Element(kind, _attributes(each, prefix))
            shape.text = each.text if kind == "text" else None
            yield shape, next(texts) if texts is not None else ""


def _attributes(drawn: Element, prefix: str) -> dict[str, str]:
    """Matplotlib's inline style as attributes, with the page's colours and its font."""
    style = dict(part.strip().split(": ", 1) for part in drawn.get("style", "").split(";") if part.strip())
    attrs = {name: value for name, value in style.items() if name in _LOOK}
    attrs |= {name: _VARIABLES[attrs[name]] for name in ("fill", "stroke") if name in attrs}
    for name in ("d", "x", "y", "transform"):
        if name in drawn.attrib and "rotate(-0 " not in drawn.attrib[name]:
            attrs[name] = " ".join(_NUMBER.sub(lambda number: f"{float(number[0]):.2f}", drawn.attrib[name]).split())
    if "id" in drawn.attrib:
        attrs["id"] = prefix + drawn.attrib["id"]
    if _LINK in drawn.attrib:
        attrs["href"] = f"#{prefix}{drawn.attrib[_LINK][1:]}"
    return attrs
