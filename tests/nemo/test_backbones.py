"""The networks of method.md 1: parameters, masked units and FLOPs to the last digit."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import nemo
from nemo.backbones import BACKBONE_NAMES
from nemo.layers import ConvMaskGenerator
from tests.nemo.networks import CNNS

pytestmark = pytest.mark.heavy

# standard parameters, generators, masked main part, L, K, MFLOPs (standard train, eval, masked train, eval)
PUBLISHED = {
    "vgg16": (15_253_578, 1_728_576, 15_253_578, 12, 4_160, (315.108, 314.279, 317.015, 316.186)),
    "resnet18": (11_173_962, 1_585_792, 11_173_962, 19, 4_736, (558.503, 556.660, 560.748, 558.904)),
    "resnet34": (21_282_122, 2_720_000, 21_282_122, 35, 8_448, (1164.531, 1161.459, None, None)),
    "resnet50": (23_520_842, 20_858_752, 23_520_842, 52, 26_496, (1315.025, 1304.728, None, None)),
    "simcnn": (15_245_130, 1_728_576, 15_253_450, 12, 4_160, (313.726, 313.726, 316.687, 316.055)),
    "rescnn": (16_010_122, 1_867_904, 16_018_570, 11, 4_224, (431.166, 431.166, 434.851, 433.883)),
}
RESNET18_WIDTHS = [64] * 4 + [128] * 5 + [256] * 5 + [512] * 5


@pytest.mark.parametrize("name", CNNS)
def test_the_published_sizes(name: str) -> None:
    standard_size, generator_size, main_size, layers, units, mflops = PUBLISHED[name]
    standard = nemo.build_backbone(name, 10)
    modular = nemo.make_modular(standard)
    generators = sum(nemo.count_parameters(m) for m in modular.modules() if isinstance(m, ConvMaskGenerator))
    assert nemo.count_parameters(standard) == standard_size
    assert generators == generator_size
    assert nemo.count_parameters(modular) - generators == main_size
    assert (len(modular.widths), sum(modular.widths)) == (layers, units)
    measured = [nemo.count_flops(n, mode=m) / 1e6 for n in (standard, modular) for m in ("train", "eval")]  # type: ignore[arg-type]
    for ours, published in zip(measured, mflops, strict=True):
        assert published is None or round(ours, 3) == published


def test_resnet18_masks_come_in_module_order_with_the_projection_last() -> None:
    assert nemo.make_modular(nemo.build_backbone("resnet18", 10)).widths == RESNET18_WIDTHS


@pytest.mark.parametrize("name", CNNS)
@pytest.mark.parametrize(("num_classes", "width", "image_size"), [(3, 0.125, 48), (7, 0.25, 64), (10, 0.5, 32)])
def test_any_number_of_classes_width_and_size(name: str, num_classes: int, width: float, image_size: int) -> None:
    modular = nemo.make_modular(nemo.build_backbone(name, num_classes, width, image_size))
    logits, masks = modular(torch.rand(2, 3, image_size, image_size))
    assert logits.shape == (2, num_classes)
    assert [mask.shape for mask in masks] == [(2, k) for k in modular.widths]
    assert all(((mask >= 0) & (mask < 1)).all() for mask in masks)


@pytest.mark.parametrize("name", ["vgg16", "simcnn", "rescnn"])
def test_images_that_are_too_small_are_refused(name: str) -> None:
    for size in (28, (64, 28)):
        with pytest.raises(nemo.UserError, match=f"image_size: {name} .* choose image_size 32 or more"):
            nemo.build_backbone(name, 10, image_size=size)


@pytest.mark.parametrize("name", BACKBONE_NAMES)
def test_images_need_not_be_square(name: str) -> None:
    modular = nemo.make_modular(nemo.build_backbone(name, 3, 0.125, (48, 64)))
    logits, masks = modular(torch.rand(2, 3, 48, 64))
    assert logits.shape == (2, 3) and [mask.shape for mask in masks] == [(2, k) for k in modular.widths]
    lying, standing = (nemo.build_backbone(name, 3, 0.125, size) for size in ((48, 64), (64, 48)))
    assert nemo.count_flops(lying, (3, 48, 64)) == nemo.count_flops(standing, (3, 64, 48))


def test_unknown_backbone_lists_the_choices() -> None:
    with pytest.raises(nemo.UserError, match=r"'vgg61' is unknown, choose one of vgg16, resnet18"):
        nemo.build_backbone("vgg61", 10)


def test_counting_leaves_statistics_and_random_state_alone() -> None:
    network = nemo.build_backbone("resnet18", 10, width=0.125).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    torch.manual_seed(1)
    nemo.count_flops(network, mode="train")
    drawn = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(drawn, torch.rand(1))
    assert network.training
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


class Constant(nn.Module):
    """What a cut may come to whose logits are the same for all images: no parameter is left."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("logits", torch.ones(1, 3))

    def forward(self, x: Tensor) -> Tensor:
        return self.logits.expand(len(x), -1)


def test_a_network_without_parameters_costs_nothing() -> None:
    assert nemo.count_flops(Constant(), (3, 8, 8)) == 0
