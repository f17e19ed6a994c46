"""Accuracy, loss and sample-level mask metrics of a network on a split (method.md 5.5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nemo.datasets.dataset import Dataset, Split
from nemo.distillation import CrossEntropy, Learning
from nemo.distributed import Workers
from nemo.example import logits_of
from nemo.loader import Loader
from nemo.metrics import batch_metrics, sample_metrics
from nemo.modes import eval_mode

BATCH = 128  # the published size; sample-level cohesion and coupling are means over pairs *within* a batch


def forward(
    network: Callable[..., Any], images: Tensor, precision: str, imposed: Sequence[Tensor] | None = None
) -> tuple[Tensor, list[Tensor]]:
    """Runs any network, under bf16 autocast where asked: logits `[B, N]` and masks, none of a standard network.

    What is imposed, see `ModularNetwork.forward`, is for modular networks alone.
    """
    with torch.autocast(images.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        output = network(images) if imposed is None else network(images, imposed)
    return output if isinstance(output, tuple) else (logits_of(output), [])


@torch.no_grad()
def evaluate(
    network: nn.Module,
    split: Split,
    dataset: Dataset,
    *,
    device: torch.device | str = "cpu",
    precision: str = "float32",
    channels_last: bool = False,
    workers: Workers | None = None,
    terms: Callable[[list[Tensor], Tensor], dict[str, Tensor]] | None = None,
    learning: Learning | None = None,
) -> dict[str, float]:
    """Evaluates in eval mode, without augmentation; the network's mode is restored.

    Args:
        network: Standard or modular, on `device`.
        split: What to evaluate on.
        dataset: Tells how images are normalised.
        device: Where to evaluate.
        precision: See `Recipe`.
        channels_last: See `Recipe`.
        workers: This worker's place among those that share the evaluation; all get the same figures.
        terms: Of a modular network, `(masks, labels) -> name -> value` of a whole batch, to be averaged; among them
            `objective`, what the method adds to the cross-entropy.
        learning: What is learned of the labels; None is cross-entropy.

    Returns:
        `accuracy` (0..1), `loss_ce` (and `loss_kl` where there is a teacher) and `loss`; of a modular network also the
        terms, and what `sample_metrics` tells.
    """
    workers, learning = workers or Workers(), learning or CrossEntropy()
    loader = Loader(
        split,
        dataset=dataset,
        batch_size=BATCH,
        train=False,
        device=device,
        channels_last=channels_last,
        rank=workers.rank,
        world=workers.world,
    )
    totals: dict[str, Tensor] = {}  # sums over this worker's images
    sums: dict[str, Tensor] = {}
    weighted: dict[str, Tensor] = {}
    with eval_mode(network):
        for batch in loader.epoch():
            logits, masks = forward(network, batch.images, precision)
            own = batch.counts[workers.rank]
            logits, labels = logits[:own].float(), batch.labels[:own]
            add_up(totals, {"accuracy": (logits.argmax(1) == labels).sum().double()})
            losses = learning.losses(batch.images, logits, labels)
            add_up(totals, {name: value.double() for name, value in losses.items()})
            if masks:
                whole = workers.gather(masks, batch.labels, batch.counts)
                add_up(sums, batch_metrics(*whole))
                if terms is not None:
                    add_up(weighted, {name: value * batch.size for name, value in terms(*whole).items()})
    shares = (workers.sum(torch.stack(list(totals.values()))) / len(split.labels)).tolist()
    figures = dict(zip(totals, shares, strict=True))
    means = {name: float(value) / len(split) for name, value in weighted.items()}
    loss = sum(weight * figures[name] for name, weight in learning.weights.items()) + means.pop("objective", 0.0)
    return {**figures, "loss": loss, **means, **(sample_metrics(sums) if sums else {})}


def add_up(sums: dict[str, Tensor], values: dict[str, Tensor]) -> None:
    """Adds values to sums of the same names, on their device: reading them here would wait for it."""
    for name, value in values.items():
        sums[name] = sums[name] + value if name in sums else value


@torch.no_grad()
def predict(
    network: nn.Module,
    split: Split,
    dataset: Dataset,
    *,
    device: torch.device | str = "cpu",
    precision: str = "float32",
) -> Tensor:
    """The logits of every image of a split, in order: float32 `[n, N]` on the CPU."""
    loader = Loader(split, dataset=dataset, batch_size=BATCH, train=False, device=device)
    with eval_mode(network):
        return torch.cat([forward(network, batch.images, precision)[0].float() for batch in loader.epoch()]).cpu()
