"""Whole training epochs, data path included: ours over the usual way, and how long 200 of them take.

Ours is `Trainer.run_epoch`, with and without the evaluation of all test images. The usual way is the textbook step
(textbook.py) in the same precision, on batches of a DataLoader with torchvision's transforms and worker processes. The
clock is that on the wall, so measure on a machine that does nothing else.

    python benchmarks/epoch.py --device cuda --precision bfloat16 --channels-last --compile --save
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from data_path import Pictures
from measuring import Ratio, Seconds, arguments, in_turns, ratio, report
from random_images import CLASSES, random_images
from textbook import TextbookStep
from torch.utils.data import DataLoader

import nemo
from nemo.datasets.dataset import Dataset
from nemo.training import Trainer

EPOCHS = 200  # of the published recipe, for what a whole training takes


def trainer_of(backbone: str, dataset: Dataset, options: argparse.Namespace, evaluate: bool) -> Trainer:
    network = nemo.build_network(backbone, options.method, CLASSES, width=options.width)
    recipe = nemo.Recipe(
        epochs=EPOCHS,
        batch_size=options.batch_size,
        lr=1e-3,
        precision=options.precision,
        channels_last=options.channels_last,
        compile=options.compile,
    )
    return Trainer(network, dataset, options.method, {}, recipe, seed=0, device=options.device, evaluate=evaluate)


def usual_epoch(trainer: Trainer, dataset: Dataset, options: argparse.Namespace) -> Callable[[], None]:
    """The textbook's epoch, of a copy of the trainer's network."""
    step = TextbookStep(trainer.network, options.method, dict(trainer.settings), lr=1e-3)  # type: ignore[arg-type]
    workers = options.workers
    batches = DataLoader(
        Pictures(dataset),
        batch_size=options.batch_size,
        shuffle=True,
        num_workers=workers,
        pin_memory=options.device != "cpu",
        persistent_workers=workers > 0,
    )

    def run() -> None:
        for images, labels in batches:
            with torch.autocast(options.device, torch.bfloat16, enabled=options.precision == "bfloat16"):
                step(images.to(options.device, non_blocking=True), labels.to(options.device, non_blocking=True))

    return run


def measured(backbone: str, options: argparse.Namespace) -> Seconds:
    """Seconds per epoch of every side; the first, in which kernels are chosen and compiled, does not count."""
    dataset = random_images(options.images, options.images // 5)
    alone, evaluated = (trainer_of(backbone, dataset, options, evaluate) for evaluate in (False, True))
    sides: dict[str, Callable[[], object]] = {
        "ours": alone.run_epoch,
        "ours, evaluated": evaluated.run_epoch,
        "textbook": usual_epoch(alone, dataset, options),
    }
    if options.device != "cpu":
        sides = {side: _to_the_end(epoch) for side, epoch in sides.items()}
    return in_turns(sides, options.rounds, clock=time.perf_counter)


def _to_the_end(epoch: Callable[[], object]) -> Callable[[], None]:
    def run() -> None:
        epoch()
        torch.cuda.synchronize()

    return run


def main() -> None:
    parser = arguments(__doc__, rounds=3)
    parser.add_argument("--backbones", nargs="+", default=["vgg16", "resnet18"])
    parser.add_argument("--method", default="mwt", choices=["mwt", "nemo"])
    parser.add_argument("--images", type=int, default=50_000, help="of an epoch; a fifth as many are evaluated")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--width", type=float, default=1.0, help="of the backbones")
    parser.add_argument("--workers", type=int, default=4, help="processes of the DataLoader")
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--compile", action="store_true", help="compile our step")
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    every = {backbone: measured(backbone, options) for backbone in options.backbones}
    ratios: list[Ratio] = [
        ratio(f"{backbone}: images per second, ours over textbook", seconds, "textbook", "ours", at_least=5)
        for backbone, seconds in every.items()
    ]
    name = "epoch" if options.device == "cpu" else f"epoch-{options.device}"
    report(name, options, ratios, every)
    print(f"\n| seconds (medians) | {' | '.join(next(iter(every.values())))} | {EPOCHS} epochs, evaluated |")
    print("|---|---|---|---|---|")
    for backbone, seconds in every.items():
        medians = [statistics.median(values) for values in seconds.values()]
        print(f"| {backbone} | {' | '.join(f'{value:.2f}' for value in medians)} | {EPOCHS * medians[1]:.0f} |")


if __name__ == "__main__":
    main()
