"""Texts as one tensor, and a network that pools over real tokens alone."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import nemo
from nemo.backbones import build_backbone
from nemo.example import logits_of
from nemo.graph.hooks import HookedSite
from nemo.modular import ModularNetwork
from nemo.tokens import PADDING, PART, example_texts, pack, reader_of, token_mean, unpacked
from tests import texts

KINDS = [pytest.param(kind, marks=[] if kind in ("bert", "roberta") else [pytest.mark.slow]) for kind in texts.SIZES]


def network(folder: Path, kind: str = "bert", seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_backbone(f"hf:{texts.write_network(folder, kind)}", 3, image_size=(12,)).eval()


def modular(folder: Path, kind: str = "bert") -> ModularNetwork:
    return nemo.make_modular(network(folder, kind), example=example_texts(12), start="identity").eval()


def padded(packed: Tensor, more: int) -> Tensor:
    return torch.cat([packed, torch.full((len(packed), more), PADDING)], 1)


@given(st.lists(st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 1)), max_size=6), min_size=1, max_size=4))
def test_what_a_tokenizer_gives_comes_back(rows: list[list[tuple[int, int]]]) -> None:
    width = max(len(row) for row in rows)
    ids, parts, there = (torch.zeros(len(rows), width, dtype=torch.int64) for _ in range(3))
    for number, row in enumerate(rows):
        for place, (token, part) in enumerate(row):
            ids[number, place], parts[number, place], there[number, place] = token, part, 1
    for have, want in zip(unpacked(pack(ids, there, parts)), (ids, there, parts), strict=True):
        assert torch.equal(have, want)


def test_padding_is_no_part_of_a_mean() -> None:
    x = torch.randn(2, 5, 3)
    present = torch.tensor([[True] * 5, [True, True, False, False, False]])
    torch.testing.assert_close(token_mean(x, present), torch.stack([x[0].mean(0), x[1, :2].mean(0)]))
    torch.testing.assert_close(token_mean(x, None), x.mean(1))
    assert not torch.allclose(token_mean(x, present)[1], x[1].mean(0))


@pytest.mark.parametrize("kind", KINDS)
def test_masks_and_logits_do_not_see_how_far_a_text_is_padded(tmp_path: Path, kind: str) -> None:
    net = modular(tmp_path, kind).double()
    short = example_texts(9)
    with torch.no_grad():
        (logits, masks), (wider, others) = net(short), net(padded(short, 7))
    torch.testing.assert_close(wider, logits)
    assert len(masks) >= 8
    for mask, other in zip(masks, others, strict=True):
        torch.testing.assert_close(mask, other)
    assert reader_of(net.network).present is None  # type: ignore[union-attr]


def test_activations_are_heard_over_real_tokens(tmp_path: Path) -> None:
    net = nemo.record_activations(network(tmp_path), example=example_texts(12)).eval()
    short = example_texts(9)
    with torch.no_grad():
        for mask, other in zip(net(short)[1], net(padded(short, 7))[1], strict=True):
            torch.testing.assert_close(mask, other, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mask_values", ["drop", "keep_generator"])
def test_a_cut_is_exact_at_every_length(tmp_path: Path, kind: str, mask_values: str) -> None:
    net = modular(tmp_path, kind).double()
    draw = torch.Generator().manual_seed(2)
    masks = [torch.rand(3, width, generator=draw) > 0.5 for width in net.widths]
    module = nemo.extract_module(net, masks, [0, 2], mask_values, "slice").eval()  # type: ignore[arg-type]
    whole = deepcopy(net)
    for site, mask in zip(whole.units, masks, strict=True):
        assert isinstance(site, HookedSite)
        site.constant, site.combined = mask[[0, 2]].any(0).double(), mask_values == "keep_generator"
    untouched = logits_of(net.network(example_texts(12)))[:, [0, 2]]
    for length, count in ((12, 2), (5, 1), (31, 4)):
        inputs = example_texts(length, count)
        with torch.no_grad():
            want = logits_of(whole.network(inputs))[:, [0, 2]]
            torch.testing.assert_close(module(inputs), want, rtol=1e-9, atol=1e-12)
            torch.testing.assert_close(module(padded(inputs, 3)), want, rtol=1e-9, atol=1e-12)
    assert not torch.allclose(module(example_texts(12)), untouched, rtol=1e-3)
    assert sum(p.numel() for p in module.parameters()) < sum(p.numel() for p in net.parameters())


def test_parts_of_a_pair_are_told_apart_by_networks_that_can(tmp_path: Path) -> None:
    bert, roberta = network(tmp_path / "b"), network(tmp_path / "r", "roberta")
    one = example_texts(8, 1)[:, :6]
    two = one + PART * (torch.arange(6) > 2)
    assert not torch.allclose(logits_of(bert(one)), logits_of(bert(two)))
    torch.testing.assert_close(logits_of(roberta(one)), logits_of(roberta(two)))


def test_a_text_that_is_longer_than_the_positions_is_refused(tmp_path: Path) -> None:
    folder = texts.write_network(tmp_path, "roberta")
    with pytest.raises(nemo.UserError, match=r"texts of up to 38 tokens, and the data set has one of 39"):
        build_backbone(f"hf:{folder}", 3, image_size=(39,))
    assert build_backbone(f"hf:{folder}", 3, image_size=(38,)) is not None


def test_networks_of_images_take_no_texts() -> None:
    for name in ("resnet18", "torchvision:resnet18"):
        with pytest.raises(nemo.UserError, match="classifies images, and the data set has texts"):
            build_backbone(name, 3, image_size=(12,))


OWN = """
import torch
from torch import nn


class Net(nn.Module):
    longest = 64

    def __init__(self, num_classes):
        super().__init__()
        self.words = nn.Embedding(30, 8)
        self.first, self.second = nn.Linear(8, 16), nn.Linear(16, 16)
        self.head = nn.Linear(16, num_classes)

    def forward(self, texts):
        there = (texts >= 0).unsqueeze(-1)
        x = torch.relu(self.second(torch.relu(self.first(self.words(texts.clamp(min=0))))))
        return self.head((x * there).sum(1) / there.sum(1))


def make(num_classes):
    return Net(num_classes)
"""


def test_a_network_of_ones_own_pools_over_real_tokens_too(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(OWN)
    own = build_backbone(f"python:{tmp_path / 'net.py'}:make", 3, image_size=(12,)).eval()
    net = nemo.make_modular(own, example=example_texts(12), start="identity").eval().double()
    short = example_texts(9)
    with torch.no_grad():
        for mask, other in zip(net(short)[1], net(padded(short, 7))[1], strict=True):
            torch.testing.assert_close(mask, other)
    masks = [torch.arange(width).remainder(2).expand(3, -1) > 0 for width in net.widths]
    module = nemo.extract_module(net, masks, [0, 1], head="slice").eval()
    for length in (5, 31):
        one = example_texts(length, 1)
        torch.testing.assert_close(module(padded(one, 4)), module(one))
