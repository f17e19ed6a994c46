"""NuWa's and MoEfication's choice of hidden units: written-down values, and a small network of tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

import nemo
from nemo.datasets.dataset import Dataset
from nemo.deriving.experts import centroids, expert_scores, grouped
from nemo.deriving.purification import kept_count, kept_mask
from nemo.errors import UserError
from tests.nemo.deriving.networks import filled

CLASSES = [5, 2, 7]
QUICK: dict[str, dict[str, Any]] = {"nuwa": {"steps": 150}, "moefication": {"units": 16}}


def test_purification_keeps_and_learns_as_written_down() -> None:
    scores, share = filled(8, 0.4) + 1, torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    scores.requires_grad_()
    mask = kept_mask(scores, share)
    assert mask.tolist() == [1, 1, 1, 1, 1, 0, 0, 0]
    gradient = filled(8, 1.3)
    mask.backward(gradient)
    assert torch.equal(scores.grad, gradient)
    assert float(share.grad) == pytest.approx(0.613209, abs=1e-6)
    assert [kept_count(units, 5.0) for units in (768, 1536, 3072)] == [763, 1526, 3052]


def test_the_weight_decay_is_the_hidden_size_term() -> None:
    share = nn.Parameter(torch.tensor(5.0, dtype=torch.float64))
    optimizer = torch.optim.AdamW([share], lr=0.1, weight_decay=0.05)
    seen = {}
    for step in range(1, 1001):
        share.grad = torch.zeros_like(share)
        optimizer.step()
        seen[step] = share.item()
    for step, value in {1: 4.975, 138: 2.503544, 500: 0.407859, 1000: 0.033270}.items():
        assert seen[step] == pytest.approx(value, abs=1e-6)


def test_experts_score_as_written_down() -> None:
    hidden, experts = 2 * filled((6, 6), 0.2), torch.tensor([0, 1, 2, 0, 1, 2])
    scores = expert_scores(hidden, experts)
    assert scores[0].tolist() == pytest.approx([0.944375, 0.924447, 0.999574], abs=1e-6)
    assert scores.argmax(1).tolist() == [2, 2, 0, 2, 2, 0]
    best = scores.topk(2, dim=1).indices
    assert [set(row) for row in best.tolist()] == [{0, 2}, {1, 2}, {0, 1}, {0, 2}, {1, 2}, {0, 1}]
    share = scores / scores.sum(1, keepdim=True)
    assert float(share.amax(1).mean()) == pytest.approx(0.570070, abs=1e-6)
    assert float(share.gather(1, best).sum(1).mean()) == pytest.approx(0.855314, abs=1e-6)


def test_the_middles_of_experts_as_written_down() -> None:
    rows = nn.functional.normalize(filled((6, 4), 0.9), dim=1)
    expected = [[0.307970, 0.148842, -0.080289, -0.271659], [-0.339444, -0.232526, -0.016248, 0.207672]]
    found = centroids(rows, torch.tensor([0, 1, 2, 0, 1, 2]))
    assert found[:2].flatten().tolist() == pytest.approx([*expected[0], *expected[1]], abs=1e-6)
    assert found[2].tolist() == pytest.approx([0.343982, 0.307232, 0.125985, -0.114514], abs=1e-6)


@pytest.mark.parametrize(("units", "size"), [(12, 4), (13, 4), (8, 8), (5, 32)])
def test_experts_are_of_one_size(units: int, size: int) -> None:
    torch.manual_seed(0)
    sizes = torch.bincount(grouped(torch.randn(units, 6), size, 0)).tolist()
    assert sizes == [size] * (units // size) + ([units % size] if units % size else [])


def test_rows_that_are_alike_are_one_expert() -> None:
    torch.manual_seed(0)
    kinds = torch.tensor([0, 1, 2, 3] * 4)
    weight = torch.eye(4, 10)[kinds] * torch.rand(16, 1).add(0.5) + 0.01 * torch.randn(16, 10)
    found = grouped(weight, 4, 3)
    assert len({(int(kind), int(expert)) for kind, expert in zip(kinds, found, strict=True)}) == 4


@pytest.mark.parametrize("method", ["nuwa", "moefication"])
def test_only_hidden_units_go_and_some_are_better_than_others(
    tokens: nn.Module, small_digits: Dataset, method: str
) -> None:
    made = nemo.derive(
        tokens, small_digits, CLASSES, budget={"parameters": 0.4}, method=method, settings=QUICK[method],
        compensate="refit", controls=("random",),
    )  # fmt: skip
    kept = dict(zip(made.sites, made.masks, strict=True))
    assert all(bool(mask.all()) == ("fc1" not in name) for name, mask in kept.items())
    assert made.kept["parameters"] == pytest.approx(0.4, rel=0.02)
    assert made.accuracy["network"] > made.accuracy["base"] - 0.06
    assert {tuple(each.shape) for each in made.scores} >= {(1 if method == "nuwa" else 3, 128)}


def test_an_explicit_size_term_ends_at_the_budget(tokens: nn.Module, small_digits: Dataset) -> None:
    settings = {"steps": 150, "size": "hinge", "weight_decay": 0.0, "lr_share": 0.2, "alpha": 20.0}
    made = nemo.derive(
        tokens, small_digits, CLASSES, budget={"parameters": 0.5}, method="nuwa", settings=settings, controls=()
    )
    purified = torch.cat([(each < 0)[0] for each in made.scores])
    assert 0.2 < float(purified.double().mean()) < 0.8


@pytest.mark.parametrize("method", ["nuwa", "moefication"])
def test_what_they_cannot_do_is_refused(net: nn.Module, tokens: nn.Module, small_digits: Dataset, method: str) -> None:
    with pytest.raises(UserError, match=f"method: {method} is for hidden layers of MLP blocks"):
        nemo.derive(net, small_digits, CLASSES, budget={"flops": 0.5}, method=method)
    with pytest.raises(UserError, match=r"budget: flops 0.01 can't be reached, .*: choose at least 0\.\d+"):
        nemo.derive(tokens, small_digits, CLASSES, budget={"flops": 0.01}, method=method, settings=QUICK[method])
