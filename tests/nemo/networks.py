"""Networks in a state in which a test of surgery means something."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nemo.backbones import BACKBONE_NAMES, build_backbone
from nemo.backbones.backbone import Backbone, init_convolutions
from nemo.backbones.vit_config import is_transformer
from nemo.image_size import ImageSize, height_width
from nemo.masking import make_modular
from nemo.modular import ModularNetwork

CNNS = tuple(name for name in BACKBONE_NAMES if not is_transformer(name))


def calibrated(
    backbone: str,
    *,
    width: float = 0.25,
    image_size: ImageSize = 32,
    num_classes: int = 10,
    make: Callable[[Backbone], ModularNetwork] = make_modular,
) -> ModularNetwork:
    """A float64 modular network in eval mode with live BatchNorm statistics (method.md B).

    The statistics come from forward passes on random images and are then perturbed by 20 %: drawn freely they would
    kill the signal, and every surgery would look exact.
    """
    torch.manual_seed(0)
    modular = make(build_backbone(backbone, num_classes, width, image_size)).double().train()
    if not any(isinstance(layer, nn.BatchNorm2d) for layer in modular.modules()):
        init_convolutions(modular)  # PyTorch's own start lets the signal fade where no norm holds it up
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


def images(count: int, image_size: ImageSize = 32) -> Tensor:
    return torch.rand(count, 3, *height_width(image_size), dtype=torch.float64)


def random_masks(
    modular: ModularNetwork,
    generator: torch.Generator,
    num_classes: int = 10,
    *,
    thin: float = 0.5,
    sparsest: float = 0.0,
) -> list[Tensor]:
    """Module masks of every density from `sparsest` on; a share `thin` of the layers keeps a single unit or three."""
    masks = []
    for width in modular.widths:
        density = sparsest + (1 - sparsest) * torch.rand((), generator=generator)
        mask = torch.rand(num_classes, width, generator=generator) < density
        kind = int(torch.rand((), generator=generator) * 2 / thin)
        if kind < 2:  # the same 1 or 3 units in every class, so that the union has just these
            units = torch.randperm(width, generator=generator)[: 1 + 2 * kind]
            mask = torch.zeros_like(mask)
            mask[:, units] = True
        mask[:, 0] |= ~mask.any(1)
        masks.append(mask)
    return masks


class constant_masks:
    """Within this context the network is under the constant mask of the given classes.

    Its sample masks are replaced by the union, or, `keep_values`, multiplied by it. Where it has no generators the
    activations at its sites are multiplied.
    """

    def __init__(self, modular: ModularNetwork, masks: list[Tensor], classes: list[int], *, keep_values: bool = False):
        self.modular = modular
        self.unions = [mask[classes].any(0) for mask in masks]
        self.keep_values = keep_values

    def __enter__(self) -> None:
        activations = self.modular.source == "activations"

        def hook(union: Tensor):  # type: ignore[no-untyped-def]
            def masked(module: nn.Module, args: object, out: Tensor) -> Tensor:
                shaped = union.to(out).view(1, -1, *(1 for _ in out.shape[2:]))
                return out * shaped if self.keep_values or activations else shaped.expand_as(out)

            return masked

        self.handles = [
            (unit if activations else unit.mask_generator).register_forward_hook(hook(union))
            for unit, union in zip(self.modular.units, self.unions, strict=True)
        ]

    def __exit__(self, *exc: object) -> None:
        for handle in self.handles:
            handle.remove()
