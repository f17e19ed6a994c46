"""ResNet18, 34 and 50 with the stem for small images (method.md 1.4)."""

from __future__ import annotations

from collections.abc import Callable

from torch import nn

from nemo.backbones.backbone import Backbone, init_convolutions, scaled
from nemo.layers import ConvUnit, Residual

Block = Callable[[int, int, int], Residual]
"""(channels in, base width of the stage, stride) -> block."""


def _unit(channels: int, kernels: int, size: int, stride: int = 1, *, relu: bool = True) -> ConvUnit:
    conv = nn.Conv2d(channels, kernels, size, stride=stride, padding=size // 2, bias=False)
    return ConvUnit(conv, norm=nn.BatchNorm2d(kernels), relu=relu)


def _block(body: nn.Sequential, channels: int, kernels: int, stride: int) -> Residual:
    projects = stride != 1 or channels != kernels
    return Residual(body, _unit(channels, kernels, 1, stride, relu=False) if projects else None)


def _basic(channels: int, base: int, stride: int) -> Residual:
    body = nn.Sequential(_unit(channels, base, 3, stride), _unit(base, base, 3, relu=False))
    return _block(body, channels, base, stride)


def _bottleneck(channels: int, base: int, stride: int) -> Residual:
    """The stride lies on the 3x3 convolution, "v1.5"."""
    body = nn.Sequential(_unit(channels, base, 1), _unit(base, base, 3, stride), _unit(base, 4 * base, 1, relu=False))
    return _block(body, channels, 4 * base, stride)


def _resnet(block: Block, expansion: int, depths: tuple[int, ...], num_classes: int, width: float) -> Backbone:
    channels = scaled(64, width)
    stem = _unit(3, channels, 3)
    stem.maskable = False
    layers: list[nn.Module] = [stem]
    for stage, depth in enumerate(depths):
        base = scaled(64 * 2**stage, width)
        for position in range(depth):
            layers.append(block(channels, base, 2 if stage > 0 and position == 0 else 1))
            channels = base * expansion
    layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    network = Backbone(nn.Sequential(*layers), nn.Linear(channels, num_classes))
    init_convolutions(network)
    return network


def resnet18(num_classes: int, width: float, image_size: tuple[int, int]) -> Backbone:
    return _resnet(_basic, 1, (2, 2, 2, 2), num_classes, width)


def resnet34(num_classes: int, width: float, image_size: tuple[int, int]) -> Backbone:
    return _resnet(_basic, 1, (3, 4, 6, 3), num_classes, width)


def resnet50(num_classes: int, width: float, image_size: tuple[int, int]) -> Backbone:
    return _resnet(_bottleneck, 4, (3, 4, 6, 3), num_classes, width)
