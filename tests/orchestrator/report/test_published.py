import csv
from pathlib import Path

import polars as pl
import pytest

from orchestrator.report import published
from orchestrator.report.frames import DERIVED, IDENTITY, MODULARIZATION, SUBTASK, TRAINING, Frames
from orchestrator.report.published import MISSING, published_tables
from orchestrator.report.tables import Table

DATA = Path(published.__file__).with_name("published.csv")
SETTINGS = "lambda_coh=0.5 lambda_coup=1.5"


def frames(backbone: str = "vgg16", width: float = 1.0, sizes: tuple[int, ...] = (2,)) -> Frames:
    """One pair's results on CIFAR-10 as a study would have them."""
    pair = {"backbone": backbone, "dataset": "cifar10", "width": width, "variant": "", "seed": 0}
    mwt, standard = {**pair, "method": "mwt", "settings": SETTINGS}, {**pair, "method": "standard", "settings": ""}
    ran = {"epochs": 200, "seconds": 4000.0, "parent_seconds": 0.0}
    trainings = [{**mwt, "key": "a", "accuracy": 0.9, **ran}, {**standard, "key": "b", "accuracy": 0.925, **ran}]
    modules = [{**mwt, "key": "c", "threshold": 0.9, "accuracy": 0.9, "krr": 0.2, "cohesion": 0.95, "coupling": 0.25}]
    subtasks = [
        {**mwt, "key": f"{size}{draw}", "threshold": 0.9, "classes": list(range(size)), "accuracy": 0.99, "krr": krr}
        | {"standard_accuracy": 0.995, "flops": 70e6, "flops_reduction": 0.75}
        for size in sizes
        for draw, krr in enumerate((0.3, 0.4))
    ]

    def frame(rows: list[dict], schema: dict) -> pl.DataFrame:
        return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=schema)

    return Frames(
        "paper",
        frame(trainings, TRAINING),
        frame(modules, MODULARIZATION),
        frame(subtasks, SUBTASK),
        frame([], DERIVED),
        frame([], {**IDENTITY}),
    )


def rows_of(tables: list[Table], title: str) -> list[dict[str, str]]:
    (table,) = [table for table in tables if f"{title}:" in table.title]
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_ours_stand_beside_the_published_numbers() -> None:
    rows = rows_of(published_tables(frames()), "Table 2")
    assert rows[:2] == [
        {"Method": "standard", "Quantity": "Accuracy %", "Threshold": "", "Ours": "92.50", "Published": "92.29"}
        | {"Difference": "+0.21"},
        {
            "Method": f"mwt {SETTINGS}",
            "Quantity": "Accuracy %",
            "Threshold": "0.9",
            "Ours": "90.00",
            "Published": "90.86",
        }
        | {"Difference": "-0.86"},
    ]
    assert {row["Quantity"]: row["Difference"] for row in rows[2:]} == {
        "KRR %": "+2.72",
        "Cohesion": "-0.0258",
        "Coupling": "+0.0749",
    }


def test_what_was_not_measured_is_missing_and_has_no_difference() -> None:
    rows = rows_of(published_tables(frames(sizes=(2, 10))), "Table 5")
    assert [row["Classes"] for row in rows] == [str(size) for size in range(2, 11)]
    assert rows[0]["Ours"] == "35.00 ±7.07" and rows[0]["Published"] == "30.34" and rows[0]["Difference"] == "+4.66"
    assert [(row["Ours"], row["Difference"]) for row in rows[1:-1]] == [(MISSING, "")] * 7
    rows = rows_of(published_tables(frames()), "Table 7")
    assert {row["Method"] for row in rows if row["Classes"] == "2"} == {"standard", f"mwt {SETTINGS}"}
    assert {row["Ours"] for row in rows if row["Classes"] == "2"} == {"99.50 ±0.00", "99.00 ±0.00"}


@pytest.mark.parametrize("gone", ["row", "value"])
def test_a_number_that_the_paper_lacks_is_missing(gone: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = "mwt,2,mwt,vgg16,cifar10,,0.9,krr,17.28,%"
    text = DATA.read_text()
    assert line in text
    (tmp_path / "published.csv").write_text(text.replace(line + "\n" if gone == "row" else "17.28", ""))
    monkeypatch.setattr(published, "files", lambda package: tmp_path)
    published.published.cache_clear()
    try:
        rows = rows_of(published_tables(frames()), "Table 2")
    finally:
        published.published.cache_clear()
    (row,) = [row for row in rows if row["Quantity"] == "KRR %"]
    assert (row["Ours"], row["Published"], row["Difference"]) == ("20.00", MISSING, "")


def test_only_what_a_paper_is_about_is_compared() -> None:
    assert published_tables(frames(width=0.125)) == []
    assert published_tables(frames(backbone="resnet50")) == []
    assert [table.title.split(":")[0] for table in published_tables(frames(backbone="simcnn"))] == [
        "Against the MwT paper, Table 3",
        "Against the MwT paper, Table 4",
        "Against the MwT paper, Table 8",
    ]


def test_the_notes_say_with_what_the_numbers_were_published() -> None:
    (note,) = {table.note for table in published_tables(frames()) if "Table 2" in table.title}
    assert note.startswith("Published with lambda_coh=0.5 lambda_coup=1.5 after 200 epochs, ours after 200. MwT paper")
    assert note.endswith("Table 2.")


def test_the_data_hold_every_table_of_the_paper() -> None:
    rows = list(csv.DictReader(DATA.read_text().splitlines()))
    assert {row["table"] for row in rows if row["paper"] == "mwt"} == {*map(str, range(1, 9)), "RQ4"}
    assert {row["table"] for row in rows if row["paper"] == "moda"} == {"Accuracy", "Modules"}
    places = [tuple(row[name] for name in row if name not in ("value", "unit")) for row in rows]
    assert len(set(places)) == len(places)
    assert all(float(row["value"]) > 0 for row in rows)
    by_classes = {name: [row for row in rows if row["table"] == name] for name in ("5", "6", "7", "8")}
    assert {name: len(found) for name, found in by_classes.items()} == {"5": 36, "6": 72, "7": 72, "8": 72}
