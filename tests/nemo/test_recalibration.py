"""BatchNorm statistics of a module on its own images."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import nemo
from nemo.datasets.dataset import Dataset
from nemo.loader import Loader
from nemo.recalibration import recalibrate


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return nemo.load_dataset("digits")


def network() -> nn.Module:
    return nemo.build_backbone("vgg16", num_classes=10, width=0.0625)


def first_norm(module: nn.Module) -> nn.BatchNorm2d:
    return next(layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))


def test_the_statistics_are_those_of_the_images_and_nothing_else_moves(digits: Dataset) -> None:
    module = network().train()
    before = copy.deepcopy(module.state_dict())
    recalibrate(module, digits, 10_000, seed=0)
    batches = Loader(digits.train, dataset=digits, batch_size=256, train=False).epoch()
    images = torch.cat([batch.images for batch in batches])
    first = next(layer for layer in module.modules() if isinstance(layer, nn.Conv2d))
    with torch.no_grad():
        outputs = first(images)
        expected, spread = outputs.mean((0, 2, 3)), outputs.std((0, 2, 3))
    norm = first_norm(module)
    assert norm.running_mean is not None
    assert ((norm.running_mean - expected).abs() < 1e-3 * spread).all()  # batches differ by an image or two
    assert norm.momentum == 0.1
    assert module.training
    assert norm.training
    moved = {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}
    assert all("running" in name or "num_batches" in name for name in moved)


def test_images_are_drawn_and_by_the_seed_alone(digits: Dataset) -> None:
    means, whole = [], network()
    for seed in (0, 0, 1):
        module = copy.deepcopy(whole)
        recalibrate(module, digits, 64, seed=seed)
        means.append(first_norm(module).running_mean)
    assert torch.equal(means[0], means[1])
    assert not torch.equal(means[0], means[2])


def test_a_network_without_batchnorm_stays_as_it_is(digits: Dataset) -> None:
    module = nemo.build_backbone("simcnn", num_classes=10, width=0.0625)
    before = copy.deepcopy(module.state_dict())
    recalibrate(module, digits, 64, seed=0)
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
