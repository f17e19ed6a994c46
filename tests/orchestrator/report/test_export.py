import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from PIL import Image
from polars.testing import assert_frame_equal

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.export import export, file_names, map_frame, table_frame, tables_of
from orchestrator.report.figures import maps
from orchestrator.report.figures.figure import COLOURS, Figure, Key
from orchestrator.report.figures.maps import HeatMap, Missing
from orchestrator.report.figures.plotting import draw_sheet, write_figure
from orchestrator.report.number import Number
from orchestrator.report.sections import sections_of
from orchestrator.report.study_report import StudyReport, gather
from orchestrator.report.tables import Table
from orchestrator.study.study import Study
from tests.orchestrator.invented import STUDY, invented_study
from tests.orchestrator.pages import Page

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> StudyReport:
    _, ledger = invented_study(tmp_path_factory.mktemp("study"), STUDY + "seeds: [0, 1, 2]\n")
    return gather(ledger.folder)


@pytest.fixture(scope="module")
def folder(report: StudyReport, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("export") / "made" / "here"
    files = export(report, folder)
    assert sorted(files) == sorted(path for path in folder.rglob("*") if path.is_file())
    return folder


def drawn(report: StudyReport) -> list[Figure | HeatMap]:
    items = [item for section in sections_of(report) for item in section.items]
    return [item for item in items if isinstance(item, Figure | HeatMap)]


def test_the_rows_are_those_of_the_frames(report: StudyReport, folder: Path) -> None:
    for name in ("trainings", "modularizations", "subtasks", "epochs"):
        frame = getattr(report.frames, name)
        assert len(frame) > 0
        assert_frame_equal(pl.read_parquet(folder / "rows" / f"{name}.parquet"), frame)
        text = pl.read_csv(folder / "rows" / f"{name}.csv", infer_schema=False)
        assert text.columns == frame.columns and len(text) == len(frame)
        for column, kind in frame.schema.items():
            if kind.is_float():
                assert text[column].cast(pl.Float64).to_list() == frame[column].to_list()
    classes = pl.read_csv(folder / "rows" / "subtasks.csv", infer_schema=False)["classes"]
    assert [list(map(int, each.split())) for each in classes] == report.frames.subtasks["classes"].to_list()


def test_the_tables_are_those_of_the_page_with_numbers_as_numbers(report: StudyReport, folder: Path) -> None:
    page = Page((folder / "report.html").read_text())
    accepted = ["Data: digits", "What steps ask for", "Classes: digits"]
    ran = ["What ran and what it took", "What it was made with"]
    names = file_names([*accepted, *ran, *tables_of(sections_of(report))])
    assert set(names) == set(page.tables)
    numbers = 0
    for title, name in names.items():
        frame = pl.read_parquet(folder / "tables" / f"{name}.parquet")
        assert pl.read_csv(folder / "tables" / f"{name}.csv").columns == frame.columns
        head, *rows = page.tables[title]
        assert [name for name in frame.columns if not name.endswith(" ±")] == head
        for place, column in enumerate(head):
            cells = [row[place] for row in rows]
            if frame[column].dtype == pl.String:
                assert frame[column].to_list() == cells
            elif title.startswith(("Kept", "Coupling")):
                assert [f"{100 * value:.0f}" for value in frame[column]] == cells
            else:
                numbers += 1
                means = [float(cell.split(" ±")[0]) if cell else None for cell in cells]
                assert frame[column].to_list() == means
                if f"{column} ±" in frame.columns:
                    spreads = [float(cell.split(" ±")[1]) if " ±" in cell else None for cell in cells]
                    assert frame[f"{column} ±"].to_list() == spreads
    assert numbers > 20


def test_numbers_and_what_is_none() -> None:
    table = Table(
        "any",
        ("Method", "Seeds", "Krr", "Mixed", "Gone", "Commit"),
        [
            (Number(1), Number(3), Number(44.187, 2, 4.352), Number(1), "", "12"),
            (Number(2), Number(4), "missing", "1 of 2", "", "345 ±6"),
            (Number(3), "", Number(-1.5, 2), "", "", ""),
        ],
        "",
    )
    frame = table_frame(table)
    assert frame.to_dict(as_series=False) == {
        "Method": ["1", "2", "3"],  # words come first, though they look like numbers
        "Seeds": [3, 4, None],
        "Krr": [44.19, None, -1.5],
        "Krr ±": [4.35, None, None],
        "Mixed": ["1", "1 of 2", ""],
        "Gone": ["", "", ""],
        "Commit": ["12", "345 ±6", ""],  # text that looks like numbers is none
    }


def test_every_figure_is_there_for_screens_and_for_print(report: StudyReport, folder: Path) -> None:
    figures = drawn(report)
    names = file_names([figure.title for figure in figures])
    assert {type(figure) for figure in figures} == {Figure, HeatMap} and len(figures) >= 6
    assert len(list((folder / "figures").iterdir())) == 2 * len(figures)
    for figure in figures:
        with Image.open(folder / "figures" / f"{names[figure.title]}.png") as picture:
            assert picture.width > 800 and len(picture.convert("RGB").getcolors(1 << 24) or []) > 10
            assert picture.text["Description"] == figure.note  # type: ignore[attr-defined]
        svg = ElementTree.parse(folder / "figures" / f"{names[figure.title]}.svg").getroot()
        said = " ".join("".join(text.itertext()) for text in svg.iter("{http://www.w3.org/2000/svg}text"))
        axes = [panel.y for panel in figure.panels if not panel.empty] if isinstance(figure, Figure) else figure.columns
        assert all(word in said for word in axes)


def test_the_same_figure_is_the_same_file(report: StudyReport, folder: Path, tmp_path: Path) -> None:
    figures = drawn(report)
    names = file_names([figure.title for figure in figures])
    for kind in (Figure, HeatMap):
        figure = next(each for each in figures if isinstance(each, kind))
        for path in write_figure(figure, tmp_path / names[figure.title]):
            assert path.read_bytes() == (folder / "figures" / path.name).read_bytes(), path.name


def marks(axes: Axes) -> list[tuple[list[float], list[float], str]]:
    """Where the marks of each series are, and their shape."""
    lines = [each.lines[0] for each in axes.containers]
    return [(list(line.get_xdata()), list(line.get_ydata()), str(line.get_marker())) for line in lines]


def test_marks_lines_and_bars_are_those_of_the_figure(report: StudyReport) -> None:
    bars = rings = references = 0
    for figure in drawn(report):
        if isinstance(figure, HeatMap):
            continue
        panels = [panel for panel in figure.panels if not panel.empty]
        sheet = draw_sheet(figure)
        assert [text.get_text() for text in sheet.legends[0].get_texts()] == list(figure.legend)
        assert len(sheet.axes) == len(panels)
        for axes, panel in zip(sheet.axes, panels, strict=True):
            assert (axes.get_xlabel(), axes.get_ylabel()) == (panel.x, panel.y)
            shown = [series for series in panel.series if series.marks and series.key.band is None]
            assert [(x, y) for x, y, _ in marks(axes)] == [
                ([point.x for point in series.points], [point.y for point in series.points]) for series in shown
            ]
            kinds = {series.key.style: kind for series, (*_, kind) in zip(shown, marks(axes), strict=True)}
            assert len(set(kinds.values())) == len(kinds)  # told apart without colours too
            for series, each in zip(shown, axes.containers, strict=True):
                wanted = [point.spread for point in series.points if point.spread]
                drawn_bars = [] if not each.has_yerr else _lengths(each.lines[2][-1])
                assert drawn_bars == pytest.approx(wanted)
                bars += len(wanted)
                rings += sum(point.chosen for point in series.points)
            dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
            wanted_dashes = [series for series in panel.series if series.key == Key(None) and len(series.points) > 1]
            assert [list(line.get_xdata()) for line in dashed] == [[p.x for p in each.points] for each in wanted_dashes]
            references += len(dashed)
            assert sum(line.get_markersize() == 10 for line in axes.lines) == sum(
                point.chosen for series in shown for point in series.points
            )
    assert bars > 20 and rings and references


def _lengths(collection: object) -> list[float]:
    """Half the lengths of vertical bars that are there."""
    segments = collection.get_segments()  # type: ignore[attr-defined]
    lengths = [abs(segment[1][1] - segment[0][1]) / 2 for segment in segments if len(segment)]
    return [length for length in lengths if not np.isnan(length)]


@pytest.mark.parametrize("limit", ["MOST", "CELLS"])
def test_maps_of_many_trainings_end_with_a_word(
    report: StudyReport, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(maps, limit, 1)
    (items,) = [section.items for section in sections_of(report) if section.name == "Maps"]
    kept, coupling, missing = items
    assert isinstance(kept, HeatMap) and isinstance(coupling, HeatMap) and isinstance(missing, Missing)
    assert missing.note.startswith("Not shown: 1 of 2 trainings that have maps")


def test_maps_are_drawn_with_their_numbers(report: StudyReport) -> None:
    maps = [figure for figure in drawn(report) if isinstance(figure, HeatMap)]
    assert maps
    for figure in maps:
        axes, _ = draw_sheet(figure).axes
        values = [list(row) for _, row in figure.rows]
        assert axes.images[0].get_array().tolist() == values  # type: ignore[union-attr]
        assert axes.images[0].get_clim() == (0, 1)
        assert [text.get_text() for text in axes.texts] == [f"{100 * value:.0f}" for row in values for value in row]
        assert [tick.get_text() for tick in axes.get_yticklabels()] == [name for name, _ in figure.rows]
        assert map_frame(figure).rows() == [(name, *row) for name, row in figure.rows]


def test_nothing_leaves_its_sheet_or_is_too_small_to_read(report: StudyReport, large: tuple[Study, Ledger]) -> None:
    for figure in (*drawn(report), *drawn(gather(large[1].folder))):
        sheet = draw_sheet(figure)
        sheet.draw_without_rendering()
        box, size = sheet.get_tightbbox(), sheet.get_size_inches()
        assert box.x0 > -0.02 and box.y0 > -0.02 and box.x1 < size[0] + 0.02 and box.y1 < size[1] + 0.02, figure.title
        texts = [text for text in sheet.findobj(lambda each: hasattr(each, "get_fontsize")) if text.get_text().strip()]  # type: ignore[attr-defined]
        assert texts and min(text.get_fontsize() for text in texts) >= 7  # type: ignore[attr-defined]
        if isinstance(figure, Figure) and len(figure.panels[0].series) > COLOURS + 1:
            assert not any(each.has_yerr for axes in sheet.axes for each in axes.containers)


def test_colours_are_those_of_the_page(report: StudyReport, folder: Path) -> None:
    styles = (folder / "report.html").read_text().split("@media")[0]
    for figure in drawn(report):
        for axes in draw_sheet(figure).axes if isinstance(figure, Figure) else ():
            for each in axes.containers:
                assert to_hex(each.lines[0].get_color()) in styles


def test_names_of_files_are_plain_and_never_alike() -> None:
    titles = ["A: b × c", "a b c", "../../etc", "…", "x" * 300, "x" * 299 + "y"]
    names = list(file_names(titles).values())
    assert names[:4] == ["a-b-c", "a-b-c-2", "etc", "untitled"]
    assert len(set(names)) == len(titles) and max(map(len, names)) < 120


def test_a_folder_that_cannot_be_made_is_said(report: StudyReport, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/folder: cannot be written \(Not a directory\), choose another folder\."):
        export(report, tmp_path / "file" / "folder")
