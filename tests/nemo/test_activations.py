"""Activation-driven networks: where activations are read, and the proof of their surgery."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import nemo
from nemo.backbones import BACKBONE_NAMES, BACKBONES
from nemo.backbones.backbone import Backbone
from nemo.layers import ConvUnit, LinearUnit, Residual, Select
from nemo.modular import unmasked_kernels
from tests.nemo.networks import calibrated, constant_masks, images, random_masks

pytestmark = pytest.mark.heavy

NAMES = [name for name in BACKBONE_NAMES if BACKBONES[name].relu]
CLASSES = [7, 2, 5]
# Convolutions and linear layers with a ReLU of their own, and residual additions with one.
SITES = {
    "vgg16": (13, 2, 0),
    "resnet18": (9, 0, 8),
    "resnet34": (17, 0, 16),
    "resnet50": (33, 0, 16),
    "simcnn": (13, 2, 0),
    "rescnn": (12, 0, 0),
}


def recording(name: str, **options: float) -> nemo.ModularNetwork:
    return calibrated(name, make=nemo.record_activations, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_every_relu_output_is_recorded_in_order(name: str) -> None:
    modular = recording(name, width=0.0625)
    kinds = [type(unit) for unit in modular.units]
    assert tuple(kinds.count(kind) for kind in (ConvUnit, LinearUnit, Residual)) == SITES[name]
    assert modular.units[0] is modular.network.body[0]
    seen: list[torch.Tensor] = []
    for unit in modular.units:
        unit.register_forward_hook(lambda module, args, out: seen.append(out))
    _, activations = modular(images(3))
    assert [each.shape for each in activations] == [(3, k) for k in modular.widths]
    for out, mean in zip(seen, activations, strict=True):
        torch.testing.assert_close(out.abs().flatten(2).mean(2) if out.dim() == 4 else out.abs(), mean)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_added_to_the_network_and_everything_can_be_cut(name: str) -> None:
    standard = nemo.build_network(name, "standard", 10, width=0.0625, seed=3)
    modular = nemo.build_network(name, "moda", 10, width=0.0625, seed=3)
    assert isinstance(modular, nemo.ModularNetwork)
    assert modular.source == "activations"
    weights = modular.network.state_dict()
    assert weights.keys() == standard.state_dict().keys()
    assert all(torch.equal(value, weights[key]) for key, value in standard.state_dict().items())
    assert not any(site.records for site in standard.modules() if isinstance(site, nemo.sites.Site))
    assert nemo.count_flops(modular) == nemo.count_flops(standard)
    assert unmasked_kernels(modular) == 0


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_a_module_equals_the_network_with_its_activations_masked(name: str) -> None:
    modular = recording(name, width=0.0625)
    x = images(3)
    whole = modular(x)[0]
    generator = torch.Generator().manual_seed(1)
    differs, moves, sizes = 0, 0, set()
    for _ in range(25):
        # Few thin layers: they cut the stream too, and a signal that is dead proves nothing.
        masks = random_masks(modular, generator, thin=2 / len(modular.widths), sparsest=0.5)
        with constant_masks(modular, masks, CLASSES):
            expected = modular(x)[0]
        module = nemo.extract_module(modular, masks, CLASSES)
        torch.testing.assert_close(module(x), expected, rtol=1e-9, atol=1e-11 * whole.abs().max().item())
        differs += bool((expected - whole).abs().max() > 1e-6)
        moves += bool(expected.std(0).max() > 1e-9)
        sizes |= {int(mask[CLASSES].any(0).sum()) for mask in masks}
    assert {1, 3} <= sizes
    assert differs == 25
    assert moves > 12, moves


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("image_size", [32, 64])
@torch.no_grad()
def test_dense_masks_keep_a_strong_signal_and_stay_exact(name: str, image_size: int) -> None:
    modular = recording(name, width=0.125, image_size=image_size)
    x = images(2, image_size)
    masks = [torch.rand(10, k) < 0.4 for k in modular.widths]
    for mask in masks:
        mask[:, 0] = True
    with constant_masks(modular, masks, CLASSES):
        expected = modular(x)[0]
    assert expected.std(0).max() > 1e-5
    module = nemo.extract_module(modular, masks, CLASSES)
    torch.testing.assert_close(module(x), expected, rtol=1e-9, atol=1e-12)
    assert nemo.count_parameters(module) < nemo.count_parameters(modular)
    sliced = nemo.extract_module(modular, masks, CLASSES, head="slice")
    torch.testing.assert_close(sliced(x), expected[:, CLASSES], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_an_all_ones_mask_gives_the_original_network(name: str) -> None:
    modular = recording(name, width=0.125)
    ones = [torch.ones(10, k, dtype=torch.bool) for k in modular.widths]
    module = nemo.extract_module(modular, ones, [0])
    x = images(2)
    torch.testing.assert_close(module(x), modular(x)[0], rtol=1e-9, atol=1e-12)
    assert nemo.count_parameters(module) == nemo.count_parameters(modular)
    assert not any(isinstance(block, Select) for block in module.modules())


@torch.no_grad()
def test_the_stream_is_cut_to_what_the_sum_keeps() -> None:
    modular = recording("resnet18", width=0.125)
    masks = [torch.ones(1, k, dtype=torch.bool) for k in modular.widths]
    sums = [number for number, unit in enumerate(modular.units) if isinstance(unit, Residual)]
    masks[sums[0]][:, 4:] = False  # two sums of the same stream that have no channel in common
    masks[sums[1]][:, :5] = False
    module = nemo.extract_module(modular, masks, [0], head="none")
    first, second = (block for block in list(module.body)[1:3])
    assert isinstance(first, Residual)
    assert isinstance(second, Residual)
    assert first.body[-1].kernels == 4  # type: ignore[union-attr]
    assert second.body[0].conv.in_channels == 4  # type: ignore[union-attr]
    assert second.body[-1].kernels == 3  # type: ignore[union-attr]
    x = images(3)
    with constant_masks(modular, masks, [0]):
        expected = modular(x)[0]
    assert expected.std(0).max() > 1e-5
    torch.testing.assert_close(module(x), expected, rtol=1e-9, atol=1e-12)


@torch.no_grad()
def test_a_sum_of_blocks_that_end_in_a_relu_of_their_own_is_cut_on_both_sides() -> None:
    torch.manual_seed(0)
    unit = [ConvUnit(nn.Conv2d(channels, 8, 3, padding=1)) for channels in (3, 8, 8)]
    block = Residual(nn.Sequential(unit[1]), unit[2])
    backbone = Backbone(nn.Sequential(unit[0], block, nn.AdaptiveAvgPool2d(1), nn.Flatten()), nn.Linear(8, 10))
    modular = nemo.record_activations(backbone.double().eval())
    generator = torch.Generator().manual_seed(2)
    for _ in range(20):
        masks = random_masks(modular, generator)
        x = images(3)
        with constant_masks(modular, masks, CLASSES):
            expected = modular(x)[0]
        torch.testing.assert_close(nemo.extract_module(modular, masks, CLASSES)(x), expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["resnet18", "vgg16"])
def test_the_given_network_is_never_changed_and_shares_nothing(name: str) -> None:
    modular = recording(name, width=0.125)
    before = copy.deepcopy(modular.state_dict())
    masks = random_masks(modular, torch.Generator().manual_seed(6))
    module = nemo.extract_module(modular, masks, CLASSES, head="slice").train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module(images(4)).square().sum().backward()
    optimizer.step()
    assert not modular.training
    assert all(torch.equal(value, before[key]) for key, value in modular.state_dict().items())
    assert not any(site.records for site in module.modules() if isinstance(site, nemo.sites.Site))


@pytest.mark.parametrize("mask_values", ["keep_generator", "fold_mean"])
def test_mask_values_need_generators(mask_values: str) -> None:
    modular = recording("vgg16", width=0.0625)
    masks = [torch.ones(10, k, dtype=torch.bool) for k in modular.widths]
    with pytest.raises(nemo.UserError, match=f"mask_values: {mask_values} needs mask generators"):
        nemo.extract_module(modular, masks, [0], mask_values, mean_masks=masks)  # type: ignore[arg-type]


def test_a_network_without_relu_is_refused() -> None:
    layers = (ConvUnit(nn.Conv2d(3, 4, 3), relu=False), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(nemo.UserError, match="only after a ReLU, and this network has none"):
        nemo.record_activations(Backbone(nn.Sequential(*layers), nn.Linear(4, 10)))


def test_bfloat16_activations_are_averaged_in_float32() -> None:
    unit = ConvUnit(nn.Conv2d(3, 4, 3, padding=1))
    unit.records = "activations"
    with torch.autocast("cpu", torch.bfloat16):
        out = unit(torch.rand(2, 3, 64, 64))
    assert out.dtype == torch.bfloat16
    recorded = unit.take_relevance()
    assert recorded.dtype == torch.float32
    torch.testing.assert_close(recorded, out.double().mean((2, 3)).float(), rtol=1e-6, atol=0)
    with pytest.raises(RuntimeError):
        unit.take_relevance()
