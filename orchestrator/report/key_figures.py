"""The key figures of a study: one number for each of the things that all of its results come to."""

from __future__ import annotations

import polars as pl

from orchestrator.plan.best import TrainedPoint, best_point
from orchestrator.report.study_report import StudyReport
from orchestrator.report.summary import failures, overview_of
from orchestrator.report.tables import PAIR, at_thresholds, parts_of

SUBTASK_MEANS = {
    "accuracy_before_finetuning": "subtask_accuracy_before_finetuning",
    "accuracy": "subtask_accuracy",
    "flops_reduction": "subtask_flops_reduction",
}
"""A sub-task's column -> the name of its mean over all modules of the study; controls are none."""


def key_figures(report: StudyReport) -> dict[str, float]:
    """Name -> number; what is not known is left out.

    `best_krr` is the lowest KRR of the trainings that are accurate enough, by the rule of `best_point` for each pair
    and seed, over all methods; `best_accuracy` is that network's on the test images. `trainings`, `subtasks` (modules
    alone), `derived` and `failed` are counts.
    """
    frames = report.frames
    modules = frames.subtasks.filter(pl.col("control").is_null())
    failed = len(failures(report, overview_of(report)))
    numbers: dict[str, float | None] = {"trainings": len(frames.trainings), "subtasks": len(modules), "failed": failed}
    numbers |= {"derived": len(frames.derived)} if len(frames.derived) else {}
    numbers |= _best(report)
    for column, name in SUBTASK_MEANS.items():
        mean = modules[column].mean()
        numbers[name] = float(mean) if isinstance(mean, int | float) else None
    return {name: float(number) for name, number in numbers.items() if number is not None}


def _best(report: StudyReport) -> dict[str, float | None]:
    """KRR and test accuracy of the best training at its pair's highest threshold; chosen on validation images alone."""
    if report.planned is None:
        return {}
    tolerance, found = report.planned.study.select.tolerance, []
    for pair in parts_of(report.frames.modularizations, PAIR):
        _, highest = at_thresholds(pair)[-1]
        same = pl.all_horizontal(pl.col(name).eq_missing(pair[name][0]) for name in PAIR)
        standard = report.frames.trainings.filter(same, pl.col("method") == "standard")
        for part in highest.partition_by("seed"):
            rows = {
                row["training"]: row
                for row in part.filter(pl.col("validation_accuracy").is_not_null() & pl.col("krr").is_not_null())
                .sort("training")
                .iter_rows(named=True)
            }
            points = [TrainedPoint(key, row["validation_accuracy"], row["krr"]) for key, row in rows.items()]
            reference = standard.filter(pl.col("seed") == part["seed"][0])["validation_accuracy"].max()
            best = best_point(points, reference if isinstance(reference, float) else None, tolerance)
            if best is not None:
                found.append(rows[best.key])
    if not found:
        return {}
    lowest = min(found, key=lambda row: (row["krr"], row["training"]))
    return {"best_krr": lowest["krr"], "best_accuracy": lowest["accuracy"]}
