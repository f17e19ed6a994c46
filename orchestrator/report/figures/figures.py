"""The figures of a report, from the frames and by the means that its tables show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from itertools import pairwise
from typing import Any

import polars as pl

from orchestrator.report.figures.figure import COLOURS, Figure, Key, Panel, Point, Series, keys_of
from orchestrator.report.number import Number
from orchestrator.report.tables import METHOD, Table, means_of, method_name, pair_name, with_spread

Row = Mapping[str, Any]

Quantity = tuple[str, float, int]
"""What a column is called in a figure, the factor of its values, and their digits."""

_POINTS = 12_500
"""So many points the lines of a panel have together, or 20 each."""


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
    keys, legend = keys_of([(row["method"], row["settings"]) for row in rows])
    series = [
        Series([_place(row, height, row in front)], keys[row["method"], row["settings"]], line=False) for row in rows
    ]
    border = [
        Point(100 * row["krr"], 100 * row[height]) for row in sorted(front, key=lambda row: (row["krr"], row[height]))
    ]
    lines = [Series(stairs(border), Key(None), marks=False, text="Pareto front")]
    legend = {**legend, "Pareto front": Key(None)} if len(border) > 1 else legend
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
    keys, legend = keys_of([(row["method"], row["settings"]) for row in rows])
    panels = [
        Panel(quantity[0], "Threshold", quantity[0], _by_group(rows, "threshold", column, keys, quantity))
        for column, quantity in shown.items()
    ]
    return Figure(f"By threshold: {pair_name(modules)}", panels, legend, f"Means over the seeds{_bars(keys)}.")


def subtask_figure(threshold: float | None, subtasks: pl.DataFrame) -> Figure:
    """One pair's sub-tasks at one threshold: accuracy, KRR and FLOPs by number of classes.

    Controls, which have the modules' KRR, are bands beside them.
    """
    sized = subtasks.with_columns(pl.col("classes").list.len().cast(pl.Int64).alias("size"))
    measured = ["accuracy", "accuracy_before_finetuning", "standard_accuracy", "krr", "flops"]
    modules = sized.filter(pl.col("control").is_null())
    rows = means_of(modules, [*METHOD, "size"], measured)
    keys, legend = keys_of([(row["method"], row["settings"]) for row in rows])
    shown = {
        "accuracy_before_finetuning": ("Accuracy before tuning %", 100.0, 2),
        "accuracy": ("Accuracy after tuning %", 100.0, 2),
        "krr": ("KRR %", 100.0, 2),
        "flops": ("FLOPs M", 1e-6, 3),
    }
    series = {column: _by_group(rows, "size", column, keys, quantity) for column, quantity in shown.items()}
    at = "" if threshold is None else f" at threshold {threshold:g}"
    note = f"Means over the sub-tasks{_bars(keys)}"
    controls = sized["control"].drop_nulls().unique().sort().to_list()
    if controls:
        cut = sized.filter(pl.col("control").is_not_null())
        of_control = means_of(cut, [*METHOD, "control", "size"], measured)
        for column in ("accuracy_before_finetuning", "accuracy"):
            series[column] = [*_bands(of_control, controls, column, keys, shown[column]), *series[column]]
        legend |= {f"control: {name}": Key(None, place) for place, name in enumerate(controls)}
        note += "; a control's line and band, of the same, are in the colour of its modules"
    standard = [
        row for row in means_of(modules, ["size"], ["standard_accuracy"]) if row["standard_accuracy"] is not None
    ]
    if standard:
        points = [Point(row["size"], 100 * row["standard_accuracy"]) for row in standard]
        whole = "the whole standard network"
        series["accuracy"] = [Series(points, Key(None), marks=False, text=whole), *series["accuracy"]]
        legend = {**legend, whole: Key(None)}
    panels = [Panel(name, "Classes", name, series[column], whole=True) for column, (name, _, _) in shown.items()]
    title = f"By number of classes{at}: {pair_name(subtasks)}"
    return Figure(title, panels, legend, f"{note}; the numbers are those of the table.")


def curve_figure(epochs: pl.DataFrame) -> Figure:
    """One pair's trainings, epoch by epoch: loss on the training images, accuracy on the test images."""
    shown = {"train_loss": ("Training loss", 1.0), "test_accuracy": ("Test accuracy %", 100.0)}
    runs = epochs.partition_by("training", maintain_order=True)
    identities = [run.row(0, named=True) for run in runs]
    keys, legend = keys_of([(row["method"], row["settings"]) for row in identities])
    most = max(20, _POINTS // len(runs))
    panels = []
    for column, (name, scale) in shown.items():
        series = []
        for run, row in zip(runs, identities, strict=True):
            known = run.filter(pl.col(column).is_not_null()).select("epoch", column)
            points = [Point(epoch, scale * value) for epoch, value in thinned(known.rows(), most)]
            text = f"{method_name(row)}, seed {row['seed']}"
            series.append(Series(points, keys[row["method"], row["settings"]], marks=len(points) == 1, text=text))
        panels.append(Panel(name, "Epoch", name, series, whole=True))
    last = [run.row(-1, named=True) for run in runs]
    rows = [
        (
            method_name(row),
            Number(row["seed"]),
            Number(row["epoch"]),
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


def thinned(rows: Sequence[tuple[Any, ...]], most: int) -> list[tuple[Any, ...]]:
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
    keys: Mapping[tuple[str, str], Key],
    quantity: Quantity,
) -> list[Series]:
    """A line per method and settings over one column; means that are not known leave no mark."""
    name, scale, digits = quantity
    series = []
    for (method, settings), key in keys.items():
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
        series.append(Series(points, key, text=label))
    return series


def _bands(
    rows: Sequence[Row],
    controls: Sequence[str],
    column: str,
    keys: Mapping[tuple[str, str], Key],
    quantity: Quantity,
) -> list[Series]:
    """A band per module's method and settings, and control."""
    name, scale, digits = quantity
    series = []
    for (method, settings), key in keys.items():
        for place, control in enumerate(controls):
            own = [
                row
                for row in rows
                if (row["method"], row["control"]) == (method, control)
                and row["settings"] == f"{settings} control={control}".strip()
                and row[column] is not None
            ]
            points = [
                Point(row["size"], scale * row[column], spread=scale * (row[f"{column}_spread"] or 0.0)) for row in own
            ]
            told = [f"{row['size']} classes: {name} {with_spread(row, column, scale, digits)}" for row in own]
            label = f"{method_name({'method': method, 'settings': settings})}, {control} control"
            if points:
                series.append(Series(points, Key(key.style, place), text="\n".join([label, *told])))
    return series


def _bars(keys: Mapping[tuple[str, str], Key]) -> str:
    """What is said of the bars, which many settings have no room for."""
    return ", bars: standard deviation" if len(keys) <= COLOURS else ", lines of one method alike"


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
    words.append(f"{row['count']} seed{'s' * (row['count'] != 1)}{', on the front' if on_front else ''}")
    up, across = (None if row[f"{name}_spread"] is None else 100 * row[f"{name}_spread"] for name in (height, "krr"))
    return Point(100 * row["krr"], 100 * row[height], "\n".join(words), up, across, bool(row["chosen"]))


def _text(value: float | None, digits: int, scale: float = 1.0) -> str:
    return "" if value is None else Number(scale * value, digits)
