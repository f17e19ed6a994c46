"""What these tests share: the digits at 16 pixels, and networks trained on them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from nemo.datasets.dataset import Dataset
from tests.nemo.deriving.networks import Net, Tokens, digits, trained


@pytest.fixture(scope="session")
def small_digits() -> Dataset:
    return digits()


@pytest.fixture(scope="session")
def net(small_digits: Dataset) -> nn.Module:
    """Of inverted bottlenecks, 99 % on the ten digits."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return trained(Net(), small_digits, epochs=8, lr=0.1)


@pytest.fixture(scope="session")
def tokens(small_digits: Dataset) -> nn.Module:
    """Of residual MLP blocks."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return trained(Tokens(), small_digits, epochs=12)
