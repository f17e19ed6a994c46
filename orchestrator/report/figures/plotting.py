"""Draws the report's figures with matplotlib: whole ones for print, panel by panel for the page."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path
from textwrap import fill
from typing import Any

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Sheet
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, PercentFormatter

from orchestrator.report.figures.figure import COLOURS, Figure, Key, Panel, Series
from orchestrator.report.figures.maps import HeatMap

# The bundled font lacks emoji and many scripts: a picture shows boxes there, an SVG the names themselves.
warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)

FORMATS = ("png", "svg")

PALETTE = {
    **{"c0": "#0b62b3", "c1": "#c2410c", "c2": "#14804a", "c3": "#7c3aed"},
    **{"c4": "#b0307a", "c5": "#0f7580", "c6": "#806400", "c7": "#5b5f69"},
    **{"ink": "#1b1f24", "soft": "#57606a", "hair": "#d8dde3", "card": "#ffffff"},
}
"""The colours by their names on the page, as they are there in light: of the styles, of texts, lines and the ground."""

_MARKERS = ("o", "s", "D", "^", "v", "P", ">", "<")  # as many as colours, so that print without colour can be read

_DASHES: Sequence[Any] = ((0, (1, 1.5)), (0, (5, 1.5, 1, 1.5)), (0, (8, 2, 1, 2, 1, 2)), (0, (2, 4)))  # one per control

_EDGE: Any = {"markeredgecolor": PALETTE["card"], "markeredgewidth": 0.5}

_STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "axes.labelsize": 8,
    "figure.titlesize": 9.5,
    "figure.dpi": 200,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": PALETTE["hair"],
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4.5,
    "legend.frameon": False,
    "legend.fontsize": 7.5,
    "text.parse_math": False,  # a name may hold dollars
    "svg.fonttype": "none",  # texts that can be edited and searched
    "svg.hashsalt": "nemo",  # the same file from the same figure
}

_PAGE: Any = {
    **_STYLE,
    "axes.spines.left": False,
    "axes.edgecolor": PALETTE["hair"],
    "axes.labelcolor": PALETTE["ink"],
    "axes.formatter.useoffset": False,
    "xtick.color": PALETTE["hair"],
    "xtick.labelcolor": PALETTE["soft"],
    "ytick.labelcolor": PALETTE["soft"],
    "ytick.major.size": 0,
}

_PANEL = 3.3, 2.6  # inches
_PAGE_PANEL = 3.6, 2.5
_KEY = 0.25, 1 / 6
_LONGEST_NAME = 32  # letters of a class's name beside a map; the page and the tables have all of it
_WRITTEN = 20  # a map of more rows or columns has no room for numbers
_MAP_SIDE = 10.0  # inches that a map's cells may take in either direction, whatever their number
_CELLS = 250  # of more rows or columns every second, third, ... is drawn: a million cells take 9 s and 1.5 GB a picture
_CROWD = 100  # of more lines the marks are left out
_LABELS = 60  # so many rows or columns of a map are named, evenly, where there are more


def write_figure(figure: Figure | HeatMap, path: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Writes a figure under a path without a suffix, once in each format; returns the files.

    Of a map with more than 250 rows or columns every second, third, ... is drawn, which its axes say.
    """
    with rc_context(_STYLE):
        sheet = draw_sheet(figure)
        paths = [path.with_name(f"{path.name}.{form}") for form in formats]
        for form, each in zip(formats, paths, strict=True):
            date = {"Date": None} if form == "svg" else {}
            sheet.savefig(each, format=form, metadata={"Title": figure.title, "Description": figure.note, **date})
    return paths


def draw_sheet(figure: Figure | HeatMap) -> Sheet:
    """A figure as matplotlib's; nothing of pyplot's is touched, so that it may be drawn in any thread."""
    with rc_context(_STYLE):
        return _map(figure) if isinstance(figure, HeatMap) else _panels(figure)


def panel_svg(panel: Panel) -> tuple[bytes, dict[str, list[str]]]:
    """A panel for the page, in colours of `PALETTE` alone, and the tooltips of its shapes.

    Returns:
        The SVG, and the id of a group in it -> the texts of its shapes in their order. Shapes of one text belong
        together, such as a mark and its bars.
    """
    with rc_context(_PAGE):
        sheet = Sheet(figsize=_PAGE_PANEL, layout="constrained", frameon=False)
        axes = sheet.subplots()
        axes.patch.set_visible(False)
        shapes = {f"shape-{number}": each for number, each in enumerate(_panel(axes, panel))}
        axes.locator_params(nbins=7, steps=[1, 2, 5, 10])  # few and round, for a narrow column
        for name, (artist, _) in shapes.items():
            artist.set_gid(name)
        return _svg(sheet), {name: texts for name, (_, texts) in shapes.items()}


def key_svg(key: Key) -> bytes:
    """A key's line and marker for the legend of the page."""
    with rc_context(_PAGE):
        sheet = Sheet(figsize=_KEY, frameon=False)
        line = Line2D([0, 0.5, 1], [0.5, 0.5, 0.5], markevery=[1], **{**_look(key), **_EDGE, "markersize": 6})
        sheet.add_artist(line)
        return _svg(sheet)


def _svg(sheet: Sheet) -> bytes:
    file = BytesIO()
    sheet.savefig(file, format="svg", metadata={"Date": None})
    return file.getvalue()


def _panels(figure: Figure) -> Sheet:
    panels = [panel for panel in figure.panels if not panel.empty]
    width = max(4.4, _PANEL[0] * len(panels))
    longest = max(map(len, figure.legend), default=0)
    columns = max(1, min(len(figure.legend), int(width / (0.5 + 0.06 * longest))))  # in inches, of the legend's letters
    height = _PANEL[1] + 0.4 + 0.17 * math.ceil(len(figure.legend) / columns)
    sheet = Sheet(figsize=(width, height), layout="constrained")
    for axes, panel in zip(sheet.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _panel(axes, panel)
        if len(panels) > 1:
            axes.set_title(panel.title)
    _title(sheet, figure.title)
    handles = [Line2D([], [], label=name, **_look(key)) for name, key in figure.legend.items()]
    sheet.legend(handles=handles, loc="outside lower center", ncols=columns)
    return sheet


def _panel(axes: Axes, panel: Panel) -> list[tuple[Artist, list[str]]]:
    """Draws a panel; returns what was drawn, each with the texts of its shapes."""
    drawn: list[tuple[Artist, list[str]]] = []
    many, crowded = len(panel.series) > COLOURS + 1, len(panel.series) > _CROWD
    for series in panel.series:
        if series.line and len(series.points) > 1:
            faint = {"linewidth": 0.7, "alpha": 0.6} if many else {}
            (line,) = axes.plot(*_places(series), **{**_look(series.key), "marker": "", **faint})
            drawn.append((line, [series.text]))
            if series.key.band is not None:
                drawn.append((_band(axes, series), [series.text]))
    for series in panel.series:
        if series.marks and series.key.band is None and not (crowded and series.line and len(series.points) > 1):
            drawn += _marks(axes, series, bars=not many)
    axes.set_xlabel(panel.x)
    axes.set_ylabel(panel.y)
    if panel.whole:
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    return drawn


def _band(axes: Axes, series: Series) -> Artist:
    """What lies within its points' spreads, much lighter than its line."""
    low, high = ([point.y + sign * (point.spread or 0.0) for point in series.points] for sign in (-1, 1))
    colour = _look(series.key)["color"]
    return axes.fill_between(_places(series)[0], low, high, color=colour, alpha=0.1, linewidth=0)


def _marks(axes: Axes, series: Series, bars: bool) -> list[tuple[Artist, list[str]]]:
    """The marks of a series as one container of error bars, which carries the series' text as its label."""
    look = {**_look(series.key), "linestyle": "none"}
    up = _lengths(point.spread for point in series.points) if bars else None
    across = _lengths(point.across for point in series.points) if bars else None
    marks, caps, lines = axes.errorbar(
        *_places(series),
        yerr=up,
        xerr=across,
        label=series.text or None,
        elinewidth=0.8,
        capsize=2,
        **{**look, **_EDGE},
    )
    texts = [point.text for point in series.points]
    drawn: list[tuple[Artist, list[str]]] = []
    for place, halves in enumerate(each for each in (across, up) if each):  # in the order of matplotlib's bars
        barred = [text for text, half in zip(texts, halves, strict=True) if half > 0]
        drawn += [(artist, barred) for artist in (lines[place], *caps[2 * place : 2 * place + 2])]
    for point in series.points:
        if point.chosen:
            look |= {"marker": "o", "markersize": 10, "markerfacecolor": "none"}
            drawn += [(ring, [point.text]) for ring in axes.plot([point.x], [point.y], **look)]
    return [*drawn, (marks, texts)]


def _places(series: Series) -> tuple[list[float], list[float]]:
    return [point.x for point in series.points], [point.y for point in series.points]


def _lengths(lengths: Iterable[float | None]) -> Sequence[float] | None:
    """Half the lengths of the bars; a point without one has none, and all of them without any."""
    known = [length or math.nan for length in lengths]
    return None if all(map(math.isnan, known)) else known


def _look(key: Key) -> dict[str, Any]:
    colour = PALETTE["soft" if key.style is None else f"c{key.style}"]
    if key.band is not None:
        return {"color": colour, "linestyle": _DASHES[key.band], "marker": "", "linewidth": 1.0}
    if key.style is None:
        return {"color": colour, "linestyle": "--", "marker": ""}
    return {"color": colour, "linestyle": "-", "marker": _MARKERS[key.style]}


def _map(figure: HeatMap) -> Sheet:
    every = [-(-len(each) // _CELLS) for each in (figure.rows, figure.columns)]
    figure = figure.thinned(_CELLS)
    names, values = [_short(name) for name, _ in figure.rows], [list(row) for _, row in figure.rows]
    columns = [_short(name) for name in figure.columns]
    width = 2.6 + min(0.36 * len(columns), _MAP_SIDE) + 0.1 * _beyond(names)
    height = 1.4 + min(0.24 * len(names), _MAP_SIDE) + 0.08 * _beyond(columns)
    sheet = Sheet(figsize=(width, height), layout="constrained")
    axes = sheet.subplots()
    axes.grid(False)
    image = axes.imshow(values, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    across, down = (range(0, len(each), -(-len(each) // _LABELS)) for each in (columns, names))
    axes.set_xticks(across, [columns[place] for place in across], rotation=_slant(columns))
    axes.set_yticks(down, [names[place] for place in down])
    if max(len(figure.columns), len(names)) <= _WRITTEN:
        for row, line in enumerate(values):
            for column, value in enumerate(line):
                colour = "white" if value > 0.6 else "black"
                axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour, fontsize=7)
    sheet.colorbar(image, ax=axes, format=PercentFormatter(1, symbol=" %"), pad=0.02)
    of_rows, *of_columns = figure.corner.split(", ")
    axes.set_ylabel(of_rows + _one_in(every[0]))
    axes.set_xlabel((of_columns or [of_rows])[-1].capitalize() + _one_in(every[1]))
    _title(sheet, figure.title)
    return sheet


def _one_in(every: int) -> str:
    return f" (one in {every})" if every > 1 else ""


def _title(sheet: Sheet, text: str) -> None:
    sheet.suptitle(fill(text, int(13 * sheet.get_figwidth())))


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


def _beyond(names: Sequence[str]) -> int:
    """How many letters the longest name has beyond those that there is room for anyway."""
    return max(0, max(map(len, names), default=0) - 16)


def _slant(names: Sequence[str]) -> float:
    return 0.0 if max(map(len, names), default=0) <= 4 else 45.0
