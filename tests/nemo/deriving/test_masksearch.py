"""The search's loss by known values, and what its scores do."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nemo.datasets.dataset import Dataset
from nemo.deriving.budget import Budget
from nemo.deriving.cost import Cost
from nemo.deriving.mask_scores import MaskSearch, _target
from nemo.deriving.masked import Masked
from nemo.deriving.masksearch import DERIVATION
from nemo.deriving.straight_through import indicator
from nemo.deriving.task import Task
from nemo.errors import UserError
from nemo.reuse import subtask_dataset
from tests.nemo.deriving.networks import SIZE, Toy, filled

X = filled((4, 5), 0.1)


def search(rows: list[int], scores: Tensor, **settings: Any) -> MaskSearch:
    masked = Masked(Toy(), X, ["fc1"])
    made = MaskSearch(masked, rows, DERIVATION.method.complete(settings), Cost(masked, "flops"), 0.5)
    made.scores[0].data = scores.double()
    return made


def test_a_gradient_passes_through_the_masks_and_is_cut_at_1() -> None:
    scores = torch.tensor([0.3, -0.2, 0.0, 2.0], requires_grad=True)
    mask = indicator(scores)
    assert mask.tolist() == [1, 0, 0, 1]
    (mask * torch.tensor([3.0, -0.5, 0.25, -7.0])).sum().backward()
    assert scores.grad is not None and scores.grad.tolist() == [1, -0.5, 0.25, -1]


def test_assembled_has_the_written_down_loss_and_gradient() -> None:
    scores = torch.ones(3, 6)
    scores[0, 1], scores[1, 3], scores[2, 0] = -0.2, -0.1, -0.3
    made = search([0, 1, 2], scores, objective="assembled", size="mean")
    cross_entropy, size = made.loss(X, torch.tensor([0, 1, 2, 0]))
    loss = cross_entropy + 0.1 * size
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(cross_entropy) == pytest.approx(1.093742, abs=1e-6)
    assert float(size) == pytest.approx(0.833333, abs=1e-6)
    assert float(loss) == pytest.approx(1.177075, abs=1e-6)
    gradient = made.scores[0].grad
    assert gradient is not None
    assert gradient[0].tolist() == pytest.approx(
        [0.004852, -0.005292, 0.026274, -0.017231, 0.003800, 0.014672], abs=1e-6
    )
    answers = [made.masked.logits(X, [indicator(scores[row].double())])[0, row] for row in range(3)]
    assert torch.stack(answers).tolist() == pytest.approx([0.838702, 0.010134, 0.089823], abs=1e-6)


def test_a_set_has_the_written_down_loss_and_gradient() -> None:
    scores = torch.ones(1, 6)
    scores[0, 1] = -0.2
    made = search([0, 2], scores, objective="set", size="mean")
    cross_entropy, size = made.loss(X[[0, 2, 3]], torch.tensor([0, 1, 0]))
    loss = cross_entropy + 0.1 * size
    loss.backward()  # type: ignore[no-untyped-call]
    assert float(cross_entropy) == pytest.approx(0.702597, abs=1e-6)
    assert float(loss) == pytest.approx(0.785930, abs=1e-6)
    gradient = made.scores[0].grad
    assert gradient is not None
    assert gradient[0].tolist() == pytest.approx(
        [0.011402, -0.038505, 0.141413, -0.094720, 0.057908, 0.021591], abs=1e-6
    )
    logits = made.masked.logits(X[[0, 2, 3]], [indicator(scores[0].double())])[:, [0, 2]]
    assert logits.flatten().tolist() == pytest.approx(
        [0.838702, 0.295022, 0.881641, 0.064112, 0.473129, -0.046386], abs=1e-6
    )


def test_a_union_of_all_classes_is_their_largest_scores_as_a_set() -> None:
    scores = torch.tensor([[1.0, -1, 1, -1, 0.5, -1], [-1.0, -1, 2, 1, 1, -1], [0.5, -1, -1, -1, 2, -1]])
    labels = torch.tensor([0, 1, 2, 0])
    union = search([0, 1, 2], scores, objective="union")
    alone = search([0, 1, 2], scores.amax(0, keepdim=True), objective="set")
    pair = union.loss(X, labels, [0, 1, 2])
    assert [float(each) for each in pair] == [float(each) for each in alone.loss(X, labels)]
    pair[0].backward()  # type: ignore[no-untyped-call]
    gradient = union.scores[0].grad
    assert gradient is not None and gradient[1, 2] != 0
    assert gradient[0, 2] == 0, "the largest score alone speaks for a unit"


def test_a_union_of_some_tells_these_apart_alone() -> None:
    scores = torch.ones(3, 6)
    scores[0, 1] = scores[2, 1] = -0.2  # class 1 alone has that unit, and it isn't drawn
    made = search([0, 1, 2], scores, objective="union")
    chosen = made.loss(X[[0, 2, 3]], torch.tensor([0, 2, 0]), [0, 2])[0]
    assert float(chosen) == pytest.approx(0.702597, abs=1e-6)


def test_scores_are_raised_alike_until_the_target_is_met() -> None:
    made = search([0, 2], torch.tensor([[-0.1, -0.5, 0.1, -0.3, -0.2, -0.4]]), size="hinge")
    made.target = (25 + 48 * 0.45) / 73  # the first layer stays, half of the others is needed
    made.shift_scores(upwards=True)
    assert (made.scores[0] > 0).tolist() == [[True, False, True, False, True, False]]
    differences = made.scores[0][0] - torch.tensor([-0.1, -0.5, 0.1, -0.3, -0.2, -0.4]).double()
    assert torch.allclose(differences, differences[0])
    before = made.scores[0].clone()
    made.shift_scores(upwards=True)
    assert torch.equal(before, made.scores[0]), "enough is there"


def test_a_schedule_leaves_its_share_at_every_step_whatever_the_scores_are() -> None:
    given = torch.tensor([[-0.1, -0.5, 0.1, -0.3, -0.2, -0.4]])
    for target, kept in (((25 + 48 * 0.45) / 73, 3), ((25 + 48 * 0.7) / 73, 5), (0.1, 1), (1.0, 6)):
        for offset in (-3.0, 0.0, 3.0):
            made = search([0, 2], given + offset)
            made.target = target
            made.shift_scores()
            assert int((made.scores[0] > 0).sum()) == kept
            assert made.scores[0][0].argsort().tolist() == given[0].argsort().tolist()


def test_the_share_falls_more_and_more_slowly() -> None:
    settings = DERIVATION.method.complete({"steps": 100, "ramp": 0.5, "fall": 3})
    shares = [_target(step, settings, 0.3) for step in range(100)]
    assert shares[24] == pytest.approx(0.3 + 0.7 / 8) and shares[49:] == [0.3] * 51
    falls = [one - other for one, other in pairwise(shares)]
    assert falls[:49] == sorted(falls[:49], reverse=True)


def task(network: nn.Module, dataset: Dataset, classes: list[int]) -> Task:
    masked = Masked(network, torch.rand(2, 3, SIZE, SIZE))
    return Task(masked, classes, subtask_dataset(dataset, classes), Budget("flops", 0.5), 0, "cpu")


@pytest.mark.heavy
def test_a_unit_that_says_nothing_is_gone_after_as_many_steps_as_the_rate_goes_into_1(
    net: nn.Module, small_digits: Dataset
) -> None:
    from copy import deepcopy

    silent = deepcopy(net)
    norm = silent.blocks[0][1]  # type: ignore[index]
    with torch.no_grad():
        norm.weight[5], norm.bias[5] = 0, 0
    given = {"size": "mean", "alpha": 0.1, "lr": 0.03, "settle": 0, "batch_size": 8}
    for steps, gone in ((math.ceil(1 / 0.03), True), (math.floor(1 / 0.03) - 1, False)):
        scores = DERIVATION.scores(
            task(silent, small_digits, [2, 5]), DERIVATION.method.complete({**given, "steps": steps})
        )
        assert (float(scores[0][0, 5]) <= 0) is gone
    assert any(bool((each > 0).any()) for each in scores)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"steps": 0}, "steps: should be a whole number from 1 on, not 0."),
        ({"lr": 0}, "lr: should be above 0, not 0."),
        ({"alpha": -1}, "alpha: should not be negative, but is -1."),
        ({"init": 0}, "init: should be above 0, where every unit is there, not 0."),
        ({"ramp": 2}, "ramp: should be a share of the steps, from 0 to 1, not 2."),
        ({"objective": "all"}, "objective: should be 'set' or 'union' or 'assembled', not 'all'."),
    ],
)
def test_settings_that_can_not_be_are_refused(settings: dict[str, Any], says: str) -> None:
    with pytest.raises(UserError) as error:
        DERIVATION.method.complete(settings)
    assert str(error.value) == says
