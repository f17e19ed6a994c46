"""The tables of a report: accuracy, modules at each threshold, and sub-tasks by number of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from orchestrator.report.frames import Frames

NETWORK = ["backbone", "dataset", "width", "method", "settings"]


@dataclass(frozen=True)
class Table:
    """Text in rows and columns, ready for any format.

    Attributes:
        note: What a reader must know to read the numbers; may be empty.
        left: How many columns hold words; the others hold numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str
    left: int


def report_tables(frames: Frames) -> list[Table]:
    """Every table that the study has results for."""
    tables = [accuracy_table(frames), threshold_table(frames), subtask_table(frames)]
    return [table for table in tables if table.rows]


def accuracy_table(frames: Frames) -> Table:
    """Standard against modular networks: test accuracy of the whole network, mean and spread over the seeds."""
    by_setting = frames.trainings.group_by(NETWORK, maintain_order=True).agg(
        pl.len().alias("seeds"),
        *_mean_and_spread("accuracy"),
        *_mean_and_spread("validation_accuracy"),
        pl.col("parameters", "flops").mean(),
    )
    standard = (
        frames.trainings.filter(pl.col("method") == "standard")
        .group_by("backbone", "dataset", "width")
        .agg(pl.col("accuracy").mean().alias("standard"))
    )
    joined = by_setting.join(standard, on=["backbone", "dataset", "width"], how="left", maintain_order="left")
    rows = [
        (
            *_network(row),
            str(row["seeds"]),
            _percent(row["accuracy"], row["accuracy_spread"]),
            "" if row["method"] == "standard" else _points(row["accuracy"], row["standard"]),
            _percent(row["validation_accuracy"], row["validation_accuracy_spread"]),
            _millions(row["parameters"]),
            _millions(row["flops"]),
        )
        for row in joined.iter_rows(named=True)
    ]
    numbers = ("Seeds", "Test accuracy", "Against standard", "Validation accuracy", "Parameters", "FLOPs")
    note = "Whole networks on all classes; mean ± standard deviation over the seeds, difference in percentage points."
    return Table("Accuracy", (*_NETWORK_COLUMNS, *numbers), rows, note, len(_NETWORK_COLUMNS))


def threshold_table(frames: Frames) -> Table:
    """KRR, cohesion and coupling of the modules at each threshold."""
    grouped = frames.modularizations.group_by([*NETWORK, "threshold"], maintain_order=True).agg(
        *(each for name in ("accuracy", "krr", "cohesion", "coupling") for each in _mean_and_spread(name)),
    )
    rows = [
        (
            *_network(row),
            f"{row['threshold']:g}",
            *(_percent(row[name], row[f"{name}_spread"]) for name in ("accuracy", "krr")),
            *(_number(row[name], row[f"{name}_spread"]) for name in ("cohesion", "coupling")),
        )
        for row in grouped.sort([*NETWORK, "threshold"]).iter_rows(named=True)
    ]
    numbers = ("Threshold", "Modular accuracy", "KRR", "Cohesion", "Coupling")
    note = (
        "KRR: the share of kernels that a class's module keeps. Modular accuracy: of the whole network, before any cut."
    )
    return Table("Modules at each threshold", (*_NETWORK_COLUMNS, *numbers), rows, note, len(_NETWORK_COLUMNS))


def subtask_table(frames: Frames) -> Table:
    """Sub-tasks by number of classes: accuracy before and after fine-tuning, KRR and FLOPs."""
    measured = ["standard_accuracy", "accuracy_before_finetuning", "accuracy", "krr", "flops", "flops_reduction"]
    grouped = (
        frames.subtasks.with_columns(pl.col("classes").list.len().alias("size"))
        .group_by([*NETWORK, "threshold", "size"], maintain_order=True)
        .agg(pl.len().alias("subtasks"), *(each for name in measured for each in _mean_and_spread(name)))
        .sort([*NETWORK, "threshold", "size"])
    )
    rows = [
        (
            *_network(row),
            f"{row['threshold']:g}",
            str(row["size"]),
            str(row["subtasks"]),
            *(_percent(row[name], row[f"{name}_spread"]) for name in measured[:4]),
            _millions(row["flops"]),
            _percent(row["flops_reduction"], row["flops_reduction_spread"]),
        )
        for row in grouped.iter_rows(named=True)
    ]
    numbers = ("Threshold", "Classes", "Sub-tasks", "Standard", "Before fine-tuning", "After fine-tuning", "KRR")
    columns = (*_NETWORK_COLUMNS, *numbers, "FLOPs", "FLOPs reduction")
    note = "Test accuracy on the sub-task's classes: of the standard network, of the module as cut, and fine-tuned."
    return Table("Sub-tasks by number of classes", columns, rows, note, len(_NETWORK_COLUMNS))


_NETWORK_COLUMNS = ("Backbone", "Data set", "Method", "Settings")


def _network(row: dict[str, object]) -> tuple[str, str, str, str]:
    width = row["width"]
    narrow = f" x{width:g}" if isinstance(width, float) and width != 1 else ""
    return f"{row['backbone']}{narrow}", str(row["dataset"]), str(row["method"]), str(row["settings"])


def _mean_and_spread(name: str) -> tuple[pl.Expr, pl.Expr]:
    return pl.col(name).mean(), pl.col(name).std().alias(f"{name}_spread")


def _percent(mean: float | None, spread: float | None) -> str:
    if mean is None:
        return ""
    return f"{100 * mean:.2f} %" if spread is None else f"{100 * mean:.2f} ± {100 * spread:.2f} %"


def _number(mean: float | None, spread: float | None) -> str:
    if mean is None:
        return ""
    return f"{mean:.4f}" if spread is None else f"{mean:.4f} ± {spread:.4f}"


def _points(value: float | None, reference: float | None) -> str:
    return "" if value is None or reference is None else f"{100 * (value - reference):+.2f}"


def _millions(value: float | None) -> str:
    return "" if value is None else f"{value / 1e6:.3f} M"
