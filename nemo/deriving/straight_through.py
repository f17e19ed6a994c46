"""Masks of 0 and 1 that learn: 1 where a score is above 0, with a gradient as if the score were the mask."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Indicator(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        return (scores > 0).to(scores.dtype)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return gradient.clamp(-1, 1)


def indicator(scores: Tensor) -> Tensor:
    """B = 1[m > 0], whose gradient is passed on to the scores m, cut to [-1, 1] (method.md 9.2)."""
    mask: Tensor = _Indicator.apply(scores)
    return mask
