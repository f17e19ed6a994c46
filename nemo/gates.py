"""Gates: how what a mask generator computes becomes a sample mask (docs/modules-as-cut.md compares them)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_SHARPEST = 30.0  # a value of 0.1 is then a mask of 0.995


class Gate(nn.Module):
    """The published gate: the mask is `relu(tanh(x))`, anything from 0 to 1 (method.md 2.1).

    Gates have no weights and map `[B, K]` to `[B, K]`.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(torch.tanh(x))

    def anneal(self, progress: float) -> None:
        """Tells how much of the training is over, from 0 to 1."""


class IdentityGate(Gate):
    """The published gate, stretched so that x = 1 is a mask of 1, and cut there: for a network that is trained."""

    def forward(self, x: Tensor) -> Tensor:
        return (torch.tanh(x) / math.tanh(1)).clamp(0, 1)


class AnnealedGate(Gate):
    """`relu(tanh(s x))`, whose slope s grows from 1 to 30 over a training: soft at first, 0 or 1 in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.sharpness = _SHARPEST  # of a network that is trained

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(torch.tanh(self.sharpness * x))

    def anneal(self, progress: float) -> None:
        self.sharpness = _SHARPEST**progress


class StraightThroughGate(Gate):
    """0 or 1, with the gradient of `(x + 1) / 2` between them (Bengio et al. 2013, straight-through estimator)."""

    def forward(self, x: Tensor) -> Tensor:
        slope = ((x + 1) / 2).clamp(0, 1)
        return slope + ((x > 0).to(x.dtype) - slope).detach()


class HardConcreteGate(Gate):
    """A sigmoid stretched over 0 and 1 and cut there, with noise in training (Louizos et al. 2018, section 2.2).

    Relevance begins where the stretched sigmoid leaves 0, at x = log(1 / 11).
    """

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            chance = torch.rand_like(x, dtype=torch.float32).clamp(1e-6, 1 - 1e-6)
            x = (x + torch.logit(chance).to(x.dtype)) / 0.66
        return (torch.sigmoid(x) * 1.2 - 0.1).clamp(0, 1)


GATES: dict[str, type[Gate]] = {
    "soft": Gate,
    "annealed": AnnealedGate,
    "straight_through": StraightThroughGate,
    "hard_concrete": HardConcreteGate,
}
"""What a recipe's `gate` may be."""
