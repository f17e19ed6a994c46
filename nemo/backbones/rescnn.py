"""ResCNN: twelve convolutions with three identity skips (method.md 1.6)."""

from __future__ import annotations

from torch import nn

from nemo.backbones.backbone import Backbone, scaled
from nemo.layers import ConvUnit, Residual


def rescnn(num_classes: int, width: float, image_size: tuple[int, int]) -> Backbone:
    """Every unit ends in its own ReLU, and the skips add without another one."""
    w64, w128, w256, w512 = (scaled(published, width) for published in (64, 128, 256, 512))

    def unit(channels: int, kernels: int) -> ConvUnit:
        return ConvUnit(nn.Conv2d(channels, kernels, 3, padding=1))

    def skip(channels: int) -> Residual:
        return Residual(nn.Sequential(unit(channels, channels), unit(channels, channels)), relu=False)

    first = unit(3, w64)
    first.maskable = False
    body = nn.Sequential(
        *(first, unit(w64, w128), nn.MaxPool2d(2), skip(w128)),
        *(unit(w128, w256), nn.MaxPool2d(2), unit(w256, w512), nn.MaxPool2d(2), skip(w512)),
        *(unit(w512, w512), nn.MaxPool2d(2), unit(w512, w512), nn.MaxPool2d(2), skip(w512)),
        *(nn.Flatten(), nn.Dropout(0.5)),
    )
    return Backbone(body, nn.Linear(w512 * (image_size[0] // 32) * (image_size[1] // 32), num_classes))
