"""The table of modules by the groups that a study names: one row for each department, and not for each size."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from orchestrator.report.number import Number
from orchestrator.report.tables import (
    METHOD,
    PAIR,
    Table,
    at_thresholds,
    means_of,
    method_name,
    pair_name,
    parts_of,
    with_spread,
)
from orchestrator.study.class_sets import ClassSets
from orchestrator.study.data import DescribedStudy, groups_of

Names = Mapping[tuple[str, tuple[int, ...]], str]
"""Data set and classes, ascending -> the name of the group that they are."""

_RATES = {
    "standard_accuracy": "Standard %",
    "modular_accuracy": "Modular %",
    "accuracy_before_finetuning": "Before tuning %",
    "accuracy": "After tuning %",
    "krr": "KRR %",
    "flops_reduction": "FLOPs reduction %",
}


def group_names(described: DescribedStudy, sets: ClassSets | None) -> Names:
    """The groups of a study's class sets, in each of its data sets."""
    return {
        (description.name, classes): group
        for description in described.data.values()
        for classes, group in groups_of(description, sets).items()
    }


def group_tables(subtasks: pl.DataFrame, names: Names) -> list[Table]:
    """Of every pair and threshold the modules of groups; none where a study has no groups."""
    if not names or subtasks.is_empty():
        return []
    rows = subtasks.select("dataset", "classes").iter_rows()
    named = [names.get((dataset, tuple(sorted(classes)))) for dataset, classes in rows]
    grouped = subtasks.with_columns(pl.Series("group", named, pl.String)).filter(pl.col("group").is_not_null())
    return [_table(*part) for pair in parts_of(grouped, PAIR) for part in at_thresholds(pair)]


def _table(threshold: float | None, subtasks: pl.DataFrame) -> Table:
    rows = [
        (row["group"], method_name(row), Number(row["count"]), *(with_spread(row, name, 100.0, 2) for name in _RATES))
        for row in means_of(subtasks, ["group", *METHOD], list(_RATES))
    ]
    at = "" if threshold is None else f" at threshold {threshold:g}"
    return Table(
        f"Groups{at}: {pair_name(subtasks)}",
        ("Group", "Method", "Seeds", *_RATES.values()),
        rows,
        "Test accuracy on the group's classes; mean ± standard deviation over the seeds. FLOPs reduction: against the "
        "whole standard network.",
        words=2,
    )
