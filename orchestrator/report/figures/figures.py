"""The figures of a report, from the frames and by the means that its tables show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from itertools import pairwise
from typing import Any

import polars as pl

from orchestrator.report.figures.figure import COLOURS, Figure, Panel, Point, Series, styles_of
from orchestrator.report.tables import METHOD, Table, means_of, method_name, pair_name, with_spread

Row = Mapping[str, Any]


def front_figure(trainings: pl.DataFrame, modules: pl.DataFrame, threshold: float | None, chosen: Set[str]) -> Figure:
    """One pair's accuracy against KRR: a point per method and settings, and the front of those that no other beats.

    Args:
        trainings: The pair's.
        modules: Its modularizations at one threshold, those without a threshold among them.
        threshold: Which one.
        chosen: The keys of the trainings that something was chosen for.
    """
    known = modules["validation_accuracy"].null_count() == 0
    height = "validation_accuracy" if known else "accuracy"
    axis = "Validation accuracy %" if known else "Test accuracy %"
    keyed = modules.with_columns(pl.Series("chosen", [float(key in chosen) for key in modules["training"]]))
    rows = [
        row
        for row in means_of(keyed, METHOD, ["validation_accuracy", "accuracy", "krr", "chosen"])
        if row["krr"] is not None and row[height] is not None
    ]
    front = [row for row in rows if not any(_beats(other, row, height) for other in rows)]
    styles, legend = styles_of([(row["method"], row["settings"]) for row in rows])
    series = [
        Series([_place(row, height, row in front)], styles[row["method"], row["settings"]], line=False) for row in rows
    ]
    border = [
        Point(100 * row["krr"], 100 * row[height]) for row in sorted(front, key=lambda row: (row["krr"], row[height]))
    ]
    lines = [Series(stairs(border), None, marks=False, text="Pareto front")]
    legend = {**legend, "Pareto front": None} if len(border) > 1 else legend
    at = "" if threshold is None else f" at threshold {threshold:g}"
    note = f"Whole networks' accuracy against KRR{at}, means over the seeds; up and to the left is better."
    if known:
        note += " The front is that of the validation images; nothing is chosen on test images."
    if any(row["chosen"] for row in rows):
        note += " Ringed: chosen for the sub-tasks."
    table = Table(
        f"Numbers of the front: {pair_name(modules)}{at}",
        ("Method", "Validation accuracy %", "Test accuracy %", "KRR %", "On the front"),
        [
            (
                method_name(row),
                *(with_spread(row, name, 100, 2) for name in ("validation_accuracy", "accuracy", "krr")),
                "yes" if row in front else "",
            )
            for row in rows
        ],
        note,
    )
    standard = trainings.filter(pl.col("method") == "standard")[height].mean()
    if isinstance(standard, float):
        note += f" The standard network: {100 * standard:.2f} %."
    panel = Panel("Pareto front", "KRR %", axis, [*lines, *series])
    return Figure(f"Accuracy against KRR: {pair_name(modules)}", [panel], legend, note, table)


def threshold_figure(modules: pl.DataFrame) -> Figure:
    """One pair's KRR, cohesion and coupling by threshold."""
    rows = means_of(
        modules.filter(pl.col("threshold").is_not_null()), [*METHOD, "threshold"], ["krr", "cohesion", "coupling"]
    )
    shown = {"krr": ("KRR %", 100.0, 2), "cohesion": ("Cohesion", 1.0, 4), "coupling": ("Coupling", 1.0, 4)}
    styles, legend = styles_of([(row["method"], row["settings"]) for row in rows])
    panels = [
        Panel(name, "Threshold", name, _by_group(rows, "threshold", column, styles, name, scale, digits))
        for column, (name, scale, digits) in shown.items()
    ]
    return Figure(f"By threshold: {pair_name(modules)}", panels, legend, f"Means over the seeds{_bars(styles)}.")


def subtask_figure(threshold: float | None, subtasks: pl.DataFrame) -> Figure:
    """One pair's sub-tasks at one threshold: accuracy, KRR and FLOPs by number of classes."""
    sized = subtasks.with_columns(pl.col("classes").list.len().cast(pl.Int64).alias("size"))
    measured = ["accuracy", "standard_accuracy", "krr", "flops"]
    rows = means_of(sized, [*METHOD, "size"], measured)
    styles, legend = styles_of([(row["method"], row["settings"]) for row in rows])
    shown = {
        "accuracy": ("Accuracy after tuning %", 100.0, 2),
        "krr": ("KRR %", 100.0, 2),
        "flops": ("FLOPs M", 1e-6, 3),
    }
    panels = [
        Panel(name, "Classes", name, _by_group(rows, "size", column, styles, name, scale, digits), whole=True)
        for column, (name, scale, digits) in shown.items()
    ]
    standard = [row for row in means_of(sized, ["size"], ["standard_accuracy"]) if row["standard_accuracy"] is not None]
    if standard:
        points = [Point(row["size"], 100 * row["standard_accuracy"]) for row in standard]
        whole = Series(points, None, marks=False, text="the whole standard network")
        panels[0] = Panel(panels[0].title, panels[0].x, panels[0].y, [whole, *panels[0].series], whole=True)
        legend = {**legend, "the whole standard network": None}
    at = "" if threshold is None else f" at threshold {threshold:g}"
    note = f"Means over the sub-tasks{_bars(styles)}; the numbers are those of the table."
    return Figure(f"By number of classes{at}: {pair_name(subtasks)}", panels, legend, note)


def curve_figure(epochs: pl.DataFrame) -> Figure:
    """One pair's trainings, epoch by epoch: loss on the training images, accuracy on the test images."""
    shown = {"train_loss": ("Training loss", 1.0), "test_accuracy": ("Test accuracy %", 100.0)}
    runs = epochs.partition_by("training", maintain_order=True)
    identities = [run.row(0, named=True) for run in runs]
    styles, legend = styles_of([(row["method"], row["settings"]) for row in identities])
    panels = []
    for column, (name, scale) in shown.items():
        series = []
        for run, row in zip(runs, identities, strict=True):
            known = run.filter(pl.col(column).is_not_null()).select("epoch", column)
            points = [Point(epoch, scale * value) for epoch, value in thinned(known.rows())]
            text = f"{method_name(row)}, seed {row['seed']}"
            series.append(Series(points, styles[row["method"], row["settings"]], marks=len(points) == 1, text=text))
        panels.append(Panel(name, "Epoch", name, series, whole=True))
    last = [run.row(-1, named=True) for run in runs]
    rows = [
        (
            method_name(row),
            str(row["seed"]),
            str(row["epoch"]),
            _text(row["train_loss"], 4),
            _text(row["test_accuracy"], 2, 100),
        )
        for row in last
    ]
    table = Table(
        f"The last epoch of every training: {pair_name(epochs)}",
        ("Method", "Seed", "Epoch", "Training loss", "Test accuracy %"),
        rows,
        "The last epoch's network is the one that is kept.",
    )
    return Figure(f"Training: {pair_name(epochs)}", panels, legend, "One line per training.", table)


def thinned(rows: Sequence[tuple[Any, ...]], most: int = 250) -> list[tuple[Any, ...]]:
    """At most about so many of the rows, evenly, the last one among them: more than a picture has room for."""
    stride = -(-len(rows) // most) if rows else 1
    return [row for place, row in enumerate(reversed(rows)) if place % stride == 0][::-1]


def stairs(points: list[Point]) -> list[Point]:
    """The corners of the border of what is no better than one of these points, which are ordered by x."""
    corners = [Point(after.x, before.y) for before, after in pairwise(points)]
    return [corner for pair in zip(points, [*corners, points[-1]], strict=True) for corner in pair] if points else []


def _by_group(
    rows: Sequence[Row],
    along: str,
    column: str,
    styles: Mapping[tuple[str, str], int],
    name: str,
    scale: float,
    digits: int,
) -> list[Series]:
    """A line per method and settings over one column; means that are not known leave no mark."""
    series = []
    for (method, settings), style in styles.items():
        own = [
            row for row in rows if (row["method"], row["settings"]) == (method, settings) and row[column] is not None
        ]
        label = method_name({"method": method, "settings": settings})
        points = [
            Point(
                row[along],
                scale * row[column],
                f"{label}\n{_at(along, row[along])}: {name} {with_spread(row, column, scale, digits)}",
                None if row[f"{column}_spread"] is None else scale * row[f"{column}_spread"],
            )
            for row in own
        ]
        series.append(Series(points, style, text=label))
    return series


def _bars(styles: Mapping[tuple[str, str], int]) -> str:
    """What is said of the bars, which many settings have no room for."""
    return ", bars: standard deviation" if len(styles) <= COLOURS else ", lines of one method alike"


def _at(along: str, value: float) -> str:
    return f"{value} classes" if along == "size" else f"{along} {value:g}"


def _beats(one: Row, other: Row, height: str) -> bool:
    """Whether a point is at least as good in both and better in one."""
    no_worse = one[height] >= other[height] and one["krr"] <= other["krr"]
    return no_worse and (one[height], one["krr"]) != (other[height], other["krr"])


def _place(row: Row, height: str, on_front: bool) -> Point:
    words = [method_name(row)]
    for column, name in (("validation_accuracy", "validation accuracy"), ("accuracy", "test accuracy"), ("krr", "KRR")):
        if row[column] is not None:
            words.append(f"{name} {with_spread(row, column, 100, 2)} %")
    words.append(f"{row['seeds']} seed{'s' * (row['seeds'] != 1)}{', on the front' if on_front else ''}")
    up, across = (None if row[f"{name}_spread"] is None else 100 * row[f"{name}_spread"] for name in (height, "krr"))
    return Point(100 * row["krr"], 100 * row[height], "\n".join(words), up, across, bool(row["chosen"]))


def _text(value: float | None, digits: int, scale: float = 1.0) -> str:
    return "" if value is None else f"{scale * value:.{digits}f}"
