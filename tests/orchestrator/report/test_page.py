import re
from pathlib import Path
from xml.etree import ElementTree

import polars as pl
import pytest

from nemo import metrics
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.figures.figure import Key, Panel, Point, Series
from orchestrator.report.figures.figures import curve_figure
from orchestrator.report.figures.maps import masks_of
from orchestrator.report.figures.plotting import PALETTE
from orchestrator.report.figures.svg import draw
from orchestrator.report.page import as_html, read_page
from orchestrator.report.study_report import StudyReport, gather, report_of
from orchestrator.study.study import Study
from tests.orchestrator.invented import STUDY, invented_study, plan_of, report_tables
from tests.orchestrator.pages import Page

THREE_SEEDS = STUDY + "seeds: [0, 1, 2]\n"


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudyReport, Page]:
    _, ledger = invented_study(tmp_path_factory.mktemp("shown"), THREE_SEEDS)
    report = gather(ledger.folder)
    return report, Page(as_html(report))


def test_every_table_of_the_report_is_on_the_page_cell_by_cell(shown: tuple[StudyReport, Page]) -> None:
    report, page = shown
    tables = [table for tables in report.tables.values() for table in tables]
    assert len(tables) >= len(report_tables(report.frames)) == 4
    for table in tables:
        assert page.tables[table.title] == [list(table.columns), *(list(row) for row in table.rows)]
        assert table.note in page.text


def test_the_front_is_what_no_other_point_beats(shown: tuple[StudyReport, Page]) -> None:
    report, page = shown
    modules = report.frames.modularizations.filter(pl.col("threshold") == 0.9)
    means = modules.group_by("method", "settings").agg(pl.col("validation_accuracy", "accuracy", "krr").mean())
    points = {
        f"{row['method']} {row['settings']}": (row["validation_accuracy"], row["krr"])
        for row in means.iter_rows(named=True)
    }
    front = {
        name
        for name, (accuracy, krr) in points.items()
        if not any(a >= accuracy and k <= krr and (a, k) != (accuracy, krr) for a, k in points.values())
    }
    head, *rows = next(rows for title, rows in page.tables.items() if title.startswith("Numbers of the front"))
    assert head == ["Method", "Validation accuracy %", "Test accuracy %", "KRR %", "On the front"]
    assert {row[0] for row in rows if row[4] == "yes"} == front
    for row in rows:
        accuracy, krr = points[row[0]]
        assert row[1].startswith(f"{100 * accuracy:.2f} ±") and row[3].startswith(f"{100 * krr:.2f} ±")
        (text,) = [text for text in page.titles if text.startswith(f"{row[0]}\n") and "3 seeds" in text]
        assert f"KRR {row[3]} %" in text and f"validation accuracy {row[1]} %" in text
        assert text.endswith("on the front") == (row[0] in front)


def test_marks_say_the_numbers_of_the_tables(shown: tuple[StudyReport, Page]) -> None:
    _, page = shown
    tables = {title.split(":")[0]: rows for title, rows in page.tables.items()}
    head, *rows = tables["Sub-tasks at threshold 0.9"]
    assert len(rows) >= 4
    for row in rows:
        for column in ("KRR %", "FLOPs M"):
            (text,) = [text for text in page.titles if text.startswith(f"{row[0]}\n{row[1]} classes: {column} ")]
            assert text.split(f"{column} ")[1].split(" ±")[0] == row[head.index(column)].split(" ±")[0]
    head, *rows = tables["Modules at each threshold"]
    for row in rows:
        for column in ("KRR %", "Cohesion", "Coupling"):
            assert f"{row[0]}\nthreshold {row[1]}: {column} {row[head.index(column)]}" in page.titles


def test_curves_are_the_histories_of_the_ledger(shown: tuple[StudyReport, Page]) -> None:
    report, page = shown
    for training in report.frames.trainings["key"]:
        history = report.ledger.get(training)["result"]["history"]
        own = report.frames.epochs.filter(pl.col("training") == training)
        assert own["train_loss"].to_list() == [each["train/loss"] for each in history]
        assert own["test_accuracy"].to_list() == [each["test/accuracy"] for each in history]
        assert own["epoch"].to_list() == [1, 2, 3]
    loss, accuracy = curve_figure(report.frames.epochs).panels
    assert len(loss.series) == len(accuracy.series) == len(report.frames.trainings)
    assert [point.x for point in loss.series[0].points] == [1, 2, 3]
    _, *rows = next(rows for title, rows in page.tables.items() if title.startswith("The last epoch"))
    assert {row[3] for row in rows} == {"0.3333"}


def test_maps_are_what_the_modules_of_the_ledger_keep(shown: tuple[StudyReport, Page]) -> None:
    report, page = shown
    rows = report.frames.modularizations.filter((pl.col("threshold") == 0.9) & (pl.col("method") == "nemo"))
    row = rows.row(0, named=True)
    masks = masks_of(report.ledger, row["key"], 0.9)
    name = f"{row['method']} {row['settings']}, seed {row['seed']} at threshold 0.9"
    kept = next(rows for title, rows in page.tables.items() if title.startswith(f"Kept kernels: {name}"))
    assert kept[0] == ["Layer, class", *map(str, range(10))]
    assert [line[0] for line in kept[1:]] == ["1 (8 kernels)", "2 (16 kernels)"]
    for line, mask in zip(kept[1:], masks, strict=True):
        assert line[1:] == [f"{100 * share:.0f}" for share in mask.double().mean(dim=1).tolist()]
    alike = next(rows for title, rows in page.tables.items() if title.startswith(f"Coupling: {name}"))
    values = [[int(cell) for cell in line[1:]] for line in alike[1:]]
    assert all(values[place][place] == 100 for place in range(10))
    apart = [values[a][b] for a in range(10) for b in range(10) if a != b]
    assert sum(apart) / len(apart) == pytest.approx(100 * metrics.coupling(masks), abs=0.5)


def test_a_damaged_artifact_leaves_the_rest_of_the_page(storage: Path) -> None:
    _, ledger = invented_study(storage)
    for path in (ledger.folder / "artifacts").glob("*/relevance.safetensors"):
        path.write_bytes(b"\0" * path.stat().st_size)
    page = Page(read_page(ledger.folder))
    assert page.text.count("Not shown: ") >= 1
    assert not any(title.startswith("Kept kernels") for title in page.tables)
    assert any(title.startswith("Accuracy: ") for title in page.tables)


def hostile(study: Study, ledger: Ledger) -> Ledger:
    """Markup where a ledger may hold a text: in a failure, in the names of settings, a data set and a machine."""
    planned = plan_of(study, ledger)
    ledger.fail(planned.pending(ledger)[0], "</li></ul><script>alert('reason')</script>")
    for step in planned.steps:
        document = ledger.get(step.key) if step.kind == "train" else None
        if document is not None:
            document["params"]["settings"] = {"<img src=x onerror=alert(1)>": 1.0}
            document["params"]["dataset"] = {"name": '"><script>alert("data")</script>', "options": {}}
            document["environment"] = {"hardware": {"cpu": "</style><b>CPU</b>"}}
    return ledger


def test_nothing_that_a_study_says_becomes_markup(storage: Path) -> None:
    study, ledger = invented_study(storage, until=16)
    ledger.record_study("# </pre><script>alert('study')</script>\n" + study.text)
    hostile(study, ledger)
    html = as_html(report_of(ledger))
    page = Page(html)
    assert not [tag for tag, _ in page.tags if tag in ("script", "img", "iframe", "b", "object")]
    assert not [name for _, given in page.tags for name in given if name.startswith("on")]
    for text in (
        "alert('reason')",
        "alert('study')",
        "<img src=x onerror=alert(1)>",
        '<script>alert("data")',
        "<b>CPU</b>",
    ):
        assert text in page.text + "".join(page.titles)
    assert html.count("<style>") == html.count("</style>") == 1


def test_the_page_needs_nothing_but_itself(shown: tuple[StudyReport, Page]) -> None:
    report, page = shown
    html = as_html(report)
    links = [given.get("href") or given.get("src") for _, given in page.tags if given.keys() & {"href", "src"}]
    assert links and all(link.startswith("#") or link == "data:," for link in links)
    assert not re.search(r"url\(|@import|<script", html)
    anchors = {given["id"] for _, given in page.tags if given.get("id")}
    assert {link[1:] for link in links if link.startswith("#")} <= anchors
    assert str(report.ledger.folder.parent) not in html


def test_pictures_take_their_colours_from_the_page(shown: tuple[StudyReport, Page]) -> None:
    report, page = shown
    html = as_html(report)
    light = dict(re.findall(r"--(\w+): (#\w{6});", html.partition("prefers-color-scheme: dark")[0]))
    assert {name: light[name] for name in PALETTE if name != "card"} == {
        name: colour for name, colour in PALETTE.items() if name != "card"
    }
    pictures = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(pictures) > 9 and not any(re.search(r"#[0-9a-fA-F]{6}\b|style=|rgb", each) for each in pictures)
    drawn = [given[name] for _, given in page.tags for name in ("fill", "stroke") if given.get(name)]
    assert set(drawn) >= {"var(--c0)", "var(--soft)", "var(--hair)", "var(--card)"}
    assert all(colour == "none" or colour[6:-1] in PALETTE for colour in drawn)


def test_no_two_elements_share_an_id_and_the_page_is_the_same_every_time(shown: tuple[StudyReport, Page]) -> None:
    report, page = shown
    ids = [given["id"] for _, given in page.tags if "id" in given]
    assert len(ids) == len(set(ids)) > 20
    assert as_html(report) == as_html(report)


def test_a_mark_its_bars_and_its_ring_are_one_thing_to_a_pointer() -> None:
    points = [Point(1, 2, "one", spread=0.5, across=0.1, chosen=True), Point(2, 3, "two", spread=0.5), Point(3, 5, "3")]
    svg = draw(Panel("", "x", "y", [Series(points, Key(0), text="line")]), "p1-")
    shapes = {
        group[0].text: [each.tag for each in group[1:]] for group in ElementTree.fromstring(svg) if group.tag == "g"
    }
    caps = {"one": 4, "two": 2, "3": 0}
    assert shapes.pop("line") == ["path"]
    assert {text: found.count("path") for text, found in shapes.items()} == {"one": 2, "two": 1, "3": 0}
    assert {text: found.count("use") - caps[text] for text, found in shapes.items()} == {"one": 2, "two": 1, "3": 1}


def test_failures_are_told_with_their_reasons(storage: Path) -> None:
    study, ledger = invented_study(storage, until=10)
    failing = plan_of(study, ledger).pending(ledger)[0]
    ledger.fail(failing, "the loss is NaN <in epoch 3>")
    page = Page(read_page(ledger.folder))
    assert f"{failing.label}: the loss is NaN <in epoch 3>" in page.text
    assert [row[3] for row in page.tables["What ran and what it took"][1:]].count("1") == 1


def test_a_study_of_which_nothing_has_finished_has_a_page(storage: Path) -> None:
    _, ledger = invented_study(storage, until=0)
    page = Page(read_page(ledger.folder))
    assert "Nothing has finished yet." in page.text
    assert page.tables["What ran and what it took"][1][:3] == ["Trainings", "4", "0"]


@pytest.mark.heavy
def test_a_large_sweep_stays_a_small_page(large: tuple[Study, Ledger]) -> None:
    study, ledger = large
    steps = plan_of(study, ledger).counts()
    assert (steps["train"], steps["reuse"]) == (51, 500)
    html = read_page(ledger.folder)
    assert len(html.encode()) < 5_000_000
    _, *rows = next(rows for title, rows in Page(html).tables.items() if title.startswith("Numbers of the front"))
    assert len(rows) == 50
