"""Small trained networks that are derived from in these tests, and the toy whose values are written down."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nemo
from nemo.datasets.dataset import Dataset

SIZE = 16


class Net(nn.Module):
    """A stem, three inverted bottlenecks (1x1, depthwise, 1x1), two of them residual, and a classifier."""

    def __init__(self, classes: int = 10, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU())
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *(nn.Conv2d(width, 4 * width, 1, bias=False), nn.BatchNorm2d(4 * width), nn.ReLU()),
                *(nn.Conv2d(4 * width, 4 * width, 3, 1, 1, groups=4 * width), nn.BatchNorm2d(4 * width), nn.ReLU()),
                *(nn.Conv2d(4 * width, width, 1, bias=False), nn.BatchNorm2d(width)),
            )
            for _ in range(3)
        )
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for number, block in enumerate(self.blocks):
            x = block(x) + x if number else block(x)
        return self.head(F.relu(x).mean((2, 3)))


class Tokens(nn.Module):
    """Patches of 4 x 4 pixels through three residual MLP blocks, mixed over the tokens by their mean."""

    def __init__(self, classes: int = 10, width: int = 32) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, width, 4, 4)
        self.place = nn.Parameter(0.02 * torch.randn(1, (SIZE // 4) ** 2, width))
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.fc1 = nn.ModuleList(nn.Linear(width, 4 * width) for _ in range(3))
        self.fc2 = nn.ModuleList(nn.Linear(4 * width, width) for _ in range(3))
        self.head = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2) + self.place
        for norm, fc1, fc2 in zip(self.norms, self.fc1, self.fc2, strict=True):
            x = x + fc2(F.gelu(fc1(norm(x))))
            x = x + x.mean(1, keepdim=True)
        return self.head(x.mean(1))


def digits(size: int = SIZE) -> Dataset:
    return nemo.load_dataset("digits", image_size=size)


def trained(network: nn.Module, dataset: Dataset, *, epochs: int, lr: float = 0.05) -> nn.Module:
    recipe = nemo.Recipe(epochs=epochs, batch_size=64, lr=lr, compile=False)
    trainer = nemo.Trainer(network, dataset, "standard", {}, recipe, seed=0, evaluate=False)
    while not trainer.done:
        trainer.run_epoch()
    return network.eval()


def filled(shape: tuple[int, ...] | int, start: float) -> Tensor:
    """The value at flat index i is sin(0.7 i + start) / 2."""
    shape = (shape,) if isinstance(shape, int) else shape
    count = int(torch.tensor(shape).prod())
    return (0.7 * torch.arange(count, dtype=torch.float64) + start).sin().view(shape) / 2


class Toy(nn.Module):
    """Two linear layers of known weights, in double precision, behind one that does nothing; a site between them."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(5, 6).double(), nn.Linear(6, 3).double()
        self.first = nn.Linear(5, 5, bias=False).double()
        self.first.weight.data = torch.eye(5, dtype=torch.float64)
        for layer, weight, bias in ((self.fc1, 0.2, 0.3), (self.fc2, 0.4, 0.5)):
            layer.weight.data = filled(tuple(layer.weight.shape), weight)
            layer.bias.data = filled(len(layer.bias), bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.relu(self.fc1(self.first(x[:, None]))).mean(1))
