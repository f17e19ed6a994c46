"""Names with any character, of classes and of data sets, through the figures, the page, the tables and the export."""

from __future__ import annotations

import csv
import io
import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from html import unescape
from pathlib import Path
from xml.etree.ElementTree import parse

import polars as pl
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from orchestrator.report import export as exporting
from orchestrator.report.export import export, map_frame, tables_of, write_figures, write_pictured
from orchestrator.report.figures import plotting, svg
from orchestrator.report.figures.maps import HeatMap
from orchestrator.report.page import as_html
from orchestrator.report.rendering import as_markdown, print_report
from orchestrator.report.sections import Section, sections_of
from orchestrator.report.study_report import StudyReport, gather
from orchestrator.report.tables import tables_by_topic
from orchestrator.system.text import one_line
from tests.orchestrator.invented import STUDY, invented_study
from tests.orchestrator.pages import Page

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore:Glyph"), pytest.mark.filterwarnings("error:constr")]

ODD = ["$", "$$", "$\\frac{$", "%20", "a\nb", "né 😀", "<b>&\"'|", "x" * 255, "Class", "\x1b[2J"]
"""As many as the invented study has classes."""

NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # an example takes seconds
NAMES = st.lists(st.text(st.characters(codec="utf-8"), max_size=60), min_size=10, max_size=10, unique_by=one_line)


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> StudyReport:
    _, ledger = invented_study(tmp_path_factory.mktemp("study"), STUDY)
    return gather(ledger.folder)


def named(report: StudyReport, classes: Sequence[str], dataset: str = "digits") -> StudyReport:
    """The same report of a data set of that name with classes of these names."""
    planned = report.planned
    assert planned is not None
    data = {key: replace(each, classes=tuple(classes)) for key, each in planned.described.data.items()}
    shown = {
        name: getattr(report.frames, name).with_columns(pl.lit(dataset).alias("dataset"))
        for name in ("trainings", "modularizations", "subtasks", "epochs")
    }
    frames = replace(report.frames, **shown)
    described = replace(planned.described, data=data)
    return replace(
        report,
        planned=replace(planned, described=described),
        frames=frames,
        tables={**report.tables, **tables_by_topic(frames)},
    )


def map_of(report: StudyReport) -> HeatMap:
    items = [item for section in sections_of(report) for item in section.items]
    return next(item for item in items if isinstance(item, HeatMap) and item.title.startswith("Coupling"))


def drawn(figure: HeatMap, folder: Path) -> set[str]:
    """The texts of the picture."""
    write_figures([Section("Maps", "Maps", [figure])], folder)
    (path,) = folder.glob("*.svg")
    return {"".join(text.itertext()) for text in parse(path).iter("{http://www.w3.org/2000/svg}text")}


@settings(max_examples=12, phases=NO_SHRINKING)
@given(NAMES)
def test_classes_of_any_names(report: StudyReport, names: list[str]) -> None:
    figure = map_of(named(report, names))
    assert figure.columns == [one_line(name) for name in names]
    with tempfile.TemporaryDirectory() as folder:
        texts = drawn(figure, Path(folder))
    assert {name for name in figure.columns if name.strip() and len(name) <= 32} <= texts
    frame = map_frame(figure)
    text = io.StringIO(frame.write_csv(), newline="")
    (_, *head), *rows = list(csv.reader(text))
    assert head == figure.columns and [row[0] for row in rows] == figure.columns
    binary = io.BytesIO()
    frame.write_parquet(binary)
    binary.seek(0)
    assert pl.read_parquet(binary).columns == frame.columns


@settings(max_examples=3, phases=NO_SHRINKING)
@given(NAMES, st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=250))
def test_a_whole_report_of_any_names(report: StudyReport, names: list[str], dataset: str) -> None:
    whole(named(report, names, dataset), dataset)


@pytest.mark.slow
@settings(max_examples=60, phases=NO_SHRINKING)
@given(NAMES, st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=250))
def test_many_whole_reports_of_any_names(report: StudyReport, names: list[str], dataset: str) -> None:
    whole(named(report, names, dataset), dataset)


def whole(odd: StudyReport, dataset: str) -> None:
    """Everything is written, and shows the names."""
    with tempfile.TemporaryDirectory() as folder:
        files = export(odd, Path(folder))
        assert all(path.is_file() and len(path.name) < 120 and path.name.isascii() for path in files)
        page = Page((Path(folder) / "report.html").read_text(encoding="utf-8"))
        titles = set(tables_of(sections_of(odd)))
        figures = {path.suffix for path in files if path.parent.name == "figures"}
        assert len([path for path in files if path.suffix == ".png"]) >= 6 and figures == {".png", ".svg"}
        rows = json.loads((Path(folder) / "report.json").read_text())["trainings"]
        assert {row["dataset"] for row in rows} == {dataset}
        (Path(folder) / "report.md").read_text(encoding="utf-8")
    assert {one_line(unescape(title)) for title in titles} <= {one_line(title) for title in page.tables} | titles
    tables = [table for topic in odd.tables.values() for table in topic]
    for title in (table.title for table in tables):
        assert one_line(title) in {one_line(each) for each in page.tables}
    as_markdown(odd.frames.study, tables)
    shown = io.StringIO()
    print_report(odd.frames.study, tables, shown)
    assert "\x1b" not in shown.getvalue()


def test_dollars_long_names_and_markup_are_shown_as_they_are(report: StudyReport, tmp_path: Path) -> None:
    odd = named(report, ODD)
    texts = drawn(map_of(odd), tmp_path)
    assert {"$", "$$", "$\\frac{$", "%20", "a\\nb", "né 😀", "<b>&\"'|", "x" * 31 + "…", "\\x1b[2J"} <= texts
    page = Page(as_html(odd))
    table = next(rows for title, rows in page.tables.items() if title.startswith("Coupling"))
    assert table[0] == ["Class", *(one_line(name) for name in ODD)]
    assert map_frame(map_of(odd)).columns == ["Class ", *table[0][1:]]  # one class is named as the corner is


def refusing(real: Callable[..., object], what: str) -> Callable[..., object]:
    """A function that raises where its first argument has a title that begins so."""

    def draw(each: object, *given: object) -> object:
        if getattr(each, "title", "").startswith(what):
            raise ValueError("Expected end of text, found '$'")
        return real(each, *given)

    return draw


def test_what_cannot_be_made_is_told_and_the_rest_is_written(
    report: StudyReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("no such thing")

    every = {path.relative_to(tmp_path / "all") for path in export(report, tmp_path / "all")}
    monkeypatch.setattr(plotting, "write_figure", refusing(plotting.write_figure, "Coupling"))
    monkeypatch.setattr(svg, "draw", refusing(svg.draw, "KRR"))
    monkeypatch.setattr(exporting, "as_markdown", refuse)
    monkeypatch.setattr(exporting, "table_frame", refusing(exporting.table_frame, "Time"))
    lost = every - {path.relative_to(tmp_path / "few") for path in export(report, tmp_path / "few")}
    assert not {path for path in lost if (tmp_path / "few" / path).exists()}
    assert {path.name.partition("-")[0] for path in lost} == {"coupling", "time", "report.md"}
    assert {path.parts[0] for path in lost if path.name.startswith("coupling")} == {"figures"}
    assert "the figure 'Coupling: " in caplog.text and "Expected end of text, found '$'" in caplog.text
    assert "report.md cannot be made (ValueError: no such thing); the rest is" in caplog.text
    page = (tmp_path / "few" / "report.html").read_text()
    assert "This picture cannot be drawn." in page and page.count("<svg") > 20


def test_what_mlflow_gets_of_a_report_is_the_rest_too(
    report: StudyReport, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(exporting, "as_html", refusing(exporting.as_html, ""))
    monkeypatch.setattr(plotting, "write_figure", refusing(plotting.write_figure, "Coupling"))
    files = write_pictured(report, tmp_path)
    assert files and all(path.suffix == ".png" and not path.name.startswith("coupling") for path in files)
    assert "the page cannot be made" in caplog.text


def test_a_section_that_cannot_be_made_says_so_and_the_others_are_shown(
    report: StudyReport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise KeyError("relevance")

    whole_page = as_html(report)
    monkeypatch.setattr("orchestrator.report.sections.heat_maps", refuse)
    page = as_html(report)
    assert "Not shown: KeyError: &#39;relevance&#39;" in page
    assert page.count("<h2>") == whole_page.count("<h2>")
