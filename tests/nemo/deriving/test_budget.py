"""Which units fit a budget."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from nemo.deriving.budget import Budget
from nemo.deriving.fitting import best, uniform
from nemo.errors import UserError

PRICES = [torch.full((40,), 3.0), torch.full((100,), 1.0), torch.full((10,), 8.0)]
TOTAL = sum(float(price.sum()) for price in PRICES)


def count(masks: list[Tensor]) -> float:
    return sum(float((mask * price).sum()) for mask, price in zip(masks, PRICES, strict=True)) / TOTAL


def scores(seed: int = 0) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(len(price), generator=generator) for price in PRICES]


@pytest.mark.parametrize("share", [0.9, 0.5, 0.3])
def test_the_best_units_meet_a_budget_and_grow_with_it(share: float) -> None:
    asked: list[float] = []

    def counted(masks: list[Tensor]) -> float:
        asked.append(count(masks))
        return asked[-1]

    masks = best(scores(), Budget("flops", share), counted)
    assert count(masks) == pytest.approx(share, rel=0.02)
    assert len(asked) < 20
    first = [each == each.max() for each in scores()]  # of every site, in any case
    least = min(
        each[mask & ~own].min() for each, mask, own in zip(scores(), masks, first, strict=True) if (mask & ~own).any()
    )
    assert all(bool((each[~mask] <= least).all()) for each, mask in zip(scores(), masks, strict=True))
    more = best(scores(), Budget("flops", min(1, share + 0.2)), count)
    assert all(bool((mask <= other).all()) for mask, other in zip(masks, more, strict=True))


def test_all_is_kept_at_1_and_no_layer_is_ever_empty() -> None:
    assert all(bool(mask.all()) for mask in best(scores(), Budget("flops", 1), count))
    low = scores()
    low[2] -= 5
    masks = best(low, Budget("flops", 0.2), count)
    assert masks[2].sum() == 1 and masks[2][low[2].argmax()]


def test_a_large_unit_is_passed_over_for_others_that_fit() -> None:
    prices = [torch.tensor([1.0, 60.0, 10.0, 10.0, 10.0]), torch.tensor([9.0])]
    order = [torch.tensor([5.0, 4.0, 3.0, 2.0, 1.0]), torch.tensor([1.0])]
    masks = best(
        order,
        Budget("flops", 0.4),
        lambda kept: sum(float((m * p).sum()) for m, p in zip(kept, prices, strict=True)) / 100,
    )
    assert masks[0].tolist() == [True, False, True, True, True]


def test_uniform_loses_the_same_share_everywhere() -> None:
    each = [10 * scores()[0], scores()[1] / 7]
    ranks = uniform(each)
    for own, rank in zip(each, ranks, strict=True):
        assert torch.equal(own.argsort(), rank.argsort()) and float(rank.min()) > 0 and float(rank.max()) < 1
    assert int((ranks[0] > 0.5).sum()) == 20 and int((ranks[1] > 0.5).sum()) == 50


def test_what_can_not_be_reached_is_refused_with_the_smallest_that_can() -> None:
    with pytest.raises(UserError) as error:
        best(scores(), Budget("flops", 0.01), count)
    said = str(error.value)
    assert said.startswith("budget: flops 0.01 can't be reached, with one unit of every layer that is cut 0.04 is")
    smallest = float(said.split("at least ")[1].split(",")[0])
    assert count(best(scores(), Budget("flops", smallest), count)) <= smallest


def test_a_budget_of_time_is_a_share_of_what_the_whole_takes() -> None:
    budget = Budget.of({"milliseconds": 3}).against(12.0)
    assert (budget.share, budget.whole, budget.given, budget.modelled) == (0.25, 12.0, {"milliseconds": 3.0}, "flops")
    assert Budget.of({"milliseconds": 30}).against(12.0).share == 1.0
    assert Budget.of({"flops": 0.3}).against(12.0) == Budget("flops", 0.3)
    with pytest.raises(UserError, match=r"budget: milliseconds 0\.12 can't be reached, .* 0\.48 is left: choose at"):
        best(scores(), Budget.of({"milliseconds": 0.12}).against(12.0), count)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "budget: {} should be one of flops, parameters and milliseconds, such as {'flops': 0.3}."),
        (
            {"time": 0.3},
            "budget: {'time': 0.3} should be one of flops, parameters and milliseconds, such as {'flops': 0.3}.",
        ),
        ({"flops": 30}, "budget: flops should be the share to keep, above 0 and at most 1, not 30."),
        ({"flops": "0.3"}, "budget: flops should be a number above 0, not '0.3'."),
        ({"milliseconds": 0}, "budget: milliseconds should be a number above 0, not 0."),
    ],
)
def test_what_is_no_budget_is_refused(given: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as error:
        Budget.of(given)
    assert str(error.value) == says
