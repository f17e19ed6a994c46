"""A site: a block at whose outputs every sample's relevance vector can be read, whatever the method reads there."""

from __future__ import annotations

from copy import deepcopy
from typing import Literal, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

RelevanceSource = Literal["masks", "activations"]
"""Where relevance comes from: the outputs of mask generators, or the activations after a ReLU."""


class Site(nn.Module):
    """A block whose outputs are kernels or neurons that a module keeps or not.

    Attributes:
        relu: Whether the block ends in a ReLU.
        imposed: What the next forward keeps of the outputs, `[B, K_l]` of 1 and 0: its images go through as if their
            module had been cut out. None for as usual.
        records: What each forward leaves for `take_relevance`: its sample `masks`, its mean `activations`, or nothing.
    """

    def __init__(self, *, relu: bool = True) -> None:
        super().__init__()
        self.relu = relu
        self.records: RelevanceSource | None = None
        self.imposed: Tensor | None = None
        self._relevance: Tensor | None = None

    @property
    def kernels(self) -> int:
        """Number of outputs, K_l."""
        raise NotImplementedError

    def activate(self, y: Tensor) -> Tensor:
        """The end of the block: its activation `[B, K_l, ...]`, and the record of it if it is asked for."""
        if not self.relu:
            return y
        y = F.relu(y)
        if self.records == "activations":
            self._relevance = _mean_activation(y)
            if self.imposed is not None:
                y = y * self.imposed.to(y.dtype).view(*self.imposed.shape, *(1,) * (y.dim() - 2))
        return y

    def record_mask(self, mask: Tensor) -> Tensor:
        """Keeps the sample mask `[B, K_l]` if it is asked for; returns what the outputs are multiplied by."""
        if self.records == "masks":
            self._relevance = mask
        return mask if self.imposed is None else self.imposed.to(mask.dtype)

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        """A copy without what a forward pass may have left: torch can't copy a tensor with a history."""
        self._relevance = None
        copied = self.__class__.__new__(self.__class__)
        memo[id(self)] = copied
        copied.__dict__.update(deepcopy(self.__dict__, memo))
        return copied

    def take_relevance(self) -> Tensor:
        """Hands over the last relevance vectors `[B, K_l]` and forgets them, so that no graph outlives its step."""
        relevance, self._relevance = self._relevance, None
        if relevance is None:
            raise RuntimeError("take_relevance() needs a forward pass of a recording site before it")
        return relevance


def _mean_activation(y: Tensor) -> Tensor:
    """Mean over the positions of each output, `[B, K_l]`: after a ReLU it is the mean absolute one."""
    dtype = torch.promote_types(y.dtype, torch.float32)  # the sum of many positions needs more than bfloat16 has
    return y.to(dtype) if y.dim() == 2 else y.mean(dim=tuple(range(2, y.dim())), dtype=dtype)
