"""What rehearsing makes of a network and of its modules: five backbones, two methods, three seeds, on the digits.

Every network is trained twice, by the published recipe and with `as_cut: 0.5`, and measured on the test images: as a
whole, and its modules as they are cut, recalibrated, and after fine-tuning. Each network's figures are written when it
is done, so the same command carries on where it was interrupted.

    .venv/bin/python benchmarks/rehearsal.py
    .venv/bin/python benchmarks/rehearsal.py --backbones vgg16 --seeds 0 1 2 3 4

The weights were chosen on a tenth of the training images of seed 0 that was held out; nothing is chosen here.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch

import nemo
from nemo.evaluation import BATCH, predict
from nemo.loader import Loader
from nemo.metrics import jaccard, kernel_retention_rate, subtask_accuracy
from nemo.subtasks import subtasks
from orchestrator.report.statistics import judge_pairs

STAGES = ("whole", "cut", "recalibrated", "tuned")
"""What a sub-task's accuracy is measured of: the whole network, its module as cut, recalibrated, after fine-tuning."""

THRESHOLD, IMAGES = 0.9, 500
"""Of the modules, and of a recalibration."""

CNN = nemo.Recipe(epochs=25, batch_size=32, lr=0.03, warmup=5, validation=0.1, channels_last=True)
VIT = nemo.Recipe(epochs=40, batch_size=32, optimizer="adamw", lr=0.002, validation=0.1)
TUNED = nemo.Finetune(epochs=3, batch_size=32, lr=0.01, anneal=1.0)
TUNED_VIT = nemo.Finetune(epochs=3, batch_size=32, optimizer="adamw", lr=0.0005, weight_decay=0.05, anneal=1.0)

BACKBONES = ("vgg16", "simcnn", "rescnn", "resnet18", "vit:studies/vit-tiny.json")

SETTINGS: dict[str, dict[str, dict[str, float]]] = {
    "vgg16": {"mwt": {"lambda_coh": 3.0, "lambda_coup": 1.0}},  # of 14 the best, see docs/modules-as-cut.md
    "vit:studies/vit-tiny.json": {"mwt": {"lambda_coh": 0.5, "lambda_coup": 0.5}, "nemo": {"alpha": 0.1}},
}
"""Backbone -> method -> its weights, where they are others than `USUAL`."""

USUAL = {"mwt": {"lambda_coh": 0.5, "lambda_coup": 3.0}, "nemo": {"alpha": 2.5, "temperature": 0.2}}


@dataclass(frozen=True)
class Cell:
    """One network."""

    backbone: str
    method: str
    seed: int
    as_cut: float

    @property
    def settings(self) -> dict[str, float]:
        """The weights of the method's losses."""
        return SETTINGS.get(self.backbone, {}).get(self.method, USUAL[self.method])

    @property
    def file(self) -> str:
        """The name of the file of its figures."""
        words = [f"{name}-{value:g}" for name, value in self.settings.items()]
        return "_".join(
            [Path(self.backbone).stem, self.method, *words, f"as-cut-{self.as_cut:g}", f"seed-{self.seed}.json"]
        )


def measured(cell: Cell, samples: int) -> dict[str, Any]:
    """Trains a network, and says what it and its modules are worth; accuracies and shares are fractions."""
    torch.set_num_threads(1)
    digits, vit = nemo.load_dataset("digits"), cell.backbone.startswith("vit")
    recipe = nemo.Recipe(**{**asdict(VIT if vit else CNN), "as_cut": cell.as_cut, "compile": False})
    width = 1.0 if vit else 0.125
    network = nemo.build_network(cell.backbone, cell.method, 10, width=width, seed=cell.seed)
    trainer = nemo.Trainer(network, digits, cell.method, cell.settings, recipe, seed=cell.seed, evaluate=False)
    begin = time.process_time()
    while not trainer.done:
        trainer.run_epoch()
    seconds = time.process_time() - begin
    assert isinstance(network, nemo.ModularNetwork)
    batches = Loader(trainer.images, dataset=digits, batch_size=BATCH, train=False).epoch()
    found = nemo.relevance(network, ((batch.images, batch.labels) for batch in batches), 10)
    masks = nemo.module_masks(found.frequencies, THRESHOLD)
    logits = predict(network, digits.test, digits)
    result: dict[str, Any] = {
        **asdict(cell),
        "settings": cell.settings,
        "accuracy": subtask_accuracy(logits, digits.test.labels, range(10)),
        "krr": kernel_retention_rate(masks),
        "jaccard": None,
        "seconds": seconds,
        "subtasks": [],
    }
    if trainer.rehearsal is not None:
        rehearsed = nemo.module_masks([each.double() for each in trainer.rehearsal.frequencies], THRESHOLD)
        both = (torch.cat([each.flatten() for each in side])[None].float() for side in (rehearsed, masks))
        result["jaccard"] = float(jaccard(*both))
    seen = replace(digits, train=trainer.images)  # what was held out is held out of fine-tuning too
    untuned = nemo.Finetune(epochs=0)
    for classes in subtasks(10, [2, 5], samples, 0):
        cut, tuned = (
            nemo.reuse_module(
                network, masks, seen, classes, finetune=finetune, seed=cell.seed, head="slice", recalibration=images
            ).figures
            for finetune, images in ((untuned, 0), (TUNED_VIT if vit else TUNED, IMAGES))
        )
        result["subtasks"].append(
            {
                "classes": list(classes),
                "whole": subtask_accuracy(logits, digits.test.labels, classes),
                "cut": cut["accuracy_before_finetuning"],
                "recalibrated": tuned["accuracy_before_finetuning"],
                "tuned": tuned["accuracy"],
                "flops": tuned["flops"],
            }
        )
    return result


def rows(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A Markdown table: means over seeds, with their standard deviation."""
    yield (
        "| | | | whole, 10 classes % | KRR % | Jaccard | "
        + " | ".join(f"{size} classes: whole → cut → recalibrated → tuned %" for size in (2, 5))
        + " | s |"
    )
    yield "|---" * 9 + "|"
    for backbone, method in dict.fromkeys((each["backbone"], each["method"]) for each in results):
        for share in (0.0, 0.5):
            own = networks(results, backbone, method, share)
            if not own:
                continue
            alike = [each["jaccard"] for each in own if each["jaccard"] is not None]
            cells = [
                f"`{Path(backbone).stem}`",
                f"`{method}` " + " / ".join(f"{value:g}" for value in own[0]["settings"].values()),
                f"`as_cut: {share:g}`" if share else "published",
                told([each["accuracy"] for each in own]),
                told([each["krr"] for each in own]),
                f"{fmean(alike):.3f}" if alike else "",
                *(" → ".join(told(of_size(own, size, what)) for what in STAGES) for size in (2, 5)),
                f"{fmean(each['seconds'] for each in own):.0f}",
            ]
            yield f"| {' | '.join(cells)} |"


def promises(results: Sequence[dict[str, Any]]) -> Iterator[str]:
    """A Markdown table: what networks that rehearsed may lose, and what they lost, means over the seeds of both."""
    yield "| | | whole, points | KRR, points | recalibrated over whole: 2, 5 classes | Jaccard | |"
    yield "|---" * 7 + "|"
    for backbone, method in dict.fromkeys((each["backbone"], each["method"]) for each in results):
        sides = [{each["seed"]: each for each in networks(results, backbone, method, share)} for share in (0.0, 0.5)]
        seeds = sorted(sides[0].keys() & sides[1].keys())
        if not seeds:
            continue
        pairs = [(sides[0][seed], sides[1][seed]) for seed in seeds]
        whole, krr = (
            judge_pairs(np.array([[after[what] - before[what]] for before, after in pairs]), what)
            for what in ("accuracy", "krr")
        )
        after = [each for _, each in pairs]
        kept = [fmean(of_size(after, size, "recalibrated")) / fmean(of_size(after, size, "whole")) for size in (2, 5)]
        alike = fmean(each["jaccard"] for each in after)
        holds = whole.difference >= -0.02 and krr.difference <= 0.05 and min(kept) >= 0.95 and alike >= 0.95
        cells = [
            f"`{Path(backbone).stem}`",
            f"`{method}`",
            whole.told(100, 1),
            f"{100 * krr.difference:+.1f} ({krr.between(100, 1)})",
            ", ".join(f"{share:.3f}" for share in kept),
            f"{alike:.3f}",
            "holds" if holds else "**fails**",
        ]
        yield f"| {' | '.join(cells)} |"


def networks(results: Sequence[dict[str, Any]], backbone: str, method: str, share: float) -> list[dict[str, Any]]:
    """Those of one backbone, method and recipe."""
    wanted = (backbone, method, share)
    return [each for each in results if (each["backbone"], each["method"], each["as_cut"]) == wanted]


def of_size(results: Sequence[dict[str, Any]], size: int, what: str) -> list[float]:
    """Per network the mean over its sub-tasks of a size."""
    return [fmean(each[what] for each in result["subtasks"] if len(each["classes"]) == size) for result in results]


def told(values: Sequence[float]) -> str:
    """Mean and standard deviation in percent."""
    return f"{100 * fmean(values):.1f}" + (f" ±{100 * stdev(values):.1f}" if len(values) > 1 else "")


def main() -> None:
    """Trains what is missing, and prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--backbones", nargs="+", default=BACKBONES)
    parser.add_argument("--methods", nargs="+", default=("mwt", "nemo"), choices=("mwt", "nemo"))
    parser.add_argument("--seeds", nargs="+", type=int, default=(0, 1, 2))
    parser.add_argument("--samples", type=int, default=4, help="sub-tasks of each size, the same for all networks (4)")
    parser.add_argument("--out", type=Path, default=Path("runs/rehearsal"), help="where the figures are kept, as JSON")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes of one thread")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    cells = [
        Cell(backbone, method, seed, share)
        for seed in options.seeds
        for backbone in options.backbones
        for method in options.methods
        for share in (0.0, 0.5)
    ]
    missing = [cell for cell in cells if not (options.out / cell.file).exists()]
    print(f"{len(cells) - len(missing)} of {len(cells)} networks are there already", flush=True)
    with ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool:
        running = {pool.submit(measured, cell, options.samples): cell for cell in missing}
        for done, future in enumerate(as_completed(running), len(cells) - len(missing) + 1):
            name = options.out / running[future].file
            partial = name.with_suffix(".partial")
            partial.write_text(json.dumps(future.result(), indent=1) + "\n")
            partial.replace(name)
            print(f"{done} of {len(cells)}: {name.stem}", flush=True)
    results = [json.loads((options.out / cell.file).read_text()) for cell in cells]
    print("", *rows(results), "", *promises(results), sep="\n")


if __name__ == "__main__":
    main()
