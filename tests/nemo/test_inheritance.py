"""Attacks that are made on one network and shown to another."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from nemo.attack import ATTACKS, EPSILON, Attack
from nemo.datasets.dataset import Dataset, Split
from nemo.inheritance import attacked, inherited


def dataset(count: int = 40, seed: int = 0) -> Dataset:
    """Images whose red channel is bright or dark."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 2
    images = torch.randint(100, 156, (count, 3, 4, 4), generator=generator, dtype=torch.uint8)
    images[:, 0] += (8 * labels).view(-1, 1, 1).to(torch.uint8)
    part = Split(images, labels)
    return Dataset("red", ("dark", "bright"), part, part, (0.5, 0.4, 0.3), (0.2, 0.25, 0.3), 0, False, "0" * 64)


class Red(nn.Module):
    """Logits of how bright the red channel is, about a border; of its mean alone, or of other channels, too."""

    def __init__(self, *weights: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weights or (1.0, 0.0, 0.0)))

    def forward(self, images: Tensor) -> Tensor:
        bright = (images.mean((2, 3)) * self.weight).sum(1) - 0.06
        return torch.stack([-bright, bright], dim=1)


def test_one_step_along_the_sign_of_the_gradient() -> None:
    own, images = dataset(), torch.zeros(2, 3, 4, 4)
    changed = attacked(Red(), images, torch.tensor([0, 1]), "fgsm", own)
    moved = EPSILON / torch.tensor(own.std).view(1, 3, 1, 1)
    assert torch.allclose(changed[0, 0], moved[0, 0].expand(4, 4)) and torch.allclose(changed[1, 0], -moved[0, 0])
    assert torch.equal(changed[:, 1:], images[:, 1:])  # channels that say nothing stay


@given(st.sampled_from(ATTACKS), st.floats(0, 0.5), st.integers(0, 1000))
def test_changed_images_are_images_near_by(attack: Attack, epsilon: float, seed: int) -> None:
    own = dataset()
    torch.manual_seed(seed)
    pixels = torch.rand(3, 3, 4, 4)
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in (own.mean, own.std))
    changed = attacked(
        nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), (pixels - mean) / std, torch.tensor([0, 1, 1]), attack, own,
        epsilon=epsilon, start=torch.rand(3, 3, 4, 4),
    )  # fmt: skip
    back = changed * std + mean
    assert float(back.min()) > -1e-5 and float(back.max()) < 1 + 1e-5
    assert float((back - pixels).abs().max()) <= epsilon + 1e-5


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_looks_elsewhere_inherits_nothing(attack: Attack) -> None:
    own = dataset()
    same = inherited(Red(), Red(), own, attack)
    assert same["module"] == same["source"] > 0.5
    mixed = Split(own.test.images.clone(), own.test.labels)
    mixed.images[:, 1] = mixed.images[:, 0]  # green says the same
    green = inherited(Red(0.0, 1.25, 0.0), Red(), replace(own, test=mixed), attack)
    assert green["module"] == 0 and green["source"] > 0.5
    assert inherited(Red(), Red(), own, attack, epsilon=0.0) == {"module": 0, "source": 0}


def test_several_steps_do_no_less_than_one() -> None:
    torch.manual_seed(0)
    source, own = nn.Sequential(nn.Flatten(), nn.Linear(48, 16), nn.Tanh(), nn.Linear(16, 2)), dataset(seed=3)
    few, many = (inherited(source, source, own, attack, epsilon=0.02)["source"] for attack in ("fgsm", "pgd"))
    assert many >= few
    assert inherited(source, source, own, "pgd", seed=1) == inherited(source, source, own, "pgd", seed=1)
