"""SimCNN: VGG16's convolutions without BatchNorm (method.md 1.5)."""

from __future__ import annotations

from torch import nn

from nemo.backbones.backbone import Backbone, init_convolutions, scaled
from nemo.backbones.vgg import STAGES
from nemo.layers import ConvUnit, LinearUnit


def simcnn(num_classes: int, width: float, image_size: tuple[int, int]) -> Backbone:
    """Thirteen convolutions, three linear layers; `make_modular` adds the BatchNorm of the masked form."""
    layers: list[nn.Module] = []
    channels = 3
    for stage in STAGES:
        for published in stage:
            kernels = scaled(published, width)
            layers.append(ConvUnit(nn.Conv2d(channels, kernels, 3, padding=1), maskable=bool(layers)))
            channels = kernels
        layers.append(nn.MaxPool2d(2))
    features = channels * (image_size[0] // 32) * (image_size[1] // 32)
    hidden = scaled(512, width)
    layers += [
        *(nn.Flatten(), nn.Dropout(0.5)),
        *(LinearUnit(nn.Linear(features, hidden)), nn.Dropout(0.5)),
        LinearUnit(nn.Linear(hidden, hidden)),
    ]
    network = Backbone(nn.Sequential(*layers), nn.Linear(hidden, num_classes))
    init_convolutions(network)  # N(0, sqrt(2 / (9 C_out))) is Kaiming-normal over the fan-out of a 3x3 kernel
    return network
