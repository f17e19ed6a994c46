"""A module as it is deployed: images in 0..1 to logits, alone or composed with others into one classifier."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Self, cast

import torch
from torch import Tensor, fx, nn

from nemo.backbones.backbone import Backbone
from nemo.image_size import ImageSize, height_width


class Deployed(nn.Module):
    """A module that normalises its images itself, so that whoever runs it needs to know nothing of its training.

    Attributes:
        module: Normalised images `[B, 3, H, W]` to logits `[B, n]`.
        scale: `[1, 3, 1, 1]`, what the channels of an image in 0..1 are multiplied by.
        shift: `[1, 3, 1, 1]`, what is then added to them.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, module: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.module = module
        centre, deviation = (torch.tensor(list(part)).view(1, 3, 1, 1) for part in (mean, std))
        self.register_buffer("scale", 1 / deviation)
        self.register_buffer("shift", -centre / deviation)

    def forward(self, images: Tensor) -> Tensor:
        """Maps float images `[B, 3, H, W]` in 0..1 to logits `[B, n]`."""
        logits: Tensor = self.module(images * self.scale + self.shift)
        return logits

    def features(self, images: Tensor) -> Tensor:
        """What the module's last linear layer sees of images in 0..1: `[B, F]`."""
        if not isinstance(self.module, Backbone):
            return _last_input(self.module, images * self.scale + self.shift)
        x: Tensor = self.module.body(images * self.scale + self.shift)
        if isinstance(self.module.head, nn.Sequential):
            for layer in list(self.module.head)[:-1]:
                x = layer(x)
        return x.flatten(1)


def _last_input(module: nn.Module, images: Tensor) -> Tensor:
    """What the linear layer that runs last sees, of a module that was cut out of another network than ours."""
    assert isinstance(module, fx.GraphModule)
    called = (module.get_submodule(str(node.target)) for node in module.graph.nodes if node.op == "call_module")
    *_, last = (layer for layer in called if isinstance(layer, nn.Linear))
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        module(images)
    finally:
        hook.remove()
    return seen[0].flatten(1)


class Composed(nn.Module):
    """Several modules as one classifier: what they see of an image, side by side, and one head on it (MwT paper, 3.4).

    Only the head learns: the modules stay what they were, in eval mode, so that one of them can be replaced.

    Attributes:
        parts: The modules, all of images of one size.
        head: Their features to the logits of the union of their classes.
    """

    def __init__(self, parts: Sequence[Deployed], classes: int, image_size: ImageSize) -> None:
        super().__init__()
        self.parts = nn.ModuleList(deepcopy(part) for part in parts).requires_grad_(False).eval()
        device = parts[0].scale.device
        with torch.no_grad():
            nothing = torch.zeros(1, 3, *height_width(image_size), device=device)
            features = self.features(nothing).shape[1]
        self.head = nn.Linear(features, classes, device=device)

    @property
    def _deployed(self) -> list[Deployed]:
        return cast("list[Deployed]", list(self.parts))

    def features(self, images: Tensor) -> Tensor:
        """All modules' features of images in 0..1: `[B, F]`."""
        return torch.cat([part.features(images) for part in self._deployed], dim=1)

    def forward(self, images: Tensor) -> Tensor:
        """Maps float images `[B, 3, H, W]` in 0..1 to logits `[B, n]`."""
        logits: Tensor = self.head(self.features(images))
        return logits

    def train(self, mode: bool = True) -> Self:
        """Puts the head into training mode; the modules' norms must not move with the new images."""
        super().train(mode)
        self.parts.eval()
        return self


def for_inference(network: nn.Module) -> nn.Module:
    """A copy on the CPU as files are made of it: float32, in eval mode, without gradients, memory in plain order."""
    copied = deepcopy(network).to("cpu", torch.float32).to(memory_format=torch.contiguous_format)
    return copied.requires_grad_(False).eval()
