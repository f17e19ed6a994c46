"""Composed modules: one head learns, the modules stay what they were, and their features are what it sees."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import nemo
from nemo.composing import as_unit_images, compose, without_held_out
from nemo.datasets.dataset import Dataset, Split
from nemo.deployed import Composed, Deployed
from nemo.reuse import subtask_dataset
from nemo.surgery import Head
from nemo.training import training_images
from tests.nemo.networks import calibrated
from tests.nemo.transformers import lively

pytestmark = pytest.mark.heavy

HEADS: list[Head] = ["slice", "paper", "linear"]


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return nemo.load_dataset("digits", train_images=200, test_images=100)


def part(name: str, classes: list[int], head: Head) -> Deployed:
    modular = calibrated(name, width=0.0625).float()
    masks = [torch.ones(10, width, dtype=torch.bool) for width in modular.widths]
    return Deployed(nemo.extract_module(modular, masks, classes, head=head), (0.3,) * 3, (0.4, 0.5, 0.6))


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("name", ["vgg16", "vit_s", "deit_s"])
@torch.no_grad()
def test_features_are_what_the_last_linear_layer_sees(name: str, head: Head) -> None:
    modular, size = (calibrated(name, width=0.0625), 32) if name == "vgg16" else (lively(name), 16)
    modular = modular.float()
    masks = [torch.ones(10, width, dtype=torch.bool) for width in modular.widths]
    module = Deployed(nemo.extract_module(modular, masks, [1, 4], head=head), (0.5,) * 3, (0.5,) * 3).eval()
    seen: list[Tensor] = []
    last = [layer for layer in module.modules() if isinstance(layer, nn.Linear) and layer.out_features == 2]
    handles = [layer.register_forward_pre_hook(lambda layer, given: seen.append(given[0])) for layer in last]
    images = torch.rand(3, 3, size, size)
    module(images)
    for handle in handles:
        handle.remove()
    assert len(seen) == (2 if (name, head) == ("deit_s", "slice") else 1)  # of two tokens
    torch.testing.assert_close(module.features(images), torch.cat(seen, dim=1))


def test_only_the_head_learns_and_the_modules_stay_what_they_were(digits: Dataset) -> None:
    parts = [part("rescnn", [0, 1], "paper"), part("vgg16", [2, 3, 0], "slice")]
    before = copy.deepcopy([each.state_dict() for each in parts])
    union = subtask_dataset(digits, [0, 1, 2, 3])
    finetune = nemo.Finetune(epochs=2, batch_size=32, lr=0.01)
    made = compose(parts, [[0, 1], [2, 3, 0]], union, finetune=finetune, seed=3)
    for each, state, kept in zip(parts, before, made.network.parts, strict=True):
        assert all(torch.equal(value, state[name]) for name, value in each.state_dict().items())
        assert all(torch.equal(value, state[name]) for name, value in kept.state_dict().items())
    assert {name for name, each in made.network.named_parameters() if each.requires_grad} == {
        "head.weight",
        "head.bias",
    }
    again = compose(parts, [[0, 1], [2, 3, 0]], union, finetune=finetune, seed=3)
    assert torch.equal(made.network.head.weight, again.network.head.weight)
    other = compose(parts, [[0, 1], [2, 3, 0]], union, finetune=finetune, seed=4)
    assert not torch.equal(made.network.head.weight, other.network.head.weight)
    assert {"accuracy", "accuracy_before_finetuning", "flops", "parameters"} <= made.figures.keys()
    assert made.figures["flops"] > sum(nemo.count_flops(each) for each in parts) * 0.99


def test_each_module_normalises_for_itself() -> None:
    parts = [part("rescnn", [0, 1], "slice").eval(), part("vgg16", [2, 3], "slice").eval()]
    composed = Composed(parts, 4, 32).eval()
    images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        features = torch.cat([each.features(images) for each in parts], dim=1)
        torch.testing.assert_close(composed(images), composed.head(features))


def pictures(split: Split | None) -> set[bytes]:
    return set() if split is None else {image.numpy().tobytes() for image in split.images}


def test_what_one_training_held_out_is_left_out_and_nothing_else(digits: Dataset) -> None:
    splits = [(0.2, 0), (0.3, 1), (0.0, 2)]
    held_out = set().union(*(pictures(training_images(digits, *each)[1]) for each in splits))
    assert 0.3 * len(digits.train) < len(held_out) < 0.5 * len(digits.train)
    left = without_held_out(digits, [*splits, splits[0]])
    assert pictures(left.train) == pictures(digits.train) - held_out
    assert len(left.train) == len(digits.train) - len(held_out)
    assert torch.equal(left.train.labels.bincount(minlength=10) > 0, torch.ones(10, dtype=torch.bool))
    assert left.test is digits.test
    assert without_held_out(digits, [(0.0, 2)]) is without_held_out(digits, []) is digits


def test_unit_images_differ_in_normalisation_alone(digits: Dataset) -> None:
    unit = as_unit_images(digits)
    assert replace(unit, mean=digits.mean, std=digits.std) == digits
    assert (unit.mean, unit.std) == ((0.0,) * 3, (1.0,) * 3)
