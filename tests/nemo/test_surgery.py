"""The proof of surgery: a module equals the whole network under its constant mask (method.md 6 and B)."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import nn

import nemo
from nemo.backbones.backbone import Backbone
from nemo.layers import ConvUnit
from tests.nemo.networks import CNNS, calibrated, constant_masks, images, random_masks

pytestmark = pytest.mark.heavy

CLASSES = [7, 2, 5]


DEEP = ("resnet34", "resnet50")  # of ResNet18's and VGG16's parts, and more of them


@pytest.mark.parametrize(
    ("name", "count"),
    [
        *((name, 20 if name in DEEP else 100) for name in CNNS),
        *(pytest.param(name, 100, marks=pytest.mark.slow) for name in DEEP),
    ],
)
@torch.no_grad()
def test_a_module_equals_the_constant_mask_model_for_so_many_random_masks(name: str, count: int) -> None:
    modular = calibrated(name, width=0.0625)
    x = images(3)
    whole = modular(x)[0]
    generator = torch.Generator().manual_seed(1)
    differs, moves, smallest = 0, 0, 10**9
    for _ in range(count):
        masks = random_masks(modular, generator)
        with constant_masks(modular, masks, CLASSES):
            expected = modular(x)[0]
        module = nemo.extract_module(modular, masks, CLASSES)
        torch.testing.assert_close(module(x), expected, rtol=1e-5, atol=1e-9 * whole.abs().max().item())
        differs += bool((expected - whole).abs().max() > 1e-6)
        moves += bool(expected.std(0).max() > 1e-9)
        smallest = min(smallest, min(int(mask[CLASSES].any(0).sum()) for mask in masks))
    assert smallest == 1
    assert differs == count  # the cut is a cut
    assert moves > 0.3 * count  # and the signal survives it often enough for the comparison to mean something


@pytest.mark.parametrize("name", CNNS)
@pytest.mark.parametrize("image_size", [32, 64, (48, 64)])
@torch.no_grad()
def test_dense_masks_keep_a_strong_signal_and_stay_exact(name: str, image_size: int | tuple[int, int]) -> None:
    modular = calibrated(name, width=0.125, image_size=image_size)
    x = images(4, image_size)
    masks = [torch.rand(10, k) < 0.4 for k in modular.widths]
    for mask in masks:
        mask[:, 0] = True
    with constant_masks(modular, masks, CLASSES):
        expected = modular(x)[0]
    assert expected.std(0).max() > 1e-5
    torch.testing.assert_close(nemo.extract_module(modular, masks, CLASSES)(x), expected, rtol=1e-6, atol=1e-12)
    with constant_masks(modular, masks, CLASSES, keep_values=True):
        expected = modular(x)[0]
    module = nemo.extract_module(modular, masks, CLASSES, "keep_generator")
    torch.testing.assert_close(module(x), expected, rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("name", CNNS)
@torch.no_grad()
def test_an_all_ones_mask_gives_the_original_network(name: str) -> None:
    modular = calibrated(name, width=0.125)
    x = images(2)
    ones = [torch.ones(10, k, dtype=torch.bool) for k in modular.widths]
    original = copy.deepcopy(modular.network)
    for unit in (m for m in original.modules() if isinstance(m, nemo.layers.ConvUnit)):
        unit.mask_generator = None
    module = nemo.extract_module(modular, ones, [0])
    torch.testing.assert_close(module(x), original(x), rtol=1e-9, atol=1e-12)
    assert nemo.count_parameters(module) == nemo.count_parameters(original)


@torch.no_grad()
def test_fold_mean_is_exact_when_the_mask_is_constant() -> None:
    modular = calibrated("resnet18", width=0.125)
    x = images(2)
    generator = torch.Generator().manual_seed(3)
    masks = random_masks(modular, generator)
    constants = [torch.rand(1, k, generator=generator, dtype=torch.float64).expand(10, k) for k in modular.widths]

    def fixed(values: torch.Tensor) -> Callable[..., torch.Tensor]:
        return lambda module, args, out: values.expand_as(out)

    handles = [
        unit.mask_generator.register_forward_hook(fixed(mask[CLASSES].any(0) * constant[0]))  # type: ignore[union-attr]
        for unit, mask, constant in zip(modular.units, masks, constants, strict=True)
    ]
    expected = modular(x)[0]
    for handle in handles:
        handle.remove()
    module = nemo.extract_module(modular, masks, CLASSES, "fold_mean", mean_masks=constants)
    torch.testing.assert_close(module(x), expected, rtol=1e-6, atol=1e-10)


@torch.no_grad()
def test_heads() -> None:
    modular = calibrated("vgg16", width=0.125)
    x = images(2)
    masks = random_masks(modular, torch.Generator().manual_seed(5))
    whole = nemo.extract_module(modular, masks, CLASSES)(x)
    assert whole.shape == (2, 10)
    sliced = nemo.extract_module(modular, masks, CLASSES, head="slice")(x)
    torch.testing.assert_close(sliced, whole[:, CLASSES])
    paper = nemo.extract_module(modular, masks, CLASSES, head="paper")
    assert isinstance(paper.head, nn.Sequential)
    torch.testing.assert_close(paper(x), paper.head[2](torch.relu(whole)))
    assert paper(x).shape == (2, 3)
    linear = nemo.extract_module(modular, masks, CLASSES, head="linear")
    features = nemo.extract_module(modular, masks, CLASSES).body(x)
    torch.testing.assert_close(linear(x), linear.head[0](features))
    assert linear(x).shape == (2, 3)


@pytest.mark.parametrize("mask_values", ["drop", "keep_generator", "fold_mean"])
def test_the_given_network_is_never_changed_and_shares_nothing(mask_values: str) -> None:
    modular = calibrated("rescnn", width=0.125)
    before = copy.deepcopy(modular.state_dict())
    masks = random_masks(modular, torch.Generator().manual_seed(6))
    means = [mask.double() for mask in masks]
    module = nemo.extract_module(modular, masks, CLASSES, mask_values, "paper", means)  # type: ignore[arg-type]
    module.train()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    module(images(4)).square().sum().backward()
    optimizer.step()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert not modular.training
    assert all(torch.equal(value, before[name]) for name, value in modular.state_dict().items())


def test_refusals_name_the_field() -> None:
    modular = calibrated("vgg16", width=0.125)
    masks = [torch.ones(10, k, dtype=torch.bool) for k in modular.widths]
    empty = [mask.clone() for mask in masks]
    empty[4][:] = False
    for bad, match in (
        (lambda: nemo.extract_module(modular, masks[1:], [0]), "module_masks: layer widths"),
        (lambda: nemo.extract_module(modular, empty, [0]), "module_masks: layer 4 keeps no unit"),
        (lambda: nemo.extract_module(modular, masks, [10]), "classes:"),
        (lambda: nemo.extract_module(modular, masks, [1, 1]), "classes:"),
        (lambda: nemo.extract_module(modular, masks, []), "classes:"),
        (lambda: nemo.extract_module(modular, masks, [0], "binary"), "mask_values: 'binary'"),  # type: ignore[arg-type]
        (lambda: nemo.extract_module(modular, masks, [0], "fold_mean"), "mean_masks:"),
        (lambda: nemo.extract_module(modular, masks, [0], head="big"), "head: 'big'"),  # type: ignore[arg-type]
    ):
        with pytest.raises(nemo.UserError, match=match):
            bad()


@pytest.mark.parametrize("padding_mode", ["zeros", "reflect", "replicate", "circular"])
@pytest.mark.parametrize("padding", [2, "same"])
@torch.no_grad()
def test_dilation_and_padding_modes_are_cut_exactly(padding: int | str, padding_mode: str) -> None:
    torch.manual_seed(0)
    second = nn.Conv2d(6, 8, 3, padding=padding, dilation=2, padding_mode=padding_mode)
    third = nn.Conv2d(8, 5, (3, 1), stride=2, padding=(1, 0), dilation=(1, 3), padding_mode=padding_mode)
    units = [
        ConvUnit(nn.Conv2d(3, 6, 3, dilation=2), maskable=False),
        ConvUnit(second, norm=nn.BatchNorm2d(8)),
        ConvUnit(third, norm=nn.BatchNorm2d(5)),
    ]
    body = nn.Sequential(*units, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    modular = nemo.make_modular(Backbone(body, nn.Linear(5, 10))).double().eval()
    masks = [torch.rand(10, k) < 0.4 for k in modular.widths]
    for mask in masks:
        mask[:, 0] = True
    x = images(3, 16)
    with constant_masks(modular, masks, CLASSES):
        expected = modular(x)[0]
    torch.testing.assert_close(nemo.extract_module(modular, masks, CLASSES)(x), expected, rtol=1e-9, atol=1e-12)


def test_a_convolution_with_groups_is_refused() -> None:
    units = [ConvUnit(nn.Conv2d(3, 4, 3), maskable=False), ConvUnit(nn.Conv2d(4, 4, 3, groups=2))]
    body = nn.Sequential(*units, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    modular = nemo.make_modular(Backbone(body, nn.Linear(4, 10)))
    masks = [torch.ones(10, 4, dtype=torch.bool)]
    with pytest.raises(nemo.UserError, match=r"surgery cannot cut a convolution with groups=2 yet, use groups=1\.$"):
        nemo.extract_module(modular, masks, CLASSES)
