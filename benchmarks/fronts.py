"""The fronts of a finished study's methods: accuracy against KRR from weak to strong weights, one line for each method.

Panels for each pair: the whole network against its per-class modules, and modules of each size after fine-tuning
against their own KRR, all at one threshold; points are means over seeds with their standard deviation. Beside them a
table of what one method has over another, in both directions: accuracy at equal KRR, and KRR at equal accuracy. Per
seed both fronts are read as straight lines between their points, and compared where both reach; the interval is over
seeds.

    python benchmarks/fronts.py nemo-against-mwt-cnn --of nemo --over mwt --figures docs/pictures
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl

import orchestrator
from orchestrator.report.export import file_names
from orchestrator.report.statistics import judge_pairs
from orchestrator.report.tables import PAIR, pair_name, parts_of

MARKS = {"mwt": ("s", "#c8400a"), "nemo": ("o", "#1560b4"), "moda": ("^", "#5b7f13")}

STYLE = {"svg.fonttype": "none", "font.family": "sans-serif"}  # text stays text

Fronts = dict[str, pl.DataFrame]
"""Panel -> `method, settings, seed, krr, accuracy`, one row for each network; what its sub-tasks have is averaged.

The whole network's has the `coupling` of its modules too."""


def fronts(modules: pl.DataFrame, subtasks: pl.DataFrame, threshold: float) -> Fronts:
    """The points of one pair, by panel."""
    at = (pl.col("threshold") - threshold).abs() < 1e-9
    columns = ["method", "settings", "seed", "krr", "accuracy", "coupling"]
    found = {"whole network": modules.filter(at).select(columns)}
    subtasks = subtasks.filter(at, pl.col("control").is_null()).with_columns(pl.col("classes").list.len().alias("size"))
    for size in sorted(subtasks["size"].unique()):
        means = subtasks.filter(pl.col("size") == size).group_by("method", "settings", "seed")
        found[f"{size} classes, after fine-tuning"] = means.agg(pl.col("krr").mean(), pl.col("accuracy").mean())
    return found


@dataclass(frozen=True)
class Advantage:
    """What one method has over another, seed by seed, and the range in which both fronts reach."""

    differences: list[float]
    low: float
    high: float

    def told(self, what: str) -> str:
        """Mean, its t interval over the seeds and the verdict: `+1.2 (+0.3 to +2.1), better`."""
        judged = judge_pairs(np.array(self.differences)[:, None], what)
        scale, digits = (1, 2) if what == "coupling" else (100, 1)
        return judged.told(scale, digits)


def advantage(points: pl.DataFrame, of: str, over: str, what: str, at: str = "krr") -> Advantage | None:
    """The mean difference in a column where both fronts have the same value of another.

    None where the two have no such value in common for some seed, or one has no network of it yet.
    """
    differences, ranges = [], []
    for seed in sorted(points["seed"].unique()):
        lines = []
        for method in (of, over):
            own = points.filter(pl.col("method") == method, pl.col("seed") == seed).sort(at)
            lines.append((own[at].to_numpy(), own[what].to_numpy()))
        if not all(len(place) for place, _ in lines):
            return None
        low, high = max(place[0] for place, _ in lines), min(place[-1] for place, _ in lines)
        if low >= high:
            return None
        places = np.linspace(low, high, 101)
        ours, theirs = (np.interp(places, *line) for line in lines)
        differences.append(float((ours - theirs).mean()))
        ranges.append((low, high))
    return Advantage(differences, min(low for low, _ in ranges), max(high for _, high in ranges))


def figure(title: str, found: Fronts, standard: float | None) -> plt.Figure:
    """The panels side by side."""
    drawn, axes = plt.subplots(1, len(found), figsize=(4 * len(found), 3.6), squeeze=False, layout="constrained")
    for axis, (panel, points) in zip(axes[0], found.items(), strict=True):
        for method, (mark, colour) in MARKS.items():
            by = points.filter(pl.col("method") == method).group_by("settings")
            numbers = ["krr", "accuracy"]
            own = by.agg(pl.col(numbers).mean(), pl.col(numbers).std().fill_null(0).name.suffix("_std")).sort("krr")
            if len(own):
                x, y, dx, dy = (100 * own[name].to_numpy() for name in (*numbers, "krr_std", "accuracy_std"))
                axis.errorbar(x, y, yerr=dy, xerr=dx, fmt=f"{mark}-", color=colour, capsize=2, label=method)
        if panel == "whole network" and standard is not None:
            axis.axhline(100 * standard, color="grey", linestyle=":", label="standard")
        axis.set(title=panel, xlabel="KRR %", ylabel="test accuracy %")
        if axis is axes[0][0]:
            axis.legend()
        axis.grid(alpha=0.3)
    drawn.suptitle(title)
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", help="name of a finished study")
    parser.add_argument("--storage", help="where it lies; $NEMO_STORAGE, or runs")
    parser.add_argument("--threshold", type=float, default=0.9, help="one of the study's")
    parser.add_argument("--of", default="nemo", help="the method that is compared")
    parser.add_argument("--over", default="mwt", help="with this one")
    parser.add_argument("--figures", type=Path, help="the folder to draw them in, as SVG")
    options = parser.parse_args()
    plt.rcParams.update(STYLE)
    study = orchestrator.load_study(options.study, storage=options.storage)
    print(
        f"| pair | {options.of} against {options.over} | at equal | difference | from - to % |\n|---|---|---|---|---|"
    )
    for trainings in parts_of(study.trainings, PAIR):
        pair = trainings.select(PAIR).unique()
        frames = (each.join(pair, on=PAIR, nulls_equal=True) for each in (study.modularizations, study.subtasks))
        found, name = fronts(*frames, options.threshold), pair_name(trainings)
        rows = [(f"accuracy, {panel}", points, "accuracy", "krr") for panel, points in found.items()]
        rows += [(f"KRR, {panel}", points, "krr", "accuracy") for panel, points in found.items()]
        for told, points, what, at in [*rows, ("coupling between modules", found["whole network"], "coupling", "krr")]:
            has = advantage(points, options.of, options.over, what, at)
            shown = (
                "none in common | " if has is None else f"{has.told(what)} | {100 * has.low:.0f} - {100 * has.high:.0f}"
            )
            print(f"| {name} | {told} | {at} | {shown} |")
        if options.figures is not None:
            standard = trainings.filter(pl.col("method") == "standard")["accuracy"].mean()
            (file,) = file_names([f"{options.study}-{name}"]).values()
            drawn = figure(f"{name}, threshold {options.threshold:g}", found, standard)
            drawn.savefig(options.figures / f"{file}.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
