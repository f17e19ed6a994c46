"""Narrow Transformers and masks in a state in which a test of their surgery means something."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

import nemo
from nemo.backbones.vit_config import ROLES
from nemo.masking import ModularNetwork
from nemo.transformer import TokenUnit

NAMES = ("vit_s", "deit_s")
IMAGE = 16  # 16 patches
CLASSES = [7, 2, 5]


def lively(name: str, *, width: float = 0.125, num_classes: int = 10) -> ModularNetwork:
    """A float64 modular network in eval mode whose logits depend on the image, every norm and every bias."""
    torch.manual_seed(0)
    modular = nemo.make_modular(nemo.build_backbone(name, num_classes, width, IMAGE)).double().eval()
    with torch.no_grad():
        for layer in modular.network.modules():
            if isinstance(layer, nn.LayerNorm):
                layer.weight.copy_(1 + 0.5 * torch.randn_like(layer.weight))
                layer.bias.copy_(0.5 * torch.randn_like(layer.bias))
        for unit in units(modular):
            unit.linear.weight.normal_(0, unit.linear.in_features**-0.5)
            unit.linear.bias.normal_(0, 0.5)
        embedding = modular.network.body[0]
        for value in (embedding.special, embedding.positions):
            value.normal_(0, 0.5)
        for value in modular.network.head.parameters():
            value.normal_()
    return modular


def units(modular: nn.Module) -> Iterator[TokenUnit]:
    return (unit for unit in modular.modules() if isinstance(unit, TokenUnit))


def images(count: int) -> Tensor:
    return torch.rand(count, 3, IMAGE, IMAGE, dtype=torch.float64)


def random_masks(modular: ModularNetwork, generator: torch.Generator, *, empty: bool = True) -> list[Tensor]:
    """Module masks of every density, with heads that lose all values, or all queries, or all keys.

    Args:
        modular: Whose layers.
        generator: Of the draws.
        empty: Whether whole layers may be lost too.
    """

    def draw() -> float:
        return float(torch.rand((), generator=generator))

    masks = []
    for unit in modular.units:
        assert isinstance(unit, TokenUnit)
        mask = torch.rand(10, unit.kernels, generator=generator) < draw()
        if unit.role in ROLES[:3]:
            heads = next(b.body.key_heads.count for b in modular.network.modules() if hasattr(b, "seen"))
            lost = torch.rand(heads, generator=generator) < 0.3
            mask &= ~lost.repeat_interleave(unit.kernels // heads)
        if draw() < 0.1:
            mask[:] = draw() < 0.3  # all, or nothing at all
        if not empty:
            mask[:, 0] |= ~mask.any(1)
        masks.append(mask)
    return masks
