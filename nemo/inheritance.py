"""What a module inherits of its network's defects: images that mislead the one, shown to the other (method.md 9.8)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemo.attack import EPSILON, STEP, STEPS, Attack
from nemo.datasets.dataset import Dataset
from nemo.evaluation import BATCH, forward
from nemo.loader import Loader
from nemo.modes import eval_mode

Logits = Callable[[Tensor], Tensor]
"""Normalised images `[B, 3, H, W]` to logits `[B, n]`, through which gradients flow."""


def inherited(
    module: nn.Module,
    source: Logits,
    subtask: Dataset,
    attack: Attack,
    *,
    epsilon: float = EPSILON,
    seed: int = 0,
    device: torch.device | str = "cpu",
) -> dict[str, float]:
    """How many answers an attack on one network flips of another, and of itself.

    Args:
        module: Logits `[B, n]` of a sub-task's classes; on `device`.
        source: What is attacked: the network that the module was cut from, with the logits of these classes, in eval
            mode on `device`.
        subtask: Its test images are changed.
        attack: How.
        epsilon: How far a channel of a pixel may move, of values in 0..1.
        seed: Of where `pgd` starts.
        device: Where.

    Returns:
        `module` and `source`: the share of those test images that each tells right whose changed form it tells wrong;
        0 of one that tells none right.
    """
    right, flipped = {"module": 0, "source": 0}, {"module": 0, "source": 0}
    generator = torch.Generator().manual_seed(seed)

    def answers(images: Tensor) -> Tensor:
        return forward(module, images, "float32")[0]

    with eval_mode(module):
        for batch in Loader(subtask.test, dataset=subtask, batch_size=BATCH, train=False, device=device).epoch():
            start = torch.rand(batch.images.shape, generator=generator).to(batch.images)
            changed = attacked(source, batch.images, batch.labels, attack, subtask, epsilon=epsilon, start=start)
            for name, network in (("module", answers), ("source", source)):
                with torch.no_grad():
                    before, after = (network(each).argmax(1) == batch.labels for each in (batch.images, changed))
                right[name] += int(before.sum())
                flipped[name] += int((before & ~after).sum())
    return {name: flipped[name] / max(1, right[name]) for name in right}


def attacked(
    source: Logits,
    images: Tensor,
    labels: Tensor,
    attack: Attack,
    dataset: Dataset,
    *,
    epsilon: float = EPSILON,
    start: Tensor | None = None,
) -> Tensor:
    """Images changed so that a network's cross-entropy grows: by at most epsilon a channel, and in 0..1.

    Args:
        source: The network.
        images: `[B, 3, H, W]`, normalised.
        labels: `[B]`.
        attack: `fgsm` (Goodfellow et al. 2015) or `pgd` (Madry et al. 2018).
        dataset: By whose mean and deviation they are normalised.
        epsilon: Of values in 0..1.
        start: Of `pgd`, per value where it starts within its range, 0..1; None for the image itself.
    """
    mean, std = (torch.tensor(part).view(1, 3, 1, 1).to(images) for part in (dataset.mean, dataset.std))
    radius = epsilon / std
    low, high = torch.maximum(images - radius, -mean / std), torch.minimum(images + radius, (1 - mean) / std)
    if attack == "fgsm":
        return (images + radius * _direction(source, images, labels)).clamp(low, high)
    changed = images if start is None else low + (high - low) * start
    for _ in range(STEPS):
        changed = (changed + STEP / std * _direction(source, changed, labels)).clamp(low, high)
    return changed


@torch.enable_grad()
def _direction(source: Logits, images: Tensor, labels: Tensor) -> Tensor:
    images = images.detach().requires_grad_()
    loss = F.cross_entropy(source(images), labels, reduction="sum")
    (gradient,) = torch.autograd.grad(loss, images)
    return gradient.sign()
