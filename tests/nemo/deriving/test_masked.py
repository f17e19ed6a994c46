"""A network under masks, and the module that is cut out of it, are one function; its cost is what is counted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import nemo
from nemo.deriving.cost import Cost
from nemo.deriving.masked import Masked, ones
from nemo.errors import UserError
from tests.nemo.deriving.networks import SIZE, Net, Tokens

KINDS = {
    "bottlenecks": (Net, SIZE),
    "tokens": (Tokens, SIZE),
    "resnet18": (lambda: nemo.build_backbone("resnet18", 10, 0.125), 32),
    "vit_s": (lambda: nemo.build_backbone("vit_s", 10, 0.125), 32),
}


def masked(kind: str) -> tuple[Masked, nn.Module, torch.Tensor]:
    make, size = KINDS[kind]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network, images = make().eval(), torch.randn(5, 3, size, size)
    return Masked(network, images[:2]), network, images


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
def test_masks_of_all_ones_change_no_bit_and_modules_are_the_network_under_its_masks(kind: str) -> None:
    made, network, images = masked(kind)
    with torch.no_grad():
        whole = network(images)
        assert torch.equal(made.logits(images), whole)
        assert torch.equal(made.logits(images, [mask.float() for mask in ones(made)]), whole)
        base = made.cut(ones(made), [7, 2]).eval()
        assert torch.allclose(base(images), whole[:, [7, 2]], atol=1e-5, rtol=1e-4)
        generator = torch.Generator().manual_seed(1)
        masks = [torch.rand(width, generator=generator) < 0.5 for width in made.widths]
        module = made.cut(masks, [7, 2]).eval()
        imposed = made.logits(images, [mask.float() for mask in masks])
        assert torch.allclose(module(images), imposed[:, [7, 2]], atol=1e-5, rtol=1e-4)
        assert not torch.allclose(imposed, whole, atol=1e-3), "the masks do something"
        assert torch.equal(made.logits(images), whole), "and nothing of them stays"
    assert nemo.count_parameters(module) < nemo.count_parameters(base)


@pytest.mark.heavy
@pytest.mark.parametrize("measure", ["flops", pytest.param("parameters", marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", KINDS)
def test_the_cost_of_masks_is_near_what_is_counted_on_the_cut(kind: str, measure: str) -> None:
    made, _, images = masked(kind)
    cost, generator = Cost(made, measure), torch.Generator().manual_seed(0)
    assert float(cost.share([mask.float() for mask in ones(made)])) == pytest.approx(1)

    def count(module: nn.Module) -> float:
        size = (3, *images.shape[2:])
        return nemo.count_flops(module, size) if measure == "flops" else float(nemo.count_parameters(module))

    whole = count(made.cut(ones(made), list(range(10)), check=False))
    for density in (0.7, 0.3):
        masks = [torch.rand(width, generator=generator) < density for width in made.widths]
        cut = count(made.cut(masks, list(range(10)), check=False)) / whole
        assert float(cost.share([mask.float() for mask in masks])) == pytest.approx(
            cut,
            abs=0.08 if kind == "vit_s" else 0.04,  # few units a head: the cut keeps as many of each head
        )


def test_sites_have_the_names_that_the_network_gives_them() -> None:
    made, network, images = masked("resnet18")
    layers = dict(network.named_modules())
    assert made.names and all(name in layers for name in made.names)
    fewer = Masked(network, images[:2], ["body.1*"])
    assert len(fewer.names) == 2 and all(name.startswith("body.1") for name in fewer.names)


def test_a_network_without_sites_is_refused() -> None:
    with pytest.raises(UserError, match=r"^network: no layer of it can be masked \(1 reads the input\), see"):
        Masked(nn.Sequential(nn.Flatten(), nn.Linear(48, 3)), torch.rand(2, 3, 4, 4))


def test_what_is_added_to_others_is_left_whole_unless_asked_for() -> None:
    images = torch.rand(2, 3, SIZE, SIZE)
    expansions = [f"blocks.{number}.0" for number in range(3)]
    assert Masked(Net(), images).names == expansions
    assert len(Masked(Net(), images, ["*"]).names) == 6
    assert Masked(Tokens(), images).names == [f"fc1.{number}" for number in range(3)]
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 5, 3), nn.Conv2d(5, 6, 3), nn.Flatten(), nn.Linear(600, 2))
    assert Masked(plain, images).names == ["1", "2"]


def test_where_everything_is_added_all_may_go() -> None:
    class Sums(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.one, self.other = nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1)
            self.head = nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            x = self.stem(x)
            return self.head((x + self.one(x) + self.other(x)).mean((2, 3)))

    assert len(Masked(Sums(), torch.rand(2, 3, SIZE, SIZE)).names) == 2
