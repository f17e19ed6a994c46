"""The tables of a report: accuracy, modules at each threshold, time, and sub-tasks by number of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from nemo.attack import ATTACKS, EPSILON
from orchestrator.report.frames import Frames
from orchestrator.report.number import Number
from orchestrator.report.statistics import RULE, judge, judge_pairs, paired

PAIR = ["backbone", "dataset", "width", "variant"]
METHOD = ["method", "settings"]


@dataclass(frozen=True)
class Table:
    """Text in rows and columns, ready for any format.

    Attributes:
        rows: Of text, or of `Number` where a cell is one.
        note: What a reader must know to read the numbers.
        words: So many of the first columns hold words, the others numbers.
    """

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str
    words: int = 1
    kind: str = field(default="table", init=False)

    def head(self, most: int) -> Table:
        """Its first rows, with a word about the others; itself where it has no more than so many."""
        left = len(self.rows) - most
        if left <= 0:
            return self
        note = f"{self.note} Not shown here: {left:,} more rows; nemo report --export writes all of them."
        return replace(self, rows=self.rows[:most], note=note)


def tables_by_topic(frames: Frames) -> dict[str, list[Table]]:
    """Every table that the study has results for, each of one pair, by topic.

    The topics are `accuracy`, `thresholds`, `time` and `subtasks`; derived networks have a file of their own.
    """
    trainings = parts_of(frames.trainings, PAIR)
    return {
        "accuracy": [accuracy_table(part) for part in trainings],
        "thresholds": [threshold_table(part) for part in parts_of(frames.modularizations, PAIR)],
        "time": [time_table(part) for part in trainings],
        "subtasks": [subtask_table(*part) for pair in parts_of(frames.subtasks, PAIR) for part in at_thresholds(pair)],
    }


def accuracy_table(trainings: pl.DataFrame) -> Table:
    """Standard against modular networks of one pair: accuracy of the whole network."""
    standard = trainings.filter(pl.col("method") == "standard")["accuracy"].mean()
    rows = [
        (
            method_name(row),
            Number(row["count"]),
            _percent(row, "accuracy"),
            "" if row["method"] == "standard" else _difference(row["accuracy"], standard),
            _percent(row, "validation_accuracy"),
            _millions(row["parameters"]),
            _millions(row["flops"]),
        )
        for row in means_of(trainings, METHOD, ["accuracy", "validation_accuracy", "parameters", "flops"])
    ]
    columns = ("Method", "Seeds", "Test accuracy %", "Against standard", "Validation accuracy %")
    return Table(
        f"Accuracy: {pair_name(trainings)}",
        (*columns, "Parameters M", "FLOPs M"),
        rows,
        "Whole networks, all classes; mean ± standard deviation over the seeds; differences in percentage points.",
    )


def threshold_table(modularizations: pl.DataFrame) -> Table:
    """KRR, cohesion and coupling of one pair's modules at each threshold."""
    rows = [
        (
            method_name(row),
            "" if row["threshold"] is None else Number.significant(row["threshold"]),
            _percent(row, "accuracy"),
            _percent(row, "krr"),
            _fraction(row, "cohesion"),
            _fraction(row, "coupling"),
        )
        for row in means_of(modularizations, [*METHOD, "threshold"], ["accuracy", "krr", "cohesion", "coupling"])
    ]
    return Table(
        f"Modules at each threshold: {pair_name(modularizations)}",
        ("Method", "Threshold", "Modular accuracy %", "KRR %", "Cohesion", "Coupling"),
        rows,
        "KRR: the share of kernels that a class's module keeps; modular accuracy: the whole network's, before any cut.",
    )


def time_table(trainings: pl.DataFrame) -> Table:
    """What each method of one pair takes, training and modularizing (MwT paper, Table 4)."""
    timed = trainings.with_columns(
        pl.when(pl.col("epochs") > 0).then(pl.col("seconds") / pl.col("epochs")).alias("epoch_seconds"),
        (pl.col("seconds") + pl.col("parent_seconds") + pl.col("modularizing_seconds").fill_null(0)).alias("total"),
    )
    measured = ["epochs", "epoch_seconds", "seconds", "modularizing_seconds", "total"]
    rows = [
        (
            method_name(row),
            Number(row["count"]),
            "" if row["epochs"] is None else Number.significant(row["epochs"]),
            _number(row["epoch_seconds"], 2),
            _number(row["seconds"], 1),
            _number(row["modularizing_seconds"], 1),
            _number(row["total"], 2, 1 / 60),
        )
        for row in means_of(timed, METHOD, measured)
    ]
    dependent = trainings.filter(pl.col("parent_seconds") > 0)["method"].unique().sort()
    note = (
        f"Means over the seeds on {_machines(trainings)}, which other steps may have shared. "
        "Modularizing: relevance pass and all measures."
    )
    if len(dependent):
        note += f" Total of {', '.join(dependent)}: with the training that it starts or learns from."
    columns = ("Method", "Seeds", "Epochs", "Seconds per epoch", "Training s", "Modularizing s", "Total min")
    return Table(f"Time: {pair_name(trainings)}", columns, rows, note)


def subtask_table(threshold: float | None, subtasks: pl.DataFrame) -> Table:
    """One pair's sub-tasks at one threshold by number of classes: accuracy around fine-tuning, KRR and FLOPs.

    Some rows may have no threshold: methods that search for modules use none.
    """
    rates = {
        "standard_accuracy": "Standard %",
        "modular_accuracy": "Modular %",
        "accuracy_before_finetuning": "Before tuning %",
        "accuracy_recalibrated": "Recalibrated %",
        "accuracy": "After tuning %",
        "krr": "KRR %",
    }
    if not (subtasks["accuracy_recalibrated"] != subtasks["accuracy_before_finetuning"]).any():
        del rates["accuracy_recalibrated"]  # not known, or done to every module when it was cut
    if subtasks["weight_retention"].count():
        rates["weight_retention"] = "Weights %"
    rates |= asked_attacks(subtasks)
    sized = subtasks.with_columns(pl.col("classes").list.len().alias("size"))
    controlled = "random" in sized["control"]
    rows = [
        (
            method_name(row),
            Number(row["size"]),
            Number(row["count"]),
            *(_percent(row, name) for name in rates),
            *([_above_random(row, sized)] if controlled else []),
            _millions(row["flops"]),
            _percent(row, "flops_reduction"),
        )
        for row in means_of(sized, [*METHOD, "size"], [*rates, "flops", "flops_reduction"])
    ]
    unthresholded = subtasks.filter(pl.col("threshold").is_null())["method"].unique().sort()
    note = (
        "Test accuracy on the sub-task's classes: of the standard and the modular network, and of the module before "
        "and after fine-tuning; mean ± standard deviation over the sub-tasks."
    )
    if "accuracy_recalibrated" in rates:
        note += " Recalibrated: as cut, with BatchNorm statistics of its own images; nothing is fine-tuned from there."
    if "weight_retention" in rates:
        note += " Weights: the linear layers' parameters that are left of the standard network's."
    note += told_attacks(subtasks)
    if sized["control"].count():
        note += " Controls keep as many units of every layer as the module does, and are fine-tuned alike."
    if controlled:
        note += f" Above random: after tuning, in points. {RULE}."
    at = "" if threshold is None else f" at threshold {threshold:g}"
    if len(unthresholded):
        note += f" The modules of {', '.join(unthresholded)} know no threshold."
    return Table(
        f"Sub-tasks{at}: {pair_name(subtasks)}",
        (
            *("Method", "Classes", "Tasks", *rates.values()),
            *(["Above random"] if controlled else []),
            *("FLOPs M", "FLOPs reduction %"),
        ),
        rows,
        note,
    )


def asked_attacks(frame: pl.DataFrame) -> dict[str, str]:
    """Column of `FLIPPED` -> what it is called, of the attacks that were measured."""
    return {
        f"{whose}flipped_{attack}": f"{text}lipped by {attack.upper()} %"
        for attack in ATTACKS
        for whose, text in (("", "F"), ("base_", "Whole f"))
        if frame[f"flipped_{attack}"].count()
    }


def told_attacks(frame: pl.DataFrame) -> str:
    """What is said of them."""
    if not asked_attacks(frame):
        return ""
    return (
        " Flipped: of the test images that it tells right those that it tells wrong once they are changed by up to "
        f"{round(255 * EPSILON)}/255 a channel so that the whole network errs; whole: that network itself."
    )


def _above_random(row: Mapping[str, Any], subtasks: pl.DataFrame) -> str:
    """How far the modules of a row are above as many random units: `+1.20 (+0.30 to +2.10), better`."""
    settings = f"{row['settings']} control=random".strip()
    own, random = (
        subtasks.filter(pl.col("method") == row["method"], pl.col("size") == row["size"], pl.col("settings") == text)
        for text in (row["settings"], settings)
    )
    if random.is_empty():
        return ""
    differences = paired(random, own, "accuracy")
    if differences is None:
        by_seed = pl.col("accuracy").mean()
        means = [part.group_by("seed").agg(by_seed)["accuracy"].to_list() for part in (random, own)]
        judged = judge(means[0], means[1])
    else:
        judged = judge_pairs(differences)
    return judged.told(100.0, 2)


def at_thresholds(subtasks: pl.DataFrame) -> list[tuple[float | None, pl.DataFrame]]:
    """Each threshold of one pair with its rows, those without a threshold among them every time."""
    without = pl.col("threshold").is_null()
    thresholds = subtasks["threshold"].drop_nulls().unique().sort()
    parts = [(each, subtasks.filter(without | (pl.col("threshold") == each))) for each in thresholds]
    return parts or [(None, subtasks)]


def parts_of(frame: pl.DataFrame, by: list[str]) -> list[pl.DataFrame]:
    """The frame by groups, in order; nothing of an empty one."""
    return [] if frame.is_empty() else frame.partition_by(by, maintain_order=True)


def means_of(frame: pl.DataFrame, by: list[str], measured: list[str]) -> list[dict[str, Any]]:
    """Rows of the means by group, in order, with `<name>_spread` beside each and how many rows are in it as `count`."""
    spreads = [pl.col(name).std().alias(f"{name}_spread") for name in measured]
    grouped = frame.group_by(by).agg(pl.len().alias("count"), pl.col(measured).mean(), *spreads)
    return grouped.sort(by).to_dicts()


def pair_name(frame: pl.DataFrame) -> str:
    """`rescnn x0.125 on digits`: the pair that the rows are of."""
    backbone, dataset, width, variant = frame.select(PAIR).row(0)
    name = f"{backbone} on {dataset}" if width == 1 else f"{backbone} x{width:g} on {dataset}"
    return f"{name} ({variant})" if variant else name


def method_name(row: Mapping[str, Any]) -> str:
    """`nemo alpha=1 temperature=0.2`."""
    return f"{row['method']} {row['settings']}".strip()


def _percent(row: dict[str, Any], name: str) -> str:
    return with_spread(row, name, 100.0, 2)


def _fraction(row: dict[str, Any], name: str) -> str:
    return with_spread(row, name, 1.0, 4)


def with_spread(row: Mapping[str, Any], name: str, scale: float, digits: int) -> str:
    """A mean of `means_of` as a `Number` with its standard deviation, `44.19 ±4.35`; empty where it is not known."""
    mean, spread = row[name], row[f"{name}_spread"]
    return "" if mean is None else Number(scale * mean, digits, None if spread is None else scale * spread)


def _difference(value: Any, reference: Any) -> str:
    return "" if value is None or reference is None else Number(100 * (value - reference), 2, signed=True)


def _machines(trainings: pl.DataFrame) -> str:
    """`cpu (1 worker)`, and every other device and number of workers that the trainings ran on."""
    named = []
    for device, workers in trainings.select("device", "workers").unique().sort("device", "workers").iter_rows():
        count = "" if workers is None else f" ({workers} worker{'s' * (workers != 1)})"
        named.append(f"{device or 'an unknown device'}{count}")
    return ", ".join(named)


def _millions(value: float | None) -> str:
    return _number(value, 3, 1e-6)


def _number(value: float | None, digits: int, scale: float = 1.0) -> str:
    return "" if value is None else Number(scale * value, digits)
