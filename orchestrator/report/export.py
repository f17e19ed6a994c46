"""A report as files for other programs: rows and tables as CSV and parquet, figures as PNG and SVG."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from nemo.errors import UserError
from orchestrator.report.figures.figure import Figure
from orchestrator.report.figures.maps import HeatMap
from orchestrator.report.frames import Frames
from orchestrator.report.page import as_html
from orchestrator.report.published import MISSING
from orchestrator.report.rendering import as_json, as_markdown
from orchestrator.report.sections import Section, sections_of
from orchestrator.report.study_report import StudyReport, gather
from orchestrator.report.summary import overview_of, ran_tables
from orchestrator.report.tables import Table
from orchestrator.storage import Where

_NUMBER = re.compile(r"([+-]?\d+(?:\.\d+)?)(?: ±(\d+(?:\.\d+)?))?")
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
    tables = {table.title: table_frame(table) for table in ran} | tables_of(sections)
    try:
        return [
            *_write_texts(report, sections, folder),
            *_write_frames(_rows(report.frames), folder / "rows"),
            *_write_frames(tables, folder / "tables"),
            *write_figures(sections, folder / "figures"),
        ]
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}), choose another folder.") from error


def write_pictured(where: Where, folder: Path) -> list[Path]:
    """Writes the page of a study, `report.html`, and its figures as pictures in `figures/`; returns the files."""
    report = gather(where)
    sections = sections_of(report)
    page = folder / "report.html"
    page.write_text(as_html(report, sections), encoding="utf-8")
    return [page, *write_figures(sections, folder / "figures", formats=["png"])]


def write_figures(sections: list[Section], folder: Path, formats: Sequence[str] = ("png", "svg")) -> list[Path]:
    """Writes the figures and maps of a report into a folder; returns the files."""
    from orchestrator.report.figures.plotting import write_figure  # matplotlib takes a moment

    figures = [item for section in sections for item in section.items if isinstance(item, Figure | HeatMap)]
    folder.mkdir(parents=True, exist_ok=True)
    names = file_names([item.title for item in figures])
    return [path for item in figures for path in write_figure(item, folder / names[item.title], formats)]


def tables_of(sections: list[Section]) -> dict[str, pl.DataFrame]:
    """Title -> frame of every table and map, those of figures among them."""
    items = [item for section in sections for item in section.items]
    tables = [item.table if isinstance(item, Figure) else item for item in items]
    frames = {table.title: table_frame(table) for table in tables if isinstance(table, Table)}
    return frames | {each.title: map_frame(each) for each in items if isinstance(each, HeatMap)}


def table_frame(table: Table) -> pl.DataFrame:
    """A table with its numbers as numbers, in its own units, and null where there is none.

    The spread of a column `X` has a column `X ±` of its own. A column that holds anything else is text.
    """
    columns: list[pl.Series] = []
    for position, name in enumerate(table.columns):
        cells = [row[position] for row in table.rows]
        matches = [_NUMBER.fullmatch(cell) for cell in cells]
        number = all(match or cell in ("", MISSING) for match, cell in zip(matches, cells, strict=True))
        if position < table.words or not number or not any(matches):
            columns.append(pl.Series(name, cells, pl.String))
            continue
        parts = [match.groups() if match else (None, None) for match in matches]
        columns.append(_numbers(name, [mean for mean, _ in parts]))
        if any(spread for _, spread in parts):
            columns.append(_numbers(f"{name} ±", [spread for _, spread in parts]))
    return pl.DataFrame(columns)


def map_frame(heat_map: HeatMap) -> pl.DataFrame:
    """A map's shares of 1, a column for each of its own."""
    rows = [(name, *values) for name, values in heat_map.rows]
    schema = {heat_map.corner: pl.String, **dict.fromkeys(heat_map.columns, pl.Float64)}
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


def _numbers(name: str, texts: list[str | None]) -> pl.Series:
    whole = not any("." in text for text in texts if text)
    return pl.Series(name, texts, pl.String).cast(pl.Int64 if whole else pl.Float64)


def _rows(frames: Frames) -> dict[str, pl.DataFrame]:
    names = ("trainings", "modularizations", "subtasks", "epochs")
    return {name: getattr(frames, name) for name in names}


def _write_texts(report: StudyReport, sections: list[Section], folder: Path) -> list[Path]:
    tables = [table for topic in report.tables.values() for table in topic]
    texts = {
        "report.html": as_html(report, sections),
        "report.md": as_markdown(report.frames.study, tables),
        "report.json": as_json(report.frames) + "\n",
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def _write_frames(frames: Mapping[str, pl.DataFrame], folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for title, name in file_names(list(frames)).items():
        frame = frames[title]
        text, binary = folder / f"{name}.csv", folder / f"{name}.parquet"
        lists = [name for name, kind in frame.schema.items() if isinstance(kind, pl.List)]  # CSV has none
        frame.with_columns(pl.col(lists).cast(pl.List(pl.String)).list.join(" ")).write_csv(text)
        frame.write_parquet(binary)
        paths += [text, binary]
    return paths
