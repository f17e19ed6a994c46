"""Networks in a state in which a test of surgery means something."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from nemo.backbones import BACKBONE_NAMES, build_backbone
from nemo.backbones.vit_config import is_transformer
from nemo.masking import ModularNetwork, make_modular

CNNS = tuple(name for name in BACKBONE_NAMES if not is_transformer(name))


def calibrated(backbone: str, *, width: float = 0.25, image_size: int = 32, num_classes: int = 10) -> ModularNetwork:
    """A float64 modular network in eval mode with live BatchNorm statistics (method.md B).

    The statistics come from forward passes on random images and are then perturbed by 20 %: drawn freely they would
    kill the signal, and every surgery would look exact.
    """
    torch.manual_seed(0)
    modular = make_modular(build_backbone(backbone, num_classes, width, image_size)).double().train()
    for layer in modular.modules():
        if isinstance(layer, nn.Linear) and layer.weight.std() < 0.02:
            layer.weight.data.mul_(10)  # VGG16's published start is so small that all logits look alike
    with torch.no_grad():
        for _ in range(3):
            modular(images(16, image_size))
        for layer in modular.modules():
            if isinstance(layer, nn.BatchNorm2d):
                for value in (layer.running_mean, layer.running_var, layer.weight, layer.bias):
                    assert value is not None
                    value.mul_(1 + 0.2 * (2 * torch.rand_like(value) - 1)).add_(0.01 * torch.randn_like(value).abs())
    return modular.eval()


def images(count: int, image_size: int = 32) -> Tensor:
    return torch.rand(count, 3, image_size, image_size, dtype=torch.float64)


def random_masks(modular: ModularNetwork, generator: torch.Generator, num_classes: int = 10) -> list[Tensor]:
    """Module masks of every density, layers that keep a single unit and layers that keep three among them."""
    masks = []
    for width in modular.widths:
        density = torch.rand((), generator=generator)
        mask = torch.rand(num_classes, width, generator=generator) < density
        kind = int(torch.randint(0, 4, (), generator=generator))
        if kind < 2:  # the same 1 or 3 units in every class, so that the union has just these
            units = torch.randperm(width, generator=generator)[: 1 + 2 * kind]
            mask = torch.zeros_like(mask)
            mask[:, units] = True
        mask[:, 0] |= ~mask.any(1)
        masks.append(mask)
    return masks


class constant_masks:
    """Within this context the network's sample masks are `replace(sample mask, union)` for the given classes."""

    def __init__(self, modular: ModularNetwork, masks: list[Tensor], classes: list[int], *, keep_values: bool = False):
        self.modular = modular
        self.unions = [mask[classes].any(0) for mask in masks]
        self.keep_values = keep_values

    def __enter__(self) -> None:
        def hook(union: Tensor):  # type: ignore[no-untyped-def]
            return lambda module, args, out: out * union if self.keep_values else union.to(out).expand_as(out)

        self.handles = [
            unit.mask_generator.register_forward_hook(hook(union))  # type: ignore[union-attr]
            for unit, union in zip(self.modular.units, self.unions, strict=True)
        ]

    def __exit__(self, *exc: object) -> None:
        for handle in self.handles:
            handle.remove()
