from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nemo.graph.capture import capture
from nemo.zoo.digest import digest

IMAGES = torch.rand(2, 3, 12, 12)
GOLDEN = "c5527adbc29e05bb11911f832bfa335207395e3ec3707c42f9aed9d1a2d6824b"


class Net(nn.Module):
    def __init__(
        self, stride: int = 1, width: int = 4, factor: float = 2.0, constant: float = 0.5, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, width, 3, stride=stride)
        self.norm = nn.BatchNorm2d(width, eps=eps)
        self.head = nn.Linear(width, 5)
        self.factor, self.constant = factor, constant
        self.activation: Callable[[Tensor], Tensor] = torch.relu

    def forward(self, x: Tensor) -> Tensor:
        x = x - torch.tensor([self.constant, 0.4, 0.3]).view(1, 3, 1, 1)
        x = self.activation(self.norm(self.conv(x)))
        return self.head(self.factor * x.reshape(x.shape[0], x.shape[1], -1).mean(2))


class Otherwise(Net):
    """The same, said otherwise."""

    def forward(self, x: Tensor) -> Tensor:
        batch = x.size(0)
        x = x - torch.tensor([self.constant, 0.4, 0.3]).view(1, 3, 1, 1)
        x = torch.relu(self.norm(self.conv(x.contiguous()))).clone()
        x = torch.reshape(x, (batch, x.size(1), -1)).mean(dim=2, keepdim=False)
        return self.head(self.factor * x)


def with_gelu() -> Net:
    net = Net()
    net.activation = nn.functional.gelu
    return net


def test_it_is_the_architecture_s_and_not_the_weights_or_the_inputs() -> None:
    assert digest(Net(), IMAGES) == digest(Net().train(), torch.rand(5, 3, 12, 12)) == digest(Otherwise(), IMAGES)


def test_it_stays_what_it_is() -> None:
    net = Net()
    assert digest(net, IMAGES) == digest(net, IMAGES, capture(net, IMAGES)) == GOLDEN


@pytest.mark.parametrize(
    "other",
    [Net(stride=2), Net(width=5), Net(factor=2.5), Net(constant=0.6), Net(eps=1e-3), with_gelu(), Net().double()],
    ids=["stride", "width", "factor", "constant", "eps", "activation", "type"],
)
def test_it_changes_with_what_is_computed(other: Net) -> None:
    assert digest(other, IMAGES.to(other.head.weight)) != digest(Net(), IMAGES)
