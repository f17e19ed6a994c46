"""What can be masked, what can't and why, and what hooks leave as it was."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nemo
from tests.nemo.any_network.networks import NETWORKS
from tests.nemo.any_network.own import Densely, Shared

pytestmark = pytest.mark.heavy


def images(size: int = 12) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))


def test_sites_in_the_order_in_which_they_compute() -> None:
    found = nemo.find_sites(Densely(), images())
    assert [site.layer for site in found.sites] == ["left", "right.0", "last"]
    assert [site.norm for site in found.sites] == [None, "right.1", None]
    assert [(site.features, site.kernels) for site in found.sites] == [(12, 16), (12, 16), (32, 24)]
    assert found.refused == {"stem": "reads the input", "gate": "sees one value a channel", "head": "gives the logits"}


def test_a_layer_that_is_used_twice_is_none() -> None:
    found = nemo.find_sites(Shared(), images())
    assert [site.layer for site in found.sites] == ["last"]
    assert found.refused["twice"] == "is used more than once"


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.one, self.two = (
            nn.Conv2d(3, 8, 3),
            nn.Conv2d(8, 8, 3, padding=1),
            nn.Conv2d(8, 8, 3, padding=1),
        )
        self.two.weight = self.one.weight
        self.last, self.head = nn.Conv2d(8, 8, 1), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.two(F.relu(self.one(F.relu(self.first(x))))))
        out: Tensor = self.head(F.relu(self.last(x)).mean((2, 3)))
        return out


def test_a_tied_weight_is_no_site_and_stays_tied() -> None:
    found = nemo.find_sites(Tied(), images())
    assert found.refused["one"] == found.refused["two"] == "shares its weight with another layer"
    modular = nemo.make_modular(Tied(), example=images())
    module = nemo.extract_module(modular, [torch.ones(3, 8).bool()], [0, 1], head="slice")
    assert sum(parameter.numel() == 8 * 8 * 9 for parameter in module.parameters()) == 1


def test_patterns_choose() -> None:
    def layers(*patterns: str) -> list[str]:
        return [site.layer for site in nemo.find_sites(Densely(), images(), sites=patterns).sites]

    assert layers("right*", "last") == ["right.0", "last"]
    assert layers("!right*") == ["left", "last"]
    with pytest.raises(nemo.UserError, match=r"^sites: 'up\*' fits none"):
        layers("up*")


class Branches(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Linear(8, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x)
        if x.sum() > 0:
            x = x + 1
        out: Tensor = self.head(self.two(x).mean((2, 3)))
        return out


class Fixed(Branches):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.two(self.one(x)).reshape(len(x), 8, -1).mean(2))
        return out


class Scaled(Densely):
    def forward(self, x: Tensor) -> Tensor:
        return 3 * super().forward(x)


@pytest.mark.parametrize(
    ("network", "example", "message"),
    [
        (Branches(), images(), r"^network: torch.export cannot follow its forward .*may not depend on the values"),
        (Fixed(), images(), r"^network: its forward is fixed to batches of 2, take their size from x.shape\[0\]"),
        (Densely(), torch.rand(2, 4, 12, 12), r"^example: the network does not take it \(.*4 channels"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(48, 3)),
            torch.rand(2, 3, 4, 4),
            r"^network: no layer of it can be masked",
        ),
        (nn.Conv2d(3, 3, 1), images(), r"^network: its output is no tensor of logits \[B, N\]"),
    ],
    ids=["branches", "batch", "example", "no sites", "no logits"],
)
def test_what_is_refused(network: nn.Module, example: Tensor, message: str) -> None:
    before = copy.deepcopy(network.state_dict())
    with pytest.raises(nemo.UserError, match=message):
        nemo.make_modular(network, example=example)
    after = network.state_dict()
    assert list(before) == list(after) and all(torch.equal(before[name], after[name]) for name in before)


def test_a_head_that_is_no_linear_layer() -> None:
    modular = nemo.make_modular(Scaled(), example=images())
    masks = [torch.ones(5, width).bool() for width in modular.widths]
    nemo.extract_module(modular, masks, [0, 4], head="slice")
    with pytest.raises(nemo.UserError, match=r"^head: the logits of this network do not come from one Linear"):
        nemo.extract_module(modular, masks, [0, 4], head="linear")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"^example: a network of another kind"),
        ({"example": images(), "start": "warm"}, r"^start: 'warm' is unknown"),
        ({"example": images(), "start": "identity", "gate": "annealed"}, r"^start: identity has a gate of its own"),
    ],
)
def test_options_that_do_not_fit(options: dict[str, object], message: str) -> None:
    with pytest.raises(nemo.UserError, match=message):
        nemo.make_modular(Densely(), **options)  # type: ignore[arg-type]


def test_hooks_leave_state_keys_and_copies_alone() -> None:
    network = Densely().eval()
    modular = nemo.make_modular(network, example=images()).eval()
    state = modular.network.state_dict()
    assert [name for name in state if ".mask." not in name] == list(network.state_dict())
    copied = copy.deepcopy(modular)
    logits, masks = modular(images())
    again, _ = copied(images())
    assert torch.equal(logits, again) and [mask.shape[1] for mask in masks] == modular.widths
    with torch.no_grad():
        for parameter in copied.parameters():
            parameter.zero_()
    assert torch.equal(modular(images())[0], logits)


def test_generators_run_as_modules_in_the_order_of_the_masks() -> None:
    modular = nemo.make_modular(Densely(), example=images()).eval()
    generators = [each for each in modular.modules() if type(each).__name__.endswith("MaskGenerator")]
    for number, generator in enumerate(generators):
        generator.register_forward_hook(lambda _, __, mask, number=number: torch.full_like(mask, number / 10))
    _, masks = modular(images())
    assert [round(float(mask.mean()), 1) for mask in masks] == [0.0, 0.1, 0.2]


class Later(Densely):
    """Registers what runs last first."""

    def __init__(self) -> None:
        super().__init__()
        last = self.last
        del self.last
        self._modules = {"last": last, **self._modules}


def test_generators_are_listed_in_the_order_of_the_masks_whatever_the_network_registers_first() -> None:
    modular = nemo.make_modular(Later(), example=images())
    generators = [each for each in modular.modules() if type(each).__name__.endswith("MaskGenerator")]
    assert [each.expand.out_features for each in generators] == modular.widths == [16, 16, 24]


def test_a_start_at_the_identity_hardly_moves_the_logits() -> None:
    torch.manual_seed(0)
    network = Densely().eval()
    whole = network(images())
    moved = {}
    for start in ("published", "identity"):
        modular = nemo.make_modular(network, example=images(), start=start).eval()  # type: ignore[arg-type]
        logits, masks = modular(images())
        moved[start] = float(((logits - whole).abs().max() / whole.abs().max()).detach())
        assert all(bool((mask <= 1).all()) for mask in masks)
    assert moved["identity"] < 0.5 * moved["published"]


def test_hidden_narrows_the_generators() -> None:
    modular = nemo.make_modular(Densely(), example=images(), hidden=4)
    squeezed = [each.squeeze.out_features for each in modular.modules() if type(each).__name__ == "ConvMaskGenerator"]
    assert squeezed == [4, 4, 4]


def test_several_inputs_by_name() -> None:
    network, example = NETWORKS["transformers:bert"]()
    modular = nemo.make_modular(network, example=example).eval()
    logits, masks = modular(example)
    assert logits.shape == (3, 4) and len(masks) == len(modular.widths)
    module = nemo.extract_module(
        modular, [torch.rand(4, width) < 0.5 for width in modular.widths], [0, 3], head="slice"
    )
    assert module(**example).shape == (3, 2)  # type: ignore[arg-type]


def test_imposed_masks_leave_running_statistics() -> None:
    modular = nemo.make_modular(Densely(), example=images()).train()
    norm = modular.network.get_submodule("right.1")
    before = norm.running_mean.clone()  # type: ignore[union-attr, operator]
    modular(images(), [torch.ones(2, width) for width in modular.widths])
    assert torch.equal(before, norm.running_mean)  # type: ignore[arg-type]
    modular(images())
    assert not torch.equal(before, norm.running_mean)  # type: ignore[arg-type]


@pytest.mark.slow
def test_compiled_and_exported_whole() -> None:
    modular = nemo.make_modular(Densely(), example=images()).eval()
    logits, _ = modular(images())
    torch.testing.assert_close(torch.compile(modular, fullgraph=True)(images())[0], logits)
    program = torch.export.export(modular, (images(),), strict=False)
    torch.testing.assert_close(program.module()(images())[0], logits)
