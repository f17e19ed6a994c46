"""Residual additions that look up where they would scatter: what an exported program is made of.

After surgery the two sides of an addition carry different channels, and each is added to its places in the sum
(`index_add`). That is right and fast in torch, but torch's ONNX exporter makes another sum of it, for the channels of
images. Here each place of the sum looks up its channel instead, or a zero: the same numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemo.layers import Residual


def with_gathers(network: nn.Module) -> nn.Module:
    """Replaces the additions of a network that scatter, in place; returns the network."""
    for name, child in list(network.named_children()):
        with_gathers(child)
        if isinstance(child, Residual) and child.body_index is not None:
            setattr(network, name, GatheredResidual(child))
    return network


class Places(nn.Module):
    """Spreads channels `[B, k, H, W]` over the places of a sum `[B, width, H, W]`, with zeros where it has none.

    Args:
        index: The place of each channel, ascending.
        width: Number of places.
    """

    places: Tensor | None

    def __init__(self, index: Tensor, width: int) -> None:
        super().__init__()
        places = None
        if len(index) < width:
            places = torch.full((width,), len(index), device=index.device)  # one past the end: the zero
            places[index] = torch.arange(len(index), device=index.device)
        self.register_buffer("places", places)

    def forward(self, x: Tensor) -> Tensor:
        if self.places is None:
            return x
        return F.pad(x, (0, 0, 0, 0, 0, 1)).index_select(1, self.places)


class GatheredResidual(nn.Module):
    """A `Residual` whose sides carry different channels."""

    def __init__(self, block: Residual) -> None:
        super().__init__()
        assert block.body_index is not None and block.shortcut_index is not None and block.width is not None
        self.body, self.shortcut, self.relu = block.body, block.shortcut, block.relu
        self.body_places = Places(block.body_index, block.width)
        self.shortcut_places = Places(block.shortcut_index, block.width)

    def forward(self, x: Tensor) -> Tensor:
        identity: Tensor = x if self.shortcut is None else self.shortcut(x)
        y: Tensor = self.body_places(self.body(x)) + self.shortcut_places(identity)
        return F.relu(y) if self.relu else y
