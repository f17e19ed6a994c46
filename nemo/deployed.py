"""A module as it is deployed: images in 0..1, or texts, to logits, alone or composed into one classifier."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from typing import Self, cast

import torch
from torch import Tensor, fx, nn

from nemo.backbones.backbone import Backbone
from nemo.datasets.dataset import Dataset
from nemo.example import blank
from nemo.image_size import ImageSize, input_shape


class Deployed(nn.Module):
    """A module that normalises its images itself, so that whoever runs it needs to know nothing of its training.

    Texts it takes as they are, `[B, T]` as `nemo.tokens` packs them.

    Attributes:
        module: Normalised images `[B, 3, H, W]` to logits `[B, n]`; or texts.
        scale: `[1, 3, 1, 1]`, what the channels of an image in 0..1 are multiplied by; None of texts.
        shift: `[1, 3, 1, 1]`, what is then added to them.
    """

    scale: Tensor | None
    shift: Tensor | None

    def __init__(
        self, module: nn.Module, mean: Sequence[float] | None = None, std: Sequence[float] | None = None
    ) -> None:
        """Takes mean and deviation of each channel of images; of texts none."""
        super().__init__()
        self.module = module
        scale = shift = None
        if mean is not None and std is not None:
            centre, deviation = (torch.tensor(list(part)).view(1, 3, 1, 1) for part in (mean, std))
            scale, shift = 1 / deviation, -centre / deviation
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)

    @classmethod
    def of(cls, module: nn.Module, dataset: Dataset) -> Self:
        """A module that has learned from a data set, in eval mode."""
        deployed = cls(module) if dataset.is_text else cls(module, dataset.mean, dataset.std)
        return deployed.eval()

    def _normalised(self, inputs: Tensor) -> Tensor:
        return inputs if self.scale is None or self.shift is None else inputs * self.scale + self.shift

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps float images `[B, 3, H, W]` in 0..1, or texts `[B, T]`, to logits `[B, n]`."""
        logits: Tensor = self.module(self._normalised(inputs))
        return logits

    def features(self, inputs: Tensor) -> Tensor:
        """What the module's last linear layer sees of images in 0..1, or texts: `[B, F]`."""
        if not isinstance(self.module, Backbone):
            return _last_input(self.module, self._normalised(inputs))
        x: Tensor = self.module.body(self._normalised(inputs))
        if isinstance(self.module.head, nn.Sequential):
            for layer in list(self.module.head)[:-1]:
                x = layer(x)
        return x.flatten(1)


def _last_input(module: nn.Module, inputs: Tensor) -> Tensor:
    """What the linear layer that runs last sees, of a module that was cut out of another network than ours."""
    assert isinstance(module, fx.GraphModule)
    called = (module.get_submodule(str(node.target)) for node in module.graph.nodes if node.op == "call_module")
    *_, last = (layer for layer in called if isinstance(layer, nn.Linear))
    seen: list[Tensor] = []
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    try:
        module(inputs)
    finally:
        hook.remove()
    return seen[0].flatten(1)


class Composed(nn.Module):
    """Several modules as one classifier: what they see of an image, side by side, and one head on it (MwT paper, 3.4).

    Only the head learns: the modules stay what they were, in eval mode, so that one of them can be replaced.

    Attributes:
        parts: The modules, all of images of one size, or of texts.
        head: Their features to the logits of the union of their classes.
    """

    def __init__(self, parts: Sequence[Deployed], classes: int, image_size: ImageSize) -> None:
        super().__init__()
        self.parts = nn.ModuleList(deepcopy(part) for part in parts).requires_grad_(False).eval()
        device = next(parts[0].parameters()).device
        with torch.no_grad():
            features = self.features(blank(input_shape(image_size), 1, device=device)).shape[1]
        self.head = nn.Linear(features, classes, device=device)

    @property
    def _deployed(self) -> list[Deployed]:
        return cast("list[Deployed]", list(self.parts))

    def features(self, inputs: Tensor) -> Tensor:
        """All modules' features of images in 0..1, or texts: `[B, F]`."""
        return torch.cat([part.features(inputs) for part in self._deployed], dim=1)

    def forward(self, inputs: Tensor) -> Tensor:
        """Maps float images `[B, 3, H, W]` in 0..1, or texts `[B, T]`, to logits `[B, n]`."""
        logits: Tensor = self.head(self.features(inputs))
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
