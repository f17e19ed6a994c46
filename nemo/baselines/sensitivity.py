"""Which layers a network cannot do without: where CNNSplitter's first candidates keep more (method.md 8).

That layers differ in this is published, and what candidates keep of either kind. How they are told apart is ours: a
layer is sensitive if the network does not bear what the first candidates would do to a layer that is not.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from nemo.baselines.heredity import KEPT_SHARES, kept_groups

MOST_LOSS = 0.05
"""Accuracy that the probe of a layer may lose; one that loses more is of a sensitive layer."""


def probes(groups: Sequence[int], classes: int, generator: torch.Generator) -> Tensor:
    """The bit strings that tell: one keeps everything, and for each layer one keeps all but most of that layer.

    What is kept of it is the least that a layer keeps that is not sensitive, drawn for each class.

    Args:
        groups: Number of groups of each layer.
        classes: N.
        generator: Of the draws.

    Returns:
        bool `[N, 1 + L, sum(groups)]`.
    """
    least = torch.full((classes, 1), KEPT_SHARES[False][0])
    layers = []
    for layer, count in enumerate(groups):
        bits = torch.ones(classes, 1 + len(groups), count, dtype=torch.bool)
        bits[:, 1 + layer] = kept_groups(least, count, generator)
        layers.append(bits)
    return torch.cat(layers, dim=2)


def sensitive_layers(logits: Tensor, labels: Tensor) -> list[bool]:
    """Whether the classifier that a layer's probes compose is less accurate by more than `MOST_LOSS`.

    Args:
        logits: `[N, 1 + L, n]`: what the module of each class and probe gives its own class, per fitness image.
        labels: int64 `[n]`.
    """
    whole, *probed = (logits.argmax(dim=0) == labels).double().mean(dim=1).tolist()
    return [whole - each > MOST_LOSS for each in probed]
