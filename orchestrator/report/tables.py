"""The tables of a report: accuracy, modules at each threshold, and sub-tasks by number of classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from orchestrator.report.frames import Frames

PAIR = ["backbone", "dataset", "width"]
METHOD = ["method", "settings"]


@dataclass(frozen=True)
class Table:
    """Text in rows and columns, ready for any format; the first column holds words, the others numbers.

    Attributes:
        note: What a reader must know to read the numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str


def report_tables(frames: Frames) -> list[Table]:
    """Every table that the study has results for, each for one pair of backbone and data set."""
    tables = [accuracy_table(part) for part in _parts(frames.trainings, PAIR)]
    tables += [threshold_table(part) for part in _parts(frames.modularizations, PAIR)]
    tables += [subtask_table(part) for part in _parts(frames.subtasks, [*PAIR, "threshold"])]
    return tables


def accuracy_table(trainings: pl.DataFrame) -> Table:
    """Standard against modular networks of one pair: accuracy of the whole network."""
    standard = trainings.filter(pl.col("method") == "standard")["accuracy"].mean()
    rows = [
        (
            _method(row),
            str(row["seeds"]),
            _percent(row, "accuracy"),
            "" if row["method"] == "standard" else _difference(row["accuracy"], standard),
            _percent(row, "validation_accuracy"),
            _millions(row["parameters"]),
            _millions(row["flops"]),
        )
        for row in _means(trainings, METHOD, ["accuracy", "validation_accuracy", "parameters", "flops"])
    ]
    columns = ("Method", "Seeds", "Test accuracy %", "Against standard", "Validation accuracy %")
    return Table(
        f"Accuracy: {_pair(trainings)}",
        (*columns, "Parameters M", "FLOPs M"),
        rows,
        "Whole networks, all classes; mean ± standard deviation over the seeds; differences in percentage points.",
    )


def threshold_table(modularizations: pl.DataFrame) -> Table:
    """KRR, cohesion and coupling of one pair's modules at each threshold."""
    rows = [
        (
            _method(row),
            f"{row['threshold']:g}",
            _percent(row, "accuracy"),
            _percent(row, "krr"),
            _fraction(row, "cohesion"),
            _fraction(row, "coupling"),
        )
        for row in _means(modularizations, [*METHOD, "threshold"], ["accuracy", "krr", "cohesion", "coupling"])
    ]
    return Table(
        f"Modules at each threshold: {_pair(modularizations)}",
        ("Method", "Threshold", "Modular accuracy %", "KRR %", "Cohesion", "Coupling"),
        rows,
        "KRR: the share of kernels that a class's module keeps; modular accuracy: the whole network's, before any cut.",
    )


def subtask_table(subtasks: pl.DataFrame) -> Table:
    """One pair's sub-tasks at one threshold by number of classes: accuracy around fine-tuning, KRR and FLOPs."""
    accuracies = ["standard_accuracy", "accuracy_before_finetuning", "accuracy"]
    sized = subtasks.with_columns(pl.col("classes").list.len().alias("size"))
    rows = [
        (
            _method(row),
            str(row["size"]),
            str(row["seeds"]),
            *(_percent(row, name) for name in (*accuracies, "krr")),
            _millions(row["flops"]),
            _percent(row, "flops_reduction"),
        )
        for row in _means(sized, [*METHOD, "size"], [*accuracies, "krr", "flops", "flops_reduction"])
    ]
    columns = ("Method", "Classes", "Tasks", "Standard %", "Before tuning %", "After tuning %", "KRR %", "FLOPs M")
    return Table(
        f"Sub-tasks at threshold {subtasks['threshold'][0]:g}: {_pair(subtasks)}",
        (*columns, "FLOPs reduction %"),
        rows,
        "Test accuracy on the sub-task's classes: of the standard network, and of the module before and after "
        "fine-tuning; mean ± standard deviation over the sub-tasks.",
    )


def _parts(frame: pl.DataFrame, by: list[str]) -> list[pl.DataFrame]:
    return [] if frame.is_empty() else frame.partition_by(by, maintain_order=True)


def _means(frame: pl.DataFrame, by: list[str], measured: list[str]) -> list[dict[str, Any]]:
    """Rows of the means by group, in order, with `<name>_spread` beside each and the count as `seeds`."""
    spreads = [pl.col(name).std().alias(f"{name}_spread") for name in measured]
    grouped = frame.group_by(by).agg(pl.len().alias("seeds"), pl.col(measured).mean(), *spreads)
    return grouped.sort(by).to_dicts()


def _pair(frame: pl.DataFrame) -> str:
    backbone, dataset, width = frame.select(PAIR).row(0)
    return f"{backbone} on {dataset}" if width == 1 else f"{backbone} x{width:g} on {dataset}"


def _method(row: dict[str, Any]) -> str:
    return f"{row['method']} {row['settings']}".strip()


def _percent(row: dict[str, Any], name: str) -> str:
    return _with_spread(row, name, 100.0, 2)


def _fraction(row: dict[str, Any], name: str) -> str:
    return _with_spread(row, name, 1.0, 4)


def _with_spread(row: dict[str, Any], name: str, scale: float, digits: int) -> str:
    mean, spread = row[name], row[f"{name}_spread"]
    if mean is None:
        return ""
    return f"{scale * mean:.{digits}f}" + ("" if spread is None else f" ±{scale * spread:.{digits}f}")


def _difference(value: Any, reference: Any) -> str:
    return "" if value is None or reference is None else f"{100 * (value - reference):+.2f}"


def _millions(value: float | None) -> str:
    return "" if value is None else f"{value / 1e6:.3f}"
