"""What was published of networks that were derived from trained ones, beside ours; `published_derived.csv` has it."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import polars as pl

from orchestrator.report.derived import with_size
from orchestrator.report.number import Number
from orchestrator.report.published import MISSING
from orchestrator.report.tables import PAIR, Table, means_of, pair_name, parts_of, with_spread

PAPERS = {
    "seam": ("SeaM", "Qi et al., Reusing Deep Neural Network Models through Model Re-engineering, ICSE 2023"),
    "gradsplitter": (
        "GradSplitter",
        "Qi et al., Reusing CNNs through Modularization and Composition, TOSEM 2024",
    ),
    "nuwa": ("NuWa", "Deriving Lightweight Class-Specific Vision Transformers for Edge Devices, CVPR 2026"),
    "vulcan": ("Vulcan", "ICLR 2026"),
}

NOTES = {
    "seam": "Theirs keep single weights, ours whole units. ",
    "gradsplitter": "Theirs compose the best modules out of ten networks, ours is one network. ",
    "nuwa": "",
    "vulcan": "Vulcan itself is not built. ",
}
BINARY = "Theirs tell one class from all others, ours two classes from each other. "
RESTRICTED = (
    "Their base answers over all of its classes, and so can be wrong where a derived network cannot: hold both against "
    "the untouched network restricted to the classes. "
)

OURS = {
    "seam": re.compile(r"masksearch(?! .*objective=)"),
    "gradsplitter": re.compile(r"masksearch .*objective=assembled"),
    "nuwa": re.compile(r"nuwa\b"),
}
"""Their approach -> the derivations of ours that stand beside it."""

COLUMNS = {
    "all_logits": ("Accuracy % over all classes", None),
    "restricted": ("Accuracy %, restricted to the classes", "base_accuracy"),
    "before": ("Accuracy %, before tuning", "accuracy_before_finetuning"),
    "accuracy": ("Accuracy %", "accuracy"),
    "parameters": ("Weights kept %", "kept_parameters"),
}
"""Metric -> how it is shown, and the column of our frame that it is compared with."""


class Cell(NamedTuple):
    """One published number; `classes` and `share` (of the FLOPs kept) are empty where they are not fixed."""

    approach: str
    classes: str
    share: str
    metric: str
    value: float


@cache
def published_networks() -> dict[tuple[str, str], dict[tuple[str, str], list[Cell]]]:
    """Paper and table -> backbone and data set -> its numbers."""
    tables: dict[tuple[str, str], dict[tuple[str, str], list[Cell]]] = {}
    text = (files("orchestrator.report") / "published_derived.csv").read_text(encoding="utf-8")
    for row in csv.DictReader(text.splitlines()):
        pairs = tables.setdefault((row["paper"], row["table"]), {})
        cell = Cell(row["approach"], row["classes"], row["share"], row["metric"], float(row["value"]))
        pairs.setdefault((row["backbone"], row["dataset"]), []).append(cell)
    return tables


def published_derived_tables(derived: pl.DataFrame) -> list[Table]:
    """Every published table of networks and numbers of classes that the study has derived networks of."""
    tables = []
    for part in parts_of(with_size(derived.filter(pl.col("width") == 1)), PAIR):
        pair = plain_backbone(part["backbone"][0]), plain_dataset(part["dataset"][0])
        sizes = {str(size) for size in part["size"].unique()}
        for (paper, table), pairs in published_networks().items():
            cells = [cell for cell in pairs.get(pair, []) if cell.classes in sizes | {""}]
            if cells:
                tables.append(_table(paper, table, cells, part))
    return tables


def plain_backbone(name: str) -> str:
    """A network's name without the library that it comes from and the tag of its weights: `timm:NAME.TAG` is NAME."""
    return name.rpartition(":")[2].rpartition("/")[2].partition(".")[0].replace("-", "_").lower()


def plain_dataset(name: str) -> str:
    """A data set's name without where it lies: `folder:data/ImageNet-1k` is `imagenet`."""
    plain = name.rpartition(":")[2].rstrip("/").rpartition("/")[2].lower()
    return "imagenet" if re.fullmatch(r"imagenet([-_]?1k)?", plain) else plain


def _table(paper: str, name: str, cells: list[Cell], ours: pl.DataFrame) -> Table:
    """One table of a paper for one pair, the restricted base of ours first."""
    rows = []
    for size in dict.fromkeys(cell.classes for cell in cells):
        bases = _sized(ours, size).unique(["training", "classes"])
        base = means_of(bases, ["width"], ["base_accuracy"])
        rows.append(_row("untouched", "restricted", size, "", base[0], None))
        for cell in (each for each in cells if each.classes == size):
            rows += _beside(cell, ours)
    short, source = PAPERS[paper]
    binary = BINARY if paper == "seam" and "2" in {cell.classes for cell in cells} else ""
    weights = any(cell.metric == "parameters" for cell in cells)
    of = "The budget is the share of the untouched network's FLOPs that is kept. " if not weights else ""
    return Table(
        f"Against the {short} paper, {name}: {pair_name(ours)}",
        ("Method", "Quantity", "Classes", "Budget", "Ours", "Published", "Difference"),
        rows,
        f"{RESTRICTED}{NOTES[paper]}{binary}{of}{short} ({source}), {name}.",
        words=2,
    )


def _beside(cell: Cell, ours: pl.DataFrame) -> Iterator[tuple[Any, ...]]:
    """The rows of a published number: one for each of our methods and budgets that it can be held against."""
    column = COLUMNS[cell.metric][1]
    own = _sized(ours, cell.classes)
    pattern = OURS.get(cell.approach)
    found = pl.Series([bool(pattern and pattern.match(each)) for each in own["derivation"]], dtype=pl.Boolean)
    own = own.filter(found)
    if cell.share:
        own = own.filter(pl.col("measure") == "flops", (pl.col("share") - float(cell.share)).abs() < 1e-9)
    by = ["derivation", "measure", "share"]
    rows = [] if column is None else [row for row in means_of(own, by, [column]) if row[column] is not None]
    for row in rows:
        yield _row(row["derivation"], cell.metric, cell.classes, f"{row['measure']} {row['share']:g}", row, cell)
    if not rows:
        yield _row(cell.approach, cell.metric, cell.classes, f"flops {cell.share}" if cell.share else "", None, cell)


def _row(
    method: str, metric: str, classes: str, budget: str, ours: Mapping[str, Any] | None, cell: Cell | None
) -> tuple[Any, ...]:
    text, column = COLUMNS[metric]
    spread = "" if ours is None or column is None else with_spread(ours, column, 100.0, 2)
    theirs = MISSING if cell is None else Number(cell.value, 2)
    gap = ""
    if cell is not None and cell.share and ours is not None and column is not None:  # of one budget, so alike
        gap = Number(100 * ours[column] - cell.value, 2, signed=True)
    return (method, text, Number.significant(float(classes)) if classes else "", budget, spread or MISSING, theirs, gap)


def _sized(networks: pl.DataFrame, classes: str) -> pl.DataFrame:
    return networks.filter(pl.col("size") == int(classes)) if classes else networks
