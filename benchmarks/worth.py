"""What the modules of a study are worth over their controls, before tuning, recalibrated and after it.

Of every pair and method, by number of classes: the module and each control at its size, how far the module is above it
with the interval over seeds and sub-tasks, and, where the sub-tasks have several thresholds, how many FLOPs it needs
where both are equally accurate. Reads reports, so that seeds that ran on several machines are read together.

    nemo run studies/worth-of-modules.yaml
    nemo report worth-of-modules --format json --out worth.json
    .venv/bin/python benchmarks/worth.py worth.json
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from fronts import advantage

from orchestrator.report.frames import MODULARIZATION, SUBTASK, TRAINING
from orchestrator.report.statistics import RULE, judge_pairs, paired
from orchestrator.report.tables import PAIR, pair_name, parts_of

STAGES = {
    "accuracy_before_finetuning": "as cut",
    "accuracy_recalibrated": "recalibrated",
    "accuracy": "after tuning",
}
"""Column of a sub-task -> when it was measured."""


def whole_networks(trainings: pl.DataFrame, modules: pl.DataFrame, subtasks: pl.DataFrame) -> Iterator[str]:
    """A Markdown table of the networks that were cut, beside the standard ones."""
    yield "| network | recipe | seeds | accuracy % | over standard, points | KRR % of a class's module | coupling |"
    yield "|---" * 7 + "|"
    standards = trainings.filter(pl.col("method") == "standard").unique("seed").with_columns(classes=pl.lit([0]))
    yield f"| `standard` | | {len(standards)} | {percent(standards['accuracy'])} | | | |"
    for pair in parts_of(trainings.filter(pl.col("key").is_in(subtasks["training"].implode())), PAIR):
        for own in parts_of(pair.with_columns(classes=pl.lit([0])), ["recipe", "method"]):
            measured = modules.filter(pl.col("training").is_in(own["key"].implode()))
            highest = measured.filter(pl.col("threshold") == measured["threshold"].max())
            cells = (
                f"`{own['method'][0]}` {', '.join(sorted(set(own['settings'])))}",
                own["recipe"][0],
                len(own),
                percent(own["accuracy"]),
                above(standards, own, "accuracy"),
                percent(highest["krr"]),
                f"{highest['coupling'].mean():.2f}",
            )
            yield f"| {' | '.join(map(str, cells))} |"


def at_equal_size(subtasks: pl.DataFrame) -> Iterator[str]:
    """A Markdown table: each module and its controls, and how far the module is above each."""
    yield (
        "| network | recipe | classes | threshold | | seeds x sub-tasks | FLOPs % of standard | "
        + " | ".join(f"{stage} % | module above it, points" for stage in STAGES.values())
        + " |"
    )
    yield "|---" * (7 + 2 * len(STAGES)) + "|"
    for rows in parts_of(subtasks, [*PAIR, "recipe", "method", "size", "threshold"]):
        module = rows.filter(pl.col("control").is_null())
        for control in (None, *sorted(rows["control"].drop_nulls().unique())):
            own = module if control is None else rows.filter(pl.col("control") == control)
            cells = [
                *(f"`{own['method'][0]}`", own["recipe"][0], own["size"][0], f"{own['threshold'][0]:g}"),
                control or "**module**",
                f"{own['seed'].n_unique()} x {own['classes'].n_unique()}",
                percent(1 - own["flops_reduction"]),
            ]
            for stage in STAGES:
                cells += [percent(own[stage]), "" if control is None else above(own, module, stage)]
            yield f"| {' | '.join(map(str, cells))} |"


def at_equal_accuracy(subtasks: pl.DataFrame) -> Iterator[str]:
    """A Markdown table: the FLOPs of a module over those of a control of the same accuracy, read between thresholds."""
    yield "| network | recipe | classes | against | FLOPs, points of standard | where both have an accuracy of, % |"
    yield "|---" * 6 + "|"
    means = [pl.col("flops").mean(), pl.col("accuracy").mean()]
    kept = subtasks.with_columns((1 - pl.col("flops_reduction")).alias("flops"))
    for rows in parts_of(kept, [*PAIR, "recipe", "method", "size"]):
        cut = pl.col("control").fill_null("module").alias("method")
        points = rows.with_columns(cut).group_by("method", "seed", "threshold").agg(*means)
        for control in sorted(set(points["method"]) - {"module"}):
            has = advantage(points, "module", control, "flops", "accuracy")
            shown = "none in common |"
            if has is not None:
                shown = f"{has.told('flops')} | {100 * has.low:.1f} to {100 * has.high:.1f}"
            yield f"| `{rows['method'][0]}` | {rows['recipe'][0]} | {rows['size'][0]} | {control} | {shown} |"


def joined(files: Sequence[Path], topic: str, schema: Mapping[str, Any]) -> pl.DataFrame:
    """The rows of some reports, each once, and whether their networks rehearsed."""
    rows = {row["key"]: row for file in files for row in json.loads(file.read_text())[topic]}
    share = pl.col("settings").str.extract(r"as_cut=([0-9.]+)").cast(pl.Float64).fill_null(0)
    told = pl.when(share > 0).then(pl.format("as_cut {}", share)).otherwise(pl.lit("published"))
    return pl.DataFrame(list(rows.values()), schema).with_columns(told.alias("recipe"))


def above(first: pl.DataFrame, other: pl.DataFrame, quantity: str) -> str:
    """How far `other` is above `first`, in points, with its interval and verdict; one seed has none."""
    both = paired(first, other, quantity)
    if both is None:
        means = (frame[quantity].mean() for frame in (other, first))
        ours, theirs = means
        return "" if ours is None or theirs is None else f"{100 * (ours - theirs):+.1f}, unresolved"
    return judge_pairs(both, quantity).told(100, 1)


def percent(values: pl.Series) -> str:
    """Mean and standard deviation."""
    known = values.drop_nulls()
    if known.is_empty():
        return ""
    spread = f" ±{100 * known.std():.1f}" if len(known) > 1 else ""
    return f"{100 * known.mean():.1f}{spread}"


def plain_name(trainings: pl.DataFrame) -> str:
    """The pair, without what tells it from others of its backbone and data set."""
    return pair_name(trainings.with_columns(variant=pl.lit("")))


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", nargs="+", type=Path, help="what nemo report --format json has written")
    options = parser.parse_args()
    trainings = joined(options.reports, "trainings", TRAINING)
    modules = joined(options.reports, "modularizations", MODULARIZATION)
    size = pl.col("classes").list.len().alias("size")
    subtasks = joined(options.reports, "subtasks", SUBTASK).with_columns(size)
    for part in parts_of(trainings, PAIR[:3]):
        backbone = part.select(PAIR[:3]).unique()
        measured, cut = (frame.join(backbone, on=PAIR[:3]) for frame in (modules, subtasks))
        print(f"\n## {plain_name(part)}\n")
        print("\n".join(whole_networks(part, measured, cut)), "\n")
        print("\n".join(at_equal_size(cut)), "\n")
        if cut["threshold"].n_unique() > 1:
            print("\n".join(at_equal_accuracy(cut)), "\n")
    print(RULE + ".")


if __name__ == "__main__":
    main()
