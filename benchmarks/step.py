"""What a modular training step costs over a standard one under the same settings, eager or compiled.

For every backbone the steps of its networks take turns on the same images: the standard one, and of each objective ours
and the same as a textbook would write it (textbook.py, always eager). Forward, backward, optimizer and the terms
that are logged; no data path. How often each makes the host wait for a device is counted by the profiler on a CPU, by
torch itself on a GPU, where the clock is that on the wall.

    python benchmarks/step.py --save
    python benchmarks/step.py --compile --save
    python benchmarks/step.py --compile --device cuda --precision bfloat16 --channels-last --steps 20
"""

from __future__ import annotations

import argparse
import gc
import time
import warnings
from collections.abc import Callable
from functools import partial

import torch
from measuring import Ratio, Seconds, arguments, in_turns, ratio, report
from random_images import CLASSES, random_images
from textbook import TextbookStep
from torch import Tensor

import nemo
from nemo.backbones.vit_config import ROLES
from nemo.datasets.dataset import Dataset
from nemo.loader import Batch
from nemo.training import Trainer

BATCHES = {"vgg16": 128, "resnet18": 64, "vit_s": 32}
AT_MOST = {"vgg16": 1.06, "resnet18": 1.08, "vit_s": 1.10}  # both compiled
EAGER_AT_MOST = 1.15
GPU_AT_MOST = 1.20
WAITS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "is_nonzero", "equal")


def trainer_of(method: str, backbone: str, dataset: Dataset, options: argparse.Namespace) -> Trainer:
    network = nemo.build_network(backbone, method, CLASSES, width=options.width, roles=options.roles)
    recipe = nemo.Recipe(
        batch_size=len(dataset.train),
        lr=1e-3,  # random labels, and the costs are the same at any rate
        precision=options.precision,
        channels_last=options.channels_last,
        compile=options.compile,
    )
    return Trainer(network, dataset, method, {}, recipe, seed=0, device=options.device)


def waits(step: Callable[[], object], device: str) -> int:
    """Operations of a step whose result the host has to wait for."""
    if device != "cpu":
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            step()
        torch.cuda.set_sync_debug_mode("default")
        return sum("synchronizing" in str(each.message) for each in told)
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profile:
        step()
    names = [event.name.removeprefix("aten::") for event in profile.events()]
    return sum(name.startswith(WAITS) for name in names)


def measured(backbone: str, options: argparse.Namespace) -> tuple[Seconds, dict[str, int]]:
    """Seconds per round of every side, and how often a step of each waits."""
    size = options.batch_size or BATCHES[backbone]
    dataset = random_images(size, size)
    standard = trainer_of("standard", backbone, dataset, options)
    batch = next(iter(standard.loader.epoch(0)))
    steps = {"standard": partial(_learn, standard, batch)}
    for method in options.methods:
        modular = trainer_of(method, backbone, dataset, options)
        textbook = TextbookStep(modular.network, method, dict(modular.settings), lr=1e-3)
        if options.precision == "float32":
            check(modular, textbook, batch)
        steps[method] = partial(_learn, modular, batch)
        steps[f"{method}, textbook"] = partial(_textbook, textbook, batch.images, batch.labels, options)
    sides = {side: _repeated(step, options) for side, step in steps.items()}
    clock = time.process_time if options.device == "cpu" else time.perf_counter
    seconds = in_turns(sides, options.rounds, warm_up=2, clock=clock)
    return seconds, {side: waits(step, options.device) for side, step in steps.items()}


def check(trainer: Trainer, textbook: TextbookStep, batch: Batch) -> None:
    """Both forms have to mean the same loss."""
    losses = []
    for step in (lambda: trainer.loss(batch, 0.0)[0].item(), lambda: textbook(batch.images, batch.labels)["loss"]):
        torch.manual_seed(0)  # of dropout
        trainer.model.train()
        losses.append(step())
    ours, theirs = losses[0], losses[1] - textbook.constant(batch.labels)
    assert abs(ours - theirs) < 1e-3 * abs(theirs), (ours, theirs)


def _repeated(step: Callable[[], object], options: argparse.Namespace) -> Callable[[], None]:
    def repeated() -> None:
        for _ in range(options.steps):
            step()
        if options.device != "cpu":
            torch.cuda.synchronize()

    return repeated


def _learn(trainer: Trainer, batch: Batch) -> None:
    trainer.model.train()
    trainer.step(batch, progress=0.0)


def _textbook(step: TextbookStep, images: Tensor, labels: Tensor, options: argparse.Namespace) -> None:
    with torch.autocast(images.device.type, torch.bfloat16, enabled=options.precision == "bfloat16"):
        step(images, labels)


def main() -> None:
    parser = arguments(__doc__, rounds=9)
    parser.add_argument("--backbones", nargs="+", default=list(BATCHES), choices=list(BATCHES))
    parser.add_argument("--methods", nargs="+", default=["mwt", "nemo"], choices=["mwt", "nemo"])
    parser.add_argument("--compile", action="store_true", help="compile the standard and the modular step")
    parser.add_argument("--steps", type=int, default=1, help="in a round")
    parser.add_argument("--width", type=float, default=1.0, help="of the backbones")
    parser.add_argument("--batch-size", type=int, help="of all, instead of the published ones")
    roles = "layers of a Transformer's blocks with masks; all of them"
    parser.add_argument("--roles", nargs="+", default=ROLES, choices=ROLES, help=roles)
    parser.add_argument("--precision", default="float32", choices=["float32", "bfloat16"])
    parser.add_argument("--channels-last", action="store_true")
    parser.add_argument("--device", default="cpu", help="cpu (the default) or cuda")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ratios: list[Ratio] = []
    every: dict[str, Seconds] = {}
    counts: dict[str, dict[str, int]] = {}
    for backbone in options.backbones:
        seconds, counts[backbone] = measured(backbone, options)
        every[backbone] = seconds
        bound = AT_MOST[backbone] if options.compile else EAGER_AT_MOST
        if options.device != "cpu":
            bound = GPU_AT_MOST
        for method in options.methods:
            ratios.append(ratio(f"{backbone}: {method} over standard", seconds, method, "standard", at_most=bound))
            textbook = f"{method}, textbook"
            ratios.append(ratio(f"{backbone}: {textbook} over standard", seconds, textbook, "standard"))
        gc.collect()  # a ViT-S with its generators and momentum is a gigabyte
        torch._dynamo.reset()
        print(f"{backbone}: measured", flush=True)
    name = "step-compiled" if options.compile else "step"
    report(name if options.device == "cpu" else f"{name}-{options.device}", options, ratios, every, waits=counts)
    sides = list(next(iter(counts.values())))
    print(f"\n| host waits in a step | {' | '.join(sides)} |\n{'|---' * (len(sides) + 1)}|")
    for backbone, waited in counts.items():
        print(f"| {backbone} | " + " | ".join(str(waited[side]) for side in sides) + " |")


if __name__ == "__main__":
    main()
