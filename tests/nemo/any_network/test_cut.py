"""Cuts of networks of torchvision, timm, transformers and our own equal the whole network with constant masks."""

from __future__ import annotations

from functools import cache
from statistics import median

import pytest
import torch

import nemo
from nemo.example import call, logits_of
from nemo.graph.builder import Builder
from nemo.graph.cut import others
from tests.nemo.any_network.cutting import Difference, compare, draw, prepare
from tests.nemo.any_network.networks import NETWORKS, QUICK

pytestmark = pytest.mark.heavy

REST = [name for name in NETWORKS if name not in QUICK]


@cache
def differences(name: str) -> dict[str, Difference]:
    prepared = prepare(name)
    return {kind: compare(prepared, draw(prepared, kind)) for kind in ("half", "dead", "one")}


def check(name: str) -> None:
    for kind, difference in differences(name).items():
        assert difference.error <= 1e-11, (name, kind, difference)
        assert difference.moved > 0.01, (name, kind, difference)
    assert differences(name)["half"].spread > 1e-6, (name, differences(name)["half"])


@pytest.mark.parametrize("name", QUICK)
def test_a_cut_is_exact(name: str) -> None:
    check(name)


@pytest.mark.slow
@pytest.mark.parametrize("name", REST)
def test_a_cut_of_any_other_network_is_exact(name: str) -> None:
    check(name)


def test_half_of_the_units_of_a_sample_are_four_tenths_of_the_flops() -> None:
    assert median(differences(name)["half"].flops for name in QUICK) >= 0.4


@pytest.mark.slow
def test_half_of_the_units_are_four_tenths_of_the_flops() -> None:
    assert len(NETWORKS) >= 70
    assert median(differences(name)["half"].flops for name in NETWORKS) >= 0.4


@pytest.mark.parametrize("name", ["own:groups", "transformers:vit_eager"])
def test_mask_values_are_folded_into_the_weights(name: str) -> None:
    prepared = prepare(name)
    assert compare(prepared, draw(prepared, "valued")).error <= 1e-11


@pytest.mark.parametrize("name", ["own:densely", "own:encoder"])
def test_a_module_goes_on_computing_its_masks(name: str) -> None:
    prepared = prepare(name, combined=True)
    difference = compare(prepared, draw(prepared, "half"))
    assert difference.error <= 1e-11 and difference.flops < 0.9


def test_all_units_leave_the_network_as_it_is() -> None:
    prepared = prepare("own:groups")
    difference = compare(prepared, draw(prepared, "all"))
    assert difference.error <= 1e-13 and difference.moved < 1e-12
    assert difference.flops == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("head", ["none", "slice", "linear", "paper"])
def test_heads(head: str) -> None:
    prepared = prepare("own:densely")
    masks = draw(prepared, "half")
    module = prepared.cutter.cut(masks, [3, 1], head)  # type: ignore[arg-type]
    inputs = others(prepared.example)
    with torch.no_grad():
        whole = logits_of(call(prepared.cutter._masked(masks), inputs))
        logits = call(module, inputs)
    if head == "none":
        torch.testing.assert_close(logits, whole)
    elif head == "slice":
        torch.testing.assert_close(logits, whole[:, [3, 1]])
    else:
        assert logits.shape == (3, 2)
        assert nemo.count_parameters(module.get_submodule("head" if head == "linear" else "head_1")) > 0


def test_a_module_trains() -> None:
    prepared = prepare("own:volume")
    module = prepared.cutter.cut(draw(prepared, "half"), [0, 2], "linear").train()
    before = {name: value.clone() for name, value in module.named_buffers()}
    call(module, others(prepared.example, 5)).sum().backward()
    assert all(parameter.grad is not None for parameter in module.parameters())
    assert any(not torch.equal(before[name], value) for name, value in module.named_buffers() if "running" in name)


def test_a_cut_that_is_not_exact_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared = prepare("own:groups")
    masks = draw(prepared, "half")
    prepared.cutter.cut(masks, [0], "none")
    monkeypatch.setattr(Builder, "live", lambda builder, node, axis: builder.facts.live(node, axis)[1:])
    with pytest.raises(nemo.UserError, match=r"^surgery: the module differs .*relative error"):
        prepared.cutter.cut(masks, [0], "none")


def test_weights_may_change_between_cuts() -> None:
    prepared = prepare("own:signal")
    masks = draw(prepared, "half")
    first = prepared.cutter.cut(masks, [0], "none")
    with torch.no_grad():
        for parameter in prepared.masked.parameters():
            parameter.add_(0.1)
    second = prepared.cutter.cut(masks, [0], "none")  # checks itself
    assert not torch.equal(next(first.parameters()), next(second.parameters()))
