"""make_modular: generators where method.md 2 puts them, and nothing else changed."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import nemo
from nemo.backbones import BACKBONE_NAMES
from nemo.backbones.backbone import Backbone
from nemo.backbones.vit_config import ROLES
from nemo.layers import ConvMaskGenerator, ConvUnit
from nemo.modular import unmasked_kernels

pytestmark = pytest.mark.heavy


def generators(network: nn.Module) -> list[nn.Module]:
    return [m for m in network.modules() if type(m).__name__.endswith("MaskGenerator")]


@pytest.mark.parametrize("name", BACKBONE_NAMES)
def test_a_hook_on_a_generator_sees_and_replaces_its_mask(name: str) -> None:
    modular = nemo.make_modular(nemo.build_backbone(name, 10, 0.125)).eval()
    seen: list[torch.Tensor] = []
    for generator in generators(modular):
        generator.register_forward_hook(lambda module, args, out: seen.append(out))
    x = torch.rand(2, 3, 32, 32)
    _, masks = modular(x)
    assert len(seen) == len(masks)
    assert all(a is b for a, b in zip(seen, masks, strict=True))
    generators(modular)[0].register_forward_hook(lambda module, args, out: torch.ones_like(out))
    assert torch.equal(modular(x)[1][0], torch.ones_like(masks[0]))


@pytest.mark.parametrize(("kernels", "hidden"), [(64, 64), (127, 127), (128, 64), (512, 256), (2048, 1024)])
def test_generator_shape_and_initialisation(kernels: int, hidden: int) -> None:
    torch.manual_seed(0)
    generator = ConvMaskGenerator(256, kernels)
    assert generator.squeeze.weight.shape == (hidden, 256)
    assert generator.squeeze.bias is None
    assert torch.equal(generator.expand.bias, torch.ones(kernels))
    assert generator.squeeze.weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.05)
    assert generator.expand.weight.std().item() == pytest.approx((2 / hidden) ** 0.5, rel=0.05)


def test_in_either_layout_a_mask_and_its_gradient_are_the_same_and_the_gradient_has_the_layout() -> None:
    torch.manual_seed(0)
    generator = ConvMaskGenerator(8, 16).double()
    images, found = torch.rand(4, 8, 5, 7, dtype=torch.float64), []
    for layout in (torch.contiguous_format, torch.channels_last):
        x = images.clone(memory_format=layout).requires_grad_()
        mask = generator(x)
        (gradient,) = torch.autograd.grad(mask.square().sum(), x)
        assert gradient.is_contiguous(memory_format=layout)
        found.append((mask.detach(), gradient))
    torch.testing.assert_close(*found)


def test_the_mask_scales_the_normalised_output_before_the_activation() -> None:
    modular = nemo.make_modular(nemo.build_backbone("vgg16", 10, 0.125)).eval()
    unit = modular.units[0]
    x = torch.rand(2, unit.conv.in_channels, 32, 32)
    expected = torch.relu(unit.norm(unit.conv(x)) * unit.mask_generator(x)[:, :, None, None])  # type: ignore[misc]
    assert torch.equal(unit(x), expected)


def test_the_given_backbone_is_not_changed_and_its_weights_are_kept() -> None:
    backbone = nemo.build_backbone("resnet18", 10, 0.125)
    before = copy.deepcopy(backbone.state_dict())
    modular = nemo.make_modular(backbone)
    assert not generators(backbone)
    assert backbone.state_dict().keys() == before.keys()
    kept = modular.network.state_dict()
    assert all(torch.equal(value, kept[name]) for name, value in before.items())


def test_constant_ones_give_the_original_network() -> None:
    backbone = nemo.build_backbone("resnet18", 10, 0.125).eval()
    modular = nemo.make_modular(backbone).eval()
    for generator in generators(modular):
        generator.register_forward_hook(lambda module, args, out: torch.ones_like(out))
    x = torch.rand(3, 3, 32, 32)
    torch.testing.assert_close(modular(x)[0], backbone(x))


@pytest.mark.parametrize("name", ["simcnn", "rescnn"])
def test_masked_layers_get_a_norm_and_the_first_layer_does_not(name: str) -> None:
    modular = nemo.make_modular(nemo.build_backbone(name, 10, 0.125))
    assert all(isinstance(unit.norm, nn.BatchNorm2d) for unit in modular.units)
    assert isinstance(modular.network.body[0].norm, nn.Identity)


def test_a_modular_network_can_be_copied_after_a_forward_pass() -> None:
    modular = nemo.make_modular(nemo.build_backbone("vgg16", 10, 0.125))
    modular(torch.rand(2, 3, 32, 32))
    copied = copy.deepcopy(modular).eval()
    assert copied.units[0] is not modular.units[0]
    assert len(copied(torch.rand(2, 3, 32, 32))[1]) == 12


def test_unmasked_kernels_are_those_of_the_stem() -> None:
    assert unmasked_kernels(nemo.make_modular(nemo.build_backbone("resnet18", 10))) == 64


def state_of(network: nn.Module) -> list[tuple[str, torch.Tensor]]:
    return [(key, value) for key, value in network.state_dict().items() if "generator" not in key]


@pytest.mark.parametrize("name", ["simcnn", "rescnn", "vgg16"])
def test_a_standard_network_may_have_the_norms_of_the_modular_one(name: str) -> None:
    modular = nemo.build_network(name, "mwt", 10, width=0.125, seed=3)
    plain, fair = (nemo.build_network(name, "standard", 10, width=0.125, seed=3, norm=norm) for norm in (False, True))
    shapes = [
        {key.removeprefix("network."): value.shape for key, value in state_of(each)} for each in (modular, plain, fair)
    ]
    assert shapes[2] == shapes[0]
    assert (shapes[1] == shapes[0]) == (name == "vgg16")
    searched = nemo.build_network(name, "moda", 10, width=0.125, seed=3, norm=True)
    assert {key.removeprefix("network."): value.shape for key, value in searched.state_dict().items()} == shapes[0]


def test_a_network_without_a_layer_to_mask_is_refused() -> None:
    bare = Backbone(nn.Sequential(ConvUnit(nn.Conv2d(3, 4, 3), maskable=False), nn.Flatten()), nn.Linear(3600, 10))
    transformer = nemo.build_backbone("vit_s", 10, 0.125, 16)
    for backbone, roles in ((bare, ROLES), (transformer, ())):
        with pytest.raises(nemo.UserError, match="no layer of this network can be masked, give it a ConvUnit after"):
            nemo.make_modular(backbone, roles)
