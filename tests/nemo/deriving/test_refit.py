"""Least squares for what follows a cut layer: known values, and what they are worth on images not looked at."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import nemo
from nemo.datasets.dataset import Dataset, Split
from nemo.deriving.masked import Masked, ones
from nemo.deriving.refit import correction, refit
from nemo.evaluation import predict
from nemo.reuse import subtask_dataset
from tests.nemo.deriving.networks import SIZE, filled

H = F.gelu(3 * filled((8, 4), 0.2))
W2 = filled((3, 4), 0.5)
KEPT = torch.tensor([0, 2, 3])


def solved(*, intercept: bool, ridge: float = 0.0, kept: Tensor = KEPT) -> tuple[Tensor, Tensor]:
    rows = torch.cat([H, torch.ones(8, 1, dtype=H.dtype)], dim=1)
    lost = torch.zeros(5, 3, dtype=H.dtype)
    lost[:-1] = W2.T
    lost[kept] = 0
    added = correction(rows.T @ rows, kept, lost, intercept=intercept, ridge=ridge)
    bias = added[-1] if intercept else torch.zeros(3, dtype=H.dtype)
    return W2[:, kept] + added[: len(kept)].T, bias


def residual(weight: Tensor, bias: Tensor | float = 0.0, kept: Tensor = KEPT) -> float:
    return float((H @ W2.T - (H[:, kept] @ weight.T + bias)).square().sum())


def test_the_written_down_weights_and_residuals() -> None:
    weight, _ = solved(intercept=False)
    expected = [0.459680, 0.906526, 0.074875, -0.257483, -0.851857, -0.237889, 0.025533, 0.698751, 0.373415]
    assert weight.flatten().tolist() == pytest.approx(expected, abs=1e-6)
    assert residual(weight) == pytest.approx(0.070073, abs=1e-6)
    assert residual(W2[:, KEPT]) == pytest.approx(1.689053, abs=1e-6)
    assert residual(*solved(intercept=True)) == pytest.approx(0.069439, abs=1e-6)


def test_the_ridge_presses_towards_the_slice_and_is_never_worse_than_it() -> None:
    errors = [residual(solved(intercept=False, ridge=ridge)[0]) for ridge in (0, 1e-4, 1, 1e6)]
    assert errors == sorted(errors)
    assert errors[1] == pytest.approx(errors[0], rel=1e-3)
    assert errors[-1] == pytest.approx(1.689053, rel=1e-3) and errors[-1] <= 1.689053 + 1e-6


def test_with_all_units_nothing_is_added() -> None:
    weight, bias = solved(intercept=True, kept=torch.arange(4))
    assert torch.allclose(weight, W2) and torch.equal(bias, torch.zeros_like(bias))


def error(module: nn.Module, base: nn.Module, split: Split, dataset: Dataset) -> float:
    return float((predict(module, split, dataset) - predict(base, split, dataset)).square().mean())


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("kind", "sites", "layers"),
    [
        ("tokens", ["fc1.*"], ["fc2.0", "fc2.1", "fc2.2"]),
        ("net", ["blocks.*.0"], ["blocks.0.6", "blocks.1.6", "blocks.2.6"]),
    ],
)
def test_it_lowers_the_error_of_the_output_on_held_out_images(
    kind: str, sites: list[str], layers: list[str], request: pytest.FixtureRequest, small_digits: Dataset
) -> None:
    classes = [2, 5, 7]
    subtask = subtask_dataset(small_digits, classes)
    masked = Masked(request.getfixturevalue(kind), torch.rand(2, 3, SIZE, SIZE), sites)
    generator = torch.Generator().manual_seed(0)
    masks = [torch.rand(width, generator=generator) < 0.5 for width in masked.widths]
    base, sliced, module = masked.cut(ones(masked), classes), masked.cut(masks, classes), masked.cut(masks, classes)
    assert refit(module, masked, subtask, 200, seed=0) == layers
    before, after = (error(each, base, subtask.test, subtask) for each in (sliced, module))
    assert after < 0.5 * before
    again = masked.cut(masks, classes)
    refit(again, masked, subtask, 200, seed=0)
    assert all(torch.equal(a, b) for a, b in zip(module.parameters(), again.parameters(), strict=True))
    assert nemo.count_parameters(module) == nemo.count_parameters(sliced)
    whole = masked.cut(ones(masked), classes)
    assert refit(whole, masked, subtask, 200, seed=0) == []
