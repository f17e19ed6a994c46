from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nemo.errors import UserError
from nemo.zoo.classifier import find_classifier, new_classifier

IMAGES = torch.rand(2, 3, 8, 8)


class Pooled(nn.Module):
    """Features of an image, and a head; a decoy beside it that no logit needs."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.features, self.head, self.decoy = nn.Linear(3, 5), head, nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x.mean((2, 3))))


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(self.layer(x))


class Averaged(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = nn.Linear(5, 4), nn.Linear(5, 4)

    def forward(self, x: Tensor) -> Tensor:
        return (self.left(x) + self.right(x)) / 2


def test_the_classifier_is_found_and_replaced() -> None:
    network = Pooled(nn.Sequential(nn.ReLU(), nn.Linear(5, 4, bias=False), nn.Dropout()))
    name, layer = find_classifier(network, IMAGES)
    assert (name, layer) == ("head.1", network.head[1])  # type: ignore[index]
    new_classifier(network, IMAGES, 7)
    assert network.eval()(IMAGES).shape == (2, 7)
    assert find_classifier(network, IMAGES)[1].bias is None


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (nn.Sequential(nn.Linear(5, 4), nn.LogSoftmax(1)), "output of log_softmax and not"),
        (nn.Sequential(nn.Unflatten(1, (5, 1, 1)), nn.Conv2d(5, 4, 1), nn.Flatten()), "and not of one Linear"),
        (Averaged(), "output of div and not"),
        (Twice(), "classifier head.layer is no Linear layer with a weight of its own"),
    ],
)
def test_logits_that_do_not_come_from_one_linear_layer(head: nn.Module, message: str) -> None:
    with pytest.raises(UserError, match=message):
        find_classifier(Pooled(head), IMAGES)
