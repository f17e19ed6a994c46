"""Activations of any network: what is read behind a site, what is silent, and cuts of what nobody hears."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nemo
from nemo.graph.hooks import SILENT, HookedSite
from nemo.modular import unmasked_kernels
from tests.nemo.any_network.networks import NETWORKS

pytestmark = pytest.mark.heavy

CLASSES = [3, 0]


class Net(nn.Module):
    """A site behind whose norm there is a ReLU, one before a GELU, and one that is added to in place."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.one, self.norm = nn.Conv2d(8, 12, 3, padding=1), nn.BatchNorm2d(12)
        self.two, self.three = nn.Conv2d(12, 12, 1), nn.Conv2d(12, 12, 3, padding=1)
        self.tokens, self.head = nn.Linear(12, 10), nn.Linear(10, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.one(F.relu(self.stem(x)))), inplace=True)
        y = self.three(F.gelu(self.two(x)))
        y += x
        y = F.silu(y, inplace=True)
        out: Tensor = self.head(F.hardtanh(self.tokens(y.flatten(2).mT)).mean(1))
        return out


def images(count: int = 3) -> Tensor:
    return torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def net() -> Net:
    torch.manual_seed(0)
    return Net().eval()


def test_the_activation_behind_a_site_is_read_or_its_output(net: Net) -> None:
    modular = nemo.record_activations(net, example=images()).eval()
    infos = [unit.info for unit in modular.units if isinstance(unit, HookedSite)]
    assert [(info.layer, info.activation) for info in infos] == [
        *(("one", "relu"), ("two", "gelu")),
        *(("three", None), ("tokens", None)),  # a sum is nobody's own, and what is bounded by 1 is no relu6
    ]
    seen = {}
    for name in ("norm", "two", "three", "tokens"):
        net.get_submodule(name).register_forward_hook(lambda _, __, y, name=name: seen.update({name: y.clone()}))
    whole = net(images())
    logits, found = modular(images())
    torch.testing.assert_close(logits, whole)
    torch.testing.assert_close(found[0], F.relu(seen["norm"]).mean((2, 3)))
    loud = [F.gelu(seen["two"]).abs().mean((2, 3)), seen["three"].abs().mean((2, 3)), seen["tokens"].abs().mean(1)]
    for vectors, mean in zip(found[1:], loud, strict=True):
        torch.testing.assert_close(vectors, F.relu(mean - SILENT * mean.mean(1, keepdim=True)))
    assert modular.source == "activations" and modular.widths == [12, 12, 12, 10]


def test_a_silent_unit_is_irrelevant_whatever_the_scale(net: Net) -> None:
    with torch.no_grad():
        net.three.weight[4] *= 1e-3
        net.three.bias[4] = 0  # type: ignore[index]
        net.norm.bias[2] = -100
    for scale in (1e-3, 1.0, 1e3):
        with torch.no_grad():
            net.three.weight *= scale
            net.three.bias *= scale  # type: ignore[operator]
        _, (one, _, three, _) = nemo.record_activations(net, example=images()).eval()(images())
        assert (three[:, 4] == 0).all() and (three > 0).sum(1).min() > 6
        assert (one[:, 2] == 0).all()


def test_nothing_is_added_and_gradients_reach_every_weight(net: Net) -> None:
    before = copy.deepcopy(net.state_dict())
    modular = nemo.record_activations(net, example=images()).train()
    assert list(modular.network.state_dict()) == list(before)
    assert nemo.count_parameters(modular) == nemo.count_parameters(net)
    assert unmasked_kernels(modular) == 8
    logits, found = modular(images())
    (logits.square().sum() + sum(each.sum() for each in found)).backward()
    assert all(parameter.grad is not None for parameter in modular.parameters())
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())
    kept = [torch.ones(3, width) for width in modular.widths]
    kept[2][:, 1:] = 0
    assert not torch.equal(modular(images(), kept)[0], logits)


@pytest.mark.parametrize("name", ["own", "torchvision:resnet18", "timm:vit_tiny_patch16_224"])
@torch.no_grad()
def test_a_module_equals_the_network_with_its_activations_masked(name: str, net: Net) -> None:
    network, example = (net, images()) if name == "own" else NETWORKS[name]()
    network = network.double().eval()
    assert isinstance(example, Tensor)
    example = example.double()
    modular = nemo.record_activations(network, example=example).eval()
    masks = [torch.rand(4, width, generator=torch.Generator().manual_seed(width)) < 0.5 for width in modular.widths]
    for unit, mask in zip(modular.units, masks, strict=True):
        assert isinstance(unit, HookedSite)
        kept = mask[CLASSES].any(0).double()
        shaped = kept if unit.last else kept.view(-1, 1, 1)

        def behind(_: nn.Module, __: object, y: Tensor, shaped: Tensor = shaped) -> Tensor:
            return y * shaped

        network.get_submodule(unit.info.norm or unit.info.layer).register_forward_hook(behind)
    whole, masked = modular(example)[0], network(example)
    module = nemo.extract_module(modular, masks, CLASSES, head="none")
    have = module(example)
    largest = masked.abs().max()
    assert float((have - masked).abs().max() / largest) < 1e-11
    assert float((whole - masked).abs().max() / largest) > 1e-3
    sliced = nemo.extract_module(modular, masks, CLASSES, head="slice")
    torch.testing.assert_close(sliced(example), masked[:, CLASSES], rtol=1e-9, atol=1e-11 * float(largest))


def test_what_is_refused(net: Net) -> None:
    with pytest.raises(nemo.UserError, match=r"^example: a network of another kind than ours"):
        nemo.record_activations(net)
    with pytest.raises(nemo.UserError, match=r"^network: no layer of it can be masked"):
        nemo.record_activations(nn.Sequential(nn.Flatten(), nn.Linear(432, 4)), example=images())
    with pytest.raises(nemo.UserError, match=r"^example, sites: are for other networks"):
        nemo.record_activations(nemo.build_backbone("resnet18", 10, 0.125), sites=["body*"])  # type: ignore[arg-type]
    only = nemo.record_activations(net, example=images(), kernels_only=True, sites=["!two"])
    assert only.widths == [12, 12]
    modular = nemo.record_activations(net, example=images())
    masks = [torch.ones(4, width).bool() for width in modular.widths]
    with pytest.raises(nemo.UserError, match=r"^mask_values: keep_generator needs mask generators"):
        nemo.extract_module(modular, masks, [0], "keep_generator")


@pytest.mark.slow
def test_compiled_whole(net: Net) -> None:
    modular = nemo.record_activations(net, example=images()).eval()
    logits, found = modular(images())
    compiled_logits, compiled_found = torch.compile(modular, fullgraph=True)(images())
    torch.testing.assert_close(compiled_logits, logits)
    torch.testing.assert_close(compiled_found, found)
