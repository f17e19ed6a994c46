"""What modularizing costs: the relevance pass, cohesion over all pairs, and nine thresholds.

* `pass`: frequencies and packed masks of a modular network against one plain evaluation of its standard network, on the
  same random images.
* `cohesion`: one class's module-level cohesion by products in blocks, against the loop over cyclic shifts that the
  papers' figures were computed with (method.md 5.3), of which a few shifts are timed; and checked against brute force,
  pair by pair with Python's sets, on a sample of the rows.
* `thresholds`: nine thresholds against one, the relevance pass included: masks, KRR and coupling over those at 0.9;
  with cohesion over the lowest threshold alone.

    python benchmarks/modularizing.py --save
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from collections.abc import Callable, Sequence

import torch
from measuring import Ratio, Seconds, arguments, in_turns, ratio, report
from random_images import CLASSES, random_images
from torch import Tensor

import nemo
from nemo.bits import pack_bits
from nemo.loader import Loader
from nemo.metrics import cohesions_packed, coupling, kernel_retention_rate
from nemo.modularizing import Relevance, measure_all, module_masks, relevance

NINE = [number / 10 for number in range(1, 10)]


def relevance_pass(options: argparse.Namespace) -> tuple[list[Ratio], Seconds]:
    """Done when modularizing costs at most 1.15 of a plain evaluation."""
    dataset = random_images(options.images, options.images)
    standard, modular = (
        nemo.build_network(options.backbone, method, CLASSES, width=options.width) for method in ("standard", "mwt")
    )
    sides = {
        "evaluation": lambda: nemo.evaluate(standard, dataset.train, dataset),
        "modularizing": lambda: found_by(modular, dataset),
        "evaluation of the modular network": lambda: nemo.evaluate(modular, dataset.train, dataset),
    }
    seconds = in_turns(sides, options.rounds)
    what = f"{options.backbone}: modularizing over a plain evaluation"
    return [ratio(what, seconds, "modularizing", "evaluation", at_most=1.15)], seconds


def found_by(network: nemo.ModularNetwork, dataset: nemo.Dataset) -> Relevance:
    """A relevance pass as a study makes it."""
    loader = Loader(dataset.train, dataset=dataset, batch_size=128, train=False)
    return relevance(network, ((batch.images, batch.labels) for batch in loader.epoch()), CLASSES)


def cohesion(options: argparse.Namespace) -> tuple[list[Ratio], Seconds]:
    """Done when products in blocks are 500 times as fast as loops over pairs, and as exact."""
    bits = correlated(options.samples, options.kernels)
    packed, labels = pack_bits(bits), torch.zeros(len(bits), dtype=torch.int64)
    module = [torch.ones(1, options.kernels, dtype=torch.bool)]
    rows = torch.randperm(len(bits), generator=torch.Generator().manual_seed(1))[:60]
    ((sampled, _),) = cohesions_packed(packed[rows], labels[rows], [module])
    assert abs(sampled - by_sets(bits[rows])) < 1e-6, "the cohesion of a sample is not that of brute force"
    shifts = range(1, len(bits), max(1, (len(bits) - 1) // options.shifts))
    sides = {
        "blocks": lambda: cohesions_packed(packed, labels, [module]),
        "shifts": lambda: [by_shift(bits, shift) for shift in shifts],
    }
    seconds = in_turns(sides, options.rounds, warm_up=0)
    scale = (len(bits) - 1) / len(shifts)
    what = f"cohesion of {len(bits)} x {options.kernels}: loops over pairs over blocks"
    return [ratio(what, seconds, "shifts", "blocks", scale=scale, at_least=500)], seconds


def correlated(samples: int, kernels: int) -> Tensor:
    """Bits of samples of one class: some kernels are relevant to nearly all of them, some to nearly none."""
    generator = torch.Generator().manual_seed(0)
    often = torch.rand(kernels, generator=generator)
    return torch.rand(samples, kernels, generator=generator) < often


def by_shift(bits: Tensor, shift: int) -> float:
    """Mean Jaccard similarity of every row and the one so many further on."""
    other = bits.roll(shift, dims=0)
    common, union = (bits & other).sum(dim=1), (bits | other).sum(dim=1)
    return float(torch.where(union == 0, 1.0, common.double() / union).mean())


def by_sets(bits: Tensor) -> float:
    """The same over all pairs, one by one."""
    sets = [set(row.nonzero().flatten().tolist()) for row in bits]
    pairs = list(itertools.combinations(sets, 2))
    return statistics.fmean(len(a & b) / len(a | b) if a | b else 1.0 for a, b in pairs)


def thresholds(options: argparse.Namespace) -> tuple[list[Ratio], Seconds]:
    """Done when nine thresholds cost at most 1.05 of one without cohesion, and 1.5 with it."""
    dataset = random_images(options.images, options.images)
    network = nemo.build_network(options.backbone, "mwt", CLASSES, width=options.width)

    def side(measured: Callable[[Relevance, Sequence[float]], object], chosen: Sequence[float]) -> Callable[[], object]:
        return lambda: measured(found_by(network, dataset), chosen)

    sides = {
        "one": side(without_cohesion, [0.9]),
        "nine": side(without_cohesion, NINE),
        "lowest with cohesion": side(measure_all, NINE[:1]),
        "nine with cohesion": side(measure_all, NINE),
    }
    seconds = in_turns(sides, options.rounds)
    nine = f"{options.backbone}: nine thresholds over"
    return [
        ratio(f"{nine} one, without cohesion", seconds, "nine", "one", at_most=1.05),
        ratio(f"{nine} the lowest, with cohesion", seconds, "nine with cohesion", "lowest with cohesion", at_most=1.5),
    ], seconds


def without_cohesion(found: Relevance, thresholds: Sequence[float]) -> list[tuple[float, float]]:
    modules = [module_masks(found.frequencies, threshold) for threshold in thresholds]
    return [(kernel_retention_rate(masks), coupling(masks)) for masks in modules]


QUESTIONS = {"pass": relevance_pass, "cohesion": cohesion, "thresholds": thresholds}


def main() -> None:
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--only", nargs="+", default=list(QUESTIONS), choices=list(QUESTIONS))
    parser.add_argument("--backbone", default="vgg16")
    parser.add_argument("--width", type=float, default=1.0, help="of the backbone")
    parser.add_argument("--images", type=int, default=2_000, help="of ten classes, for a pass")
    parser.add_argument("--samples", type=int, default=5_000, help="of one class, for cohesion")
    parser.add_argument("--kernels", type=int, default=4_160, help="for cohesion")
    parser.add_argument("--shifts", type=int, default=20, help="of the loop over pairs that are timed")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    ratios: list[Ratio] = []
    every: dict[str, Seconds] = {}
    for name in options.only:
        found, every[name] = QUESTIONS[name](options)
        ratios += found
    name = "modularizing" if options.only == list(QUESTIONS) else "-".join(["modularizing", *options.only])
    report(name, options, ratios, every)


if __name__ == "__main__":
    main()
