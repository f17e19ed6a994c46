"""VGG16 with BatchNorm for small images (method.md 1.3)."""

from __future__ import annotations

from torch import nn

from nemo.backbones.backbone import Backbone, init_convolutions, scaled
from nemo.layers import ConvUnit, LinearUnit

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


def vgg16(num_classes: int, width: float, image_size: tuple[int, int]) -> Backbone:
    """Thirteen convolutions in five stages, each ended by a 2x2 max-pool, and three linear layers."""
    layers: list[nn.Module] = []
    channels = 3
    for stage in STAGES:
        for published in stage:
            kernels = scaled(published, width)
            conv = nn.Conv2d(channels, kernels, 3, padding=1)
            layers.append(ConvUnit(conv, norm=nn.BatchNorm2d(kernels), maskable=bool(layers)))
            channels = kernels
        layers.append(nn.MaxPool2d(2))
    features = channels * (image_size[0] // 32) * (image_size[1] // 32)
    hidden = scaled(512, width)
    layers += [
        nn.Flatten(),
        *(LinearUnit(nn.Linear(features, hidden)), nn.Dropout(0.5)),
        *(LinearUnit(nn.Linear(hidden, hidden)), nn.Dropout(0.5)),
    ]
    network = Backbone(nn.Sequential(*layers), nn.Linear(hidden, num_classes))
    init_convolutions(network)
    for layer in network.modules():
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, 0, 0.01)
            nn.init.zeros_(layer.bias)
    return network
