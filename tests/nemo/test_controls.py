"""Rivals of a module: as many units of every site, chosen in another way."""

from __future__ import annotations

import dataclasses
from typing import cast

import pytest
import torch
from torch import Tensor, nn

import nemo
from nemo.backbones.backbone import Backbone
from nemo.control import CONTROLS, Control
from nemo.controls import as_sites_of, control_masks, cut_from, start_afresh
from nemo.datasets.dataset import Dataset
from nemo.layers import ConvUnit
from nemo.modular import ModularNetwork
from nemo.reuse import subtask_dataset
from nemo.surgery import extract_module
from tests.nemo.networks import random_masks

CLASSES = [3, 5, 8]
LAYERS = (nn.Conv2d, nn.Linear)

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return nemo.load_dataset("digits", train_images=200, test_images=60)


def networks(backbone: str, method: str) -> tuple[ModularNetwork, Backbone]:
    built = [nemo.build_network(backbone, each, 10, width=0.125, seed=1).eval() for each in (method, "standard")]
    return cast("tuple[ModularNetwork, Backbone]", tuple(built))


def kept_by(masks: list[Tensor]) -> list[int]:
    return [int(mask[CLASSES].any(0).sum()) for mask in masks]


@pytest.mark.parametrize("control", CONTROLS)
@pytest.mark.parametrize(
    ("backbone", "method"), [("vgg16", "mwt"), ("rescnn", "mwt"), ("resnet18", "moda"), ("vit_s", "nemo")]
)
def test_a_control_has_the_modules_widths_to_the_unit(
    digits: Dataset, backbone: str, method: str, control: Control
) -> None:
    modular, standard = networks(backbone, method)
    masks = random_masks(modular, torch.Generator().manual_seed(0))
    source = cut_from(control, modular, standard)
    subtask = subtask_dataset(digits, CLASSES)
    found = control_masks(control, source, masks, CLASSES, subtask, seed=0)
    assert kept_by(found) == kept_by(masks)
    rival = extract_module(source, found, CLASSES, head="slice")
    assert rival(torch.zeros(2, 3, 32, 32)).shape == (2, 3)
    if backbone == "vgg16":  # elsewhere how units meet in a sum, or in a head, decides the widths behind
        module = extract_module(modular, masks, CLASSES, head="slice")
        layers = [[each for each in network.modules() if isinstance(each, LAYERS)] for network in (module, rival)]
        shapes = [[each.weight.shape for each in own] for own in layers]
        assert shapes[0] == shapes[1]


def test_random_units_differ_between_subtasks_and_not_between_runs(digits: Dataset) -> None:
    modular, _ = networks("rescnn", "mwt")
    masks = random_masks(modular, torch.Generator().manual_seed(0))

    def drawn(classes: list[int], seed: int) -> Tensor:
        found = control_masks("random", modular, masks, classes, subtask_dataset(digits, classes), seed=seed)
        return torch.cat([mask[0] for mask in found])

    assert torch.equal(drawn(CLASSES, 0), drawn(CLASSES, 0))
    assert not torch.equal(drawn(CLASSES, 0), drawn(CLASSES, 1))
    assert not torch.equal(drawn([3, 5], 0), drawn([3, 8], 0))


def test_pruning_keeps_the_largest_weights_and_the_most_active_units(digits: Dataset) -> None:
    modular, standard = networks("simcnn", "mwt")
    unit = next(each for each in standard.modules() if isinstance(each, ConvUnit) and each.maskable)
    with torch.no_grad():
        unit.conv.weight[2] *= 100
        unit.conv.weight[1] *= 1e-3
        assert unit.conv.bias is not None
        unit.conv.bias[1] = 1e4  # tiny weights, and always on
    masks = [torch.zeros(10, width, dtype=torch.bool) for width in modular.widths]
    for mask in masks:
        mask[:, -1] = True
    source, subtask = as_sites_of(modular, standard), subtask_dataset(digits, CLASSES)
    for control, expected in (("magnitude", 2), ("activation", 1)):  # of the latter the bias counts
        found = control_masks(cast("Control", control), source, masks, CLASSES, subtask, seed=0)
        assert found[0][0].nonzero().flatten().tolist() == [expected]


@pytest.mark.parametrize("backbone", ["resnet18", "vit_s"])
def test_fresh_weights_are_new_and_the_callers_random_state_is_left_alone(backbone: str) -> None:
    modular, _ = networks(backbone, "mwt")
    masks = random_masks(modular, torch.Generator().manual_seed(0))
    module = extract_module(modular, masks, CLASSES, head="linear")
    before, state = {name: p.clone() for name, p in module.named_parameters()}, torch.get_rng_state()
    start_afresh(module, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(not torch.equal(p, before[name]) for name, p in module.named_parameters() if p.dim() > 1)
    first = {name: p.clone() for name, p in module.named_parameters()}
    start_afresh(module, seed=3)
    assert all(torch.equal(p, first[name]) for name, p in module.named_parameters())


@pytest.mark.parametrize("control", CONTROLS)
def test_a_control_is_fine_tuned_as_its_module_is(digits: Dataset, control: Control) -> None:
    modular, standard = networks("rescnn", "nemo")
    masks = random_masks(modular, torch.Generator().manual_seed(0))
    finetune = dataclasses.replace(nemo.Finetune(), epochs=1, batch_size=32, lr=0.01)
    module, rival = (
        nemo.reuse_module(
            modular,
            masks,
            digits,
            CLASSES,
            finetune=finetune,
            seed=0,
            control=each,
            standard=standard,
            recalibration=60,
        )
        for each in (None, control)
    )
    assert rival.figures["krr"] == module.figures["krr"]
    assert rival.figures["flops"] == pytest.approx(module.figures["flops"], rel=0.05)
    first = [each.figures["history"][0]["train/loss"] for each in (module, rival)]
    assert first[0] != first[1]  # another network


def test_pruning_needs_a_standard_network_of_the_same_shape(digits: Dataset) -> None:
    modular, _ = networks("rescnn", "nemo")
    with pytest.raises(nemo.UserError, match=r"^controls: magnitude is cut from a trained standard network, pass it"):
        cut_from("magnitude", modular, None)
    wider = nemo.build_network("rescnn", "standard", 10, width=0.25)
    with pytest.raises(nemo.UserError, match=r"^controls: the standard network is not of the modular one's shape"):
        cut_from("activation", modular, cast("Backbone", wider))
