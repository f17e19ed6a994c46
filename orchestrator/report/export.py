"""A report as files for other programs: rows and tables as CSV and parquet, figures as PNG and SVG."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import polars as pl

from nemo.errors import UserError
from orchestrator.report.accepted_tables import class_tables
from orchestrator.report.figures.figure import Figure
from orchestrator.report.figures.maps import HeatMap
from orchestrator.report.frames import Frames
from orchestrator.report.number import Number
from orchestrator.report.page import as_html
from orchestrator.report.published import MISSING
from orchestrator.report.rendering import as_json, as_markdown
from orchestrator.report.sections import Section, sections_of
from orchestrator.report.study_report import StudyReport
from orchestrator.report.summary import overview_of, ran_tables
from orchestrator.report.tables import Table
from orchestrator.report.telling import telling

_log = logging.getLogger(__name__)

_LONGEST = 100  # letters of a file's name


def export(report: StudyReport, folder: Path) -> list[Path]:
    """Writes everything that a report has into a folder, replacing files of the same names.

    `report.html`, `report.md` and `report.json`; `rows/` with each of the frames, and `tables/` with the tables and
    maps as the page shows them, both as CSV and parquet; `figures/` with the figures and maps, as PNG and SVG.

    Returns:
        The files.

    Raises:
        UserError: The folder cannot be written.
    """
    sections = sections_of(report)
    ran = ran_tables(report, overview_of(report))
    read = [] if report.accepted is None else [*report.read_tables, *class_tables(report.accepted)]
    tables = {table.title: table_frame(table) for table in (*read, *ran)} | tables_of(sections)
    try:
        return [
            *_write_texts(report, sections, folder),
            *_write_frames(_rows(report.frames), folder / "rows"),
            *_write_frames(tables, folder / "tables"),
            *write_figures(sections, folder / "figures"),
        ]
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}), choose another folder.") from error


def write_pictured(report: StudyReport, folder: Path) -> list[Path]:
    """Writes the page of a study, `report.html`, and its figures as pictures in `figures/`; returns the files."""
    sections = sections_of(report)
    page = folder / "report.html"
    with telling(_log, "the page"):
        page.write_text(as_html(report, sections), encoding="utf-8")
    return [*filter(Path.exists, [page]), *write_figures(sections, folder / "figures", formats=["png"])]


def write_figures(sections: list[Section], folder: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Writes the figures and maps of a report into a folder; returns the files."""
    from orchestrator.report.figures.plotting import write_figure  # matplotlib takes a moment

    figures = [item for section in sections for item in section.items if isinstance(item, Figure | HeatMap)]
    folder.mkdir(parents=True, exist_ok=True)
    names = file_names([item.title for item in figures])
    paths: list[Path] = []
    for item in figures:
        with telling(_log, f"the figure {item.title!r}"):
            paths += write_figure(item, folder / names[item.title], formats)
    return paths


def tables_of(sections: list[Section]) -> dict[str, pl.DataFrame]:
    """Title -> frame of every table and map, those of figures among them."""
    items = [item for section in sections for item in section.items]
    tables = [item.table if isinstance(item, Figure) else item for item in items]
    found = [each for each in tables if isinstance(each, Table)] + [each for each in items if isinstance(each, HeatMap)]
    frames = {}
    for each in found:
        with telling(_log, f"the table {each.title!r}"):
            frames[each.title] = table_frame(each) if isinstance(each, Table) else map_frame(each)
    return frames


def table_frame(table: Table) -> pl.DataFrame:
    """A table with its numbers as numbers, rounded as it shows them, and null where there is none.

    The spread of a column `X` has a column `X ±` of its own. A column that holds any text is text.
    """
    columns: list[pl.Series] = []
    for position, name in enumerate(table.columns):
        cells = [row[position] for row in table.rows]
        numbers = [cell if isinstance(cell, Number) else None for cell in cells]
        known = [number for number in numbers if number is not None]
        text = any(number is None and cell not in ("", MISSING) for number, cell in zip(numbers, cells, strict=True))
        if position < table.words or text or not known:
            columns.append(pl.Series(name, [str(cell) for cell in cells], pl.String))
            continue
        kind = pl.Int64 if all(number.whole for number in known) else pl.Float64
        columns.append(_series(name, [None if number is None else number.value for number in numbers], kind))
        if any(number.spread is not None for number in known):
            spreads = [None if number is None else number.spread for number in numbers]
            columns.append(_series(f"{name} ±", spreads, kind))
    return pl.DataFrame(columns)


def map_frame(heat_map: HeatMap) -> pl.DataFrame:
    """A map's shares of 1, a column for each of its own; the first is named by the corner, unlike all classes."""
    rows = [(name, *values) for name, values in heat_map.rows]
    corner = heat_map.corner
    while corner in heat_map.columns:
        corner += " "
    schema = {corner: pl.String, **dict.fromkeys(heat_map.columns, pl.Float64)}
    return pl.DataFrame(rows, schema=schema, orient="row")


def file_names(titles: list[str]) -> dict[str, str]:
    """Title -> a name for its file, of lower-case letters, digits, dots and dashes; no two alike."""
    names: dict[str, str] = {}
    for title in titles:
        plain = re.sub(r"[^a-z0-9.]+", "-", title.lower()).strip("-.")[:_LONGEST].strip("-.") or "untitled"
        taken, name, number = set(names.values()), plain, 2
        while name in taken:
            name, number = f"{plain}-{number}", number + 1
        names[title] = name
    return names


def _series(name: str, values: list[float | None], kind: type[pl.Int64 | pl.Float64]) -> pl.Series:
    return pl.Series(name, values, pl.Float64).cast(kind)


def _rows(frames: Frames) -> dict[str, pl.DataFrame]:
    names = ("trainings", "modularizations", "subtasks", "derived", "epochs")
    return {name: getattr(frames, name) for name in names}


def _write_texts(report: StudyReport, sections: list[Section], folder: Path) -> list[Path]:
    tables = [table for topic in report.tables.values() for table in topic]
    texts: dict[str, Callable[[], str]] = {
        "report.html": lambda: as_html(report, sections),
        "report.md": lambda: as_markdown(report.frames.study, [*report.read_tables, *tables], report.notes),
        "report.json": lambda: as_json(report.frames, report.accepted) + "\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, text in texts.items():
        with telling(_log, name):
            (folder / name).write_text(text(), encoding="utf-8")
            paths.append(folder / name)
    return paths


def _write_frames(frames: Mapping[str, pl.DataFrame], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for title, name in file_names(list(frames)).items():
        frame = frames[title]
        text, binary = folder / f"{name}.csv", folder / f"{name}.parquet"
        lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]  # CSV has none
        with telling(_log, f"the table {title!r}"):
            frame.with_columns(pl.col(lists).cast(pl.List(pl.String)).list.join(" ")).write_csv(text)
            frame.write_parquet(binary)
            paths += [text, binary]
    return paths
