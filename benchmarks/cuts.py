"""What every way of cutting makes of the same networks: modules of a finished study before any fine-tuning.

    nemo run studies/modules-as-cut.yaml
    .venv/bin/python benchmarks/cuts.py modules-as-cut --only gate=soft

Prints a row per training recipe and way of cutting: accuracy on the test images of the study's own sub-tasks, beside
that of the whole modular network on the same classes, and what the module costs; means over sub-tasks, spread over
seeds.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence
from statistics import fmean, stdev
from typing import cast

import polars as pl
import torch

import nemo
from nemo.evaluation import BATCH
from nemo.loader import Loader
from nemo.recalibration import recalibrate
from nemo.reuse import subtask_dataset
from nemo.surgery import MaskValues
from nemo.training import training_images
from orchestrator import LoadedStudy, load_study

CUTS: dict[str, tuple[MaskValues, bool]] = {
    "drop (published)": ("drop", False),
    "drop, recalibrated": ("drop", True),
    "fold_mean": ("fold_mean", False),
    "fold_mean, recalibrated": ("fold_mean", True),
    "keep_generator": ("keep_generator", False),
}
Figures = dict[str, float]


def of_training(study: LoadedStudy, key: str, options: argparse.Namespace) -> dict[tuple[int, str], Figures]:
    """(number of classes, cut) -> mean figures of one training's modules."""
    settings, dataset, network = study.settings(key), study.dataset(key), study.model(key)
    images, _ = training_images(dataset, settings["recipe"]["validation"], settings["seed"])
    batches = Loader(images, dataset=dataset, batch_size=BATCH, train=False).epoch()
    found = nemo.relevance(network, ((batch.images, batch.labels) for batch in batches), settings["num_classes"])
    masks = nemo.module_masks(found.frequencies, options.threshold)
    rows = study.subtasks.filter(pl.col("training") == key, pl.col("threshold") == options.threshold)
    values: dict[tuple[int, str], list[Figures]] = defaultdict(list)
    for classes, whole in rows.select("classes", "modular_accuracy").iter_rows():
        subtask = subtask_dataset(dataset, classes)
        for name, (mask_values, anew) in CUTS.items():
            module = nemo.extract_module(network, masks, classes, mask_values, "slice", found.mean_masks)
            if anew:
                recalibrate(module, subtask, options.images, seed=settings["seed"])
            values[len(classes), name].append(
                {
                    "whole": whole,
                    "before": nemo.evaluate(module, subtask.test, subtask)["accuracy"],
                    "flops": nemo.count_flops(module, (3, dataset.image_size, dataset.image_size)),
                    "parameters": float(nemo.count_parameters(module)),
                }
            )
    return {where: {name: fmean(each[name] for each in given) for name in given[0]} for where, given in values.items()}


def shown(values: Sequence[float]) -> str:
    """Mean and spread in percent."""
    return f"{100 * fmean(values):.1f} ±{100 * (stdev(values) if len(values) > 1 else 0):.1f}"


def main() -> None:
    """Cuts, measures and prints."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("study", help="name of a finished study with sub-tasks")
    parser.add_argument("--storage", help="where it lies; $NEMO_STORAGE, or runs")
    parser.add_argument("--threshold", type=float, default=0.9, help="one of the study's")
    parser.add_argument("--images", type=int, default=500, help="images of a recalibration")
    parser.add_argument("--only", default="", help="trainings in whose settings this text occurs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    study = load_study(options.study, options.storage)
    of_seeds: dict[tuple[str, int, str], list[Figures]] = defaultdict(list)
    modular = study.modularizations["training"].unique()
    for row in study.trainings.filter(pl.col("key").is_in(modular.implode())).iter_rows(named=True):
        recipe = f"{row['dataset']} {row['method']} {row['settings']}"
        if options.only in recipe:
            for (count, cut), figures in of_training(study, cast("str", row["key"]), options).items():
                of_seeds[recipe, count, cut].append(figures)
    print(
        "| training | classes | cut | whole network % | before tuning % | MFLOPs | parameters | seeds |\n"
        + "|---" * 8
        + "|"
    )
    for (recipe, count, cut), seeds in of_seeds.items():
        whole, before = (shown([each[name] for each in seeds]) for name in ("whole", "before"))
        flops, parameters = (fmean(each[name] for each in seeds) for name in ("flops", "parameters"))
        cells = (recipe, count, cut, whole, before, f"{flops / 1e6:.2f}", f"{parameters:,.0f}", len(seeds))
        print("| " + " | ".join(map(str, cells)) + " |")


if __name__ == "__main__":
    main()
