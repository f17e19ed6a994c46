"""The papers' tables with ours beside the published numbers; `published.csv` has the latter, each with its table."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

import polars as pl

from orchestrator.report.frames import Frames
from orchestrator.report.number import Number
from orchestrator.report.tables import METHOD, PAIR, Table, means_of, method_name, pair_name, parts_of, with_spread

MISSING = "missing"
"""Shown for a number that was not published, or not measured here."""

PAPERS = {
    "mwt": ("MwT", "Qi et al., Modularizing while Training, ICSE 2024"),
    "moda": ("MODA", "Ngo et al., DNN Modularization via Activation-Driven Training, ICSE 2026, arXiv 2411.01074 v4"),
}

NOTES = {
    "3": "CNNSplitter's published couplings are very likely distances, 1 minus a similarity. ",
    "4": "Published times are of one A100 GPU. ",
    "6": "Published FLOPs count BatchNorm as in training, ours as in inference. ",
    "Modules": "Published are means over sub-tasks of every size, ours over those that this study has. ",
}
CONTRADICTING = "The published rows of this pair in Tables 3 and 8 contradict each other. "


@dataclass(frozen=True)
class Shown:
    """How a published metric is shown, and which of our numbers it is compared with.

    Attributes:
        frame: The frame of our number: trainings, modularizations or subtasks.
        scale: Factor from our unit to the published one.
    """

    name: str
    frame: str
    column: str
    scale: float
    digits: int


WHOLE = {
    "accuracy": Shown("Accuracy %", "trainings", "accuracy", 100, 2),
    "krr": Shown("KRR %", "modularizations", "krr", 100, 2),
    "cohesion": Shown("Cohesion", "modularizations", "cohesion", 1, 4),
    "coupling": Shown("Coupling", "modularizations", "coupling", 1, 4),
    "epochs": Shown("Epochs", "trainings", "epochs", 1, 0),
    "epoch_time": Shown("Seconds per epoch", "trainings", "epoch_seconds", 1, 1),
    "modularize_time": Shown("Modularizing s", "trainings", "modularizing_seconds", 1, 1),
    "module_accuracy": Shown("Module accuracy %", "subtasks", "accuracy", 100, 2),
    "module_size": Shown("Module's weights %", "subtasks", "weight_retention", 100, 1),
    "total_time": Shown("Total min", "trainings", "total_minutes", 1, 1),
}
SUBTASK = {
    "accuracy": Shown("Accuracy %", "subtasks", "accuracy", 100, 2),
    "krr": Shown("KRR %", "subtasks", "krr", 100, 2),
    "flops": Shown("FLOPs M", "subtasks", "flops", 1e-6, 2),
    "flops_reduction": Shown("FLOPs reduction %", "subtasks", "flops_reduction", 100, 2),
}

Cell = tuple[str, str, str, str]
"""Approach, metric, number of classes and threshold of a number in a table; the last two may be empty."""


@cache
def published() -> dict[tuple[str, str], dict[tuple[str, str], dict[Cell, float | None]]]:
    """Paper and table -> backbone and data set -> place -> number; None where there is none."""
    tables: dict[tuple[str, str], dict[tuple[str, str], dict[Cell, float | None]]] = {}
    text = (files("orchestrator.report") / "published.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        place = row["approach"], row["metric"], row["classes"], row["threshold"]
        pairs = tables.setdefault((row["paper"], row["table"]), {})
        pairs.setdefault((row["backbone"], row["dataset"]), {})[place] = float(row["value"]) if row["value"] else None
    return tables


def published_tables(frames: Frames) -> list[Table]:
    """Every table of the papers that the study has a number of, one for each pair of full width."""
    timed = frames.trainings.with_columns(
        (pl.col("seconds") / pl.col("epochs")).alias("epoch_seconds"),
        ((pl.col("seconds") + pl.col("parent_seconds") + pl.col("modularizing_seconds").fill_null(0)) / 60).alias(
            "total_minutes"
        ),
    )
    tables = []
    for trainings in parts_of(timed.filter(pl.col("width") == 1), PAIR):
        same_pair = pl.all_horizontal(pl.col(name).eq_missing(trainings[name][0]) for name in PAIR)
        ours = {
            "trainings": trainings,
            "modularizations": frames.modularizations.filter(same_pair),
            "subtasks": frames.subtasks.filter(same_pair, pl.col("control").is_null()).with_columns(
                pl.col("classes").list.len().alias("size")
            ),
        }
        for (paper, table), pairs in published().items():
            shown = None if table == "1" else _table(paper, table, pairs, ours)
            tables += [] if shown is None else [shown]
    return tables


def _table(
    paper: str,
    number: str,
    pairs: Mapping[tuple[str, str], Mapping[Cell, float | None]],
    ours: Mapping[str, pl.DataFrame],
) -> Table | None:
    """One table of a paper for one pair; None where it is not about the pair, or the study has nothing of it."""
    trainings = ours["trainings"]
    pair = trainings["backbone"][0], trainings["dataset"][0]
    if pair not in pairs:
        return None
    # Every cell that the table has for any pair gets a row for this one, so that missing numbers are visible.
    places = list(dict.fromkeys(place for cells in pairs.values() for place in cells))
    rows, measured = [], False
    for place in places:
        value = pairs[pair].get(place)
        for method, row, shown in _ours(place, ours):
            spread = "" if row is None else with_spread(row, shown.column, shown.scale, shown.digits)
            measured |= bool(spread)
            gap = _gap(row, shown, value) if number != "4" else ""
            theirs = MISSING if value is None else Number(value, shown.digits)
            where = (Number.significant(float(each)) if each else "" for each in place[2:])
            rows.append((method, shown.name, *where, spread or MISSING, theirs, gap))
    if not measured:
        return None
    columns = ("Method", "Quantity", "Classes", "Threshold", "Ours", "Published", "Difference")
    kept = [place for place in range(len(columns)) if place not in (2, 3) or any(row[place] for row in rows)]
    title = f"Table {number}" if number.isdigit() else number
    caveats = NOTES.get(number, "") + _caveat(number, pair)
    short, source = PAPERS[paper]
    note = f"{caveats}{_weights(paper, pair)}{_epochs(trainings)}{short} paper ({source}), {title}."
    return Table(
        f"Against the {short} paper, {title}: {pair_name(trainings)}",
        tuple(columns[place] for place in kept),
        [tuple(row[place] for place in kept) for row in rows],
        note,
        words=2,
    )


def _ours(place: Cell, ours: Mapping[str, pl.DataFrame]) -> Iterator[tuple[str, Mapping[str, Any] | None, Shown]]:
    """Our numbers of a place, by settings: what names them, their mean or None, and how it is shown."""
    approach, metric, classes, threshold = place
    shown = (SUBTASK if classes else WHOLE)[metric]
    if classes and approach == "standard":  # the whole standard network on the sub-tasks' classes
        shown = Shown(shown.name, "subtasks", "standard_accuracy", shown.scale, shown.digits)
        condition = pl.col("size") == int(classes)
        rows = means_of(ours["subtasks"].filter(condition), ["size"], [shown.column])
        yield approach, rows[0] if rows else None, shown
        return
    condition = pl.col("method") == approach
    if classes:
        condition &= pl.col("size") == int(classes)
    if threshold and shown.frame != "trainings":
        condition &= pl.col("threshold") == float(threshold)
    rows = means_of(ours[shown.frame].filter(condition), METHOD, [shown.column])
    for row in rows:
        yield method_name(row), row, shown
    if not rows:
        yield approach, None, shown


def _gap(row: Mapping[str, Any] | None, shown: Shown, value: float | None) -> str:
    if row is None or row[shown.column] is None or value is None:
        return ""
    return Number(shown.scale * row[shown.column] - value, shown.digits, signed=True)


def _caveat(number: str, pair: tuple[str, str]) -> str:
    return CONTRADICTING if number in ("3", "8") and pair in (("simcnn", "svhn"), ("rescnn", "svhn")) else ""


def _weights(paper: str, pair: tuple[str, str]) -> str:
    cells = published().get((paper, "1"), {}).get(pair, {})
    words = [f"{metric}={value:g}" for (_, metric, _, _), value in cells.items() if value is not None]
    return f"Published with {' '.join(words)} after 200 epochs" if words else "Published after 200 epochs"


def _epochs(trainings: pl.DataFrame) -> str:
    counts = trainings.filter(pl.col("method").is_in(["standard", "mwt", "moda"]))["epochs"].unique().sort().to_list()
    return f", ours after {' or '.join(map(str, counts))}. " if counts else ". "
