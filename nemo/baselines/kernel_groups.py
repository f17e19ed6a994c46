"""How a bit string says which kernels a class's module keeps (method.md 8)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def group_sizes(kernels: int) -> list[int]:
    """Sizes of a layer's groups: 10 groups below 256 kernels, else 100, none empty, the first ones larger by one."""
    groups = min(kernels, 10 if kernels < 256 else 100)
    size, larger = divmod(kernels, groups)
    return [size + (group < larger) for group in range(groups)]


class KernelGroups:
    """Per class and layer, the kernels in groups of descending importance, and one bit for each group.

    Every layer has bits of its own, on both sides of a residual addition too: surgery aligns the sides by index, and
    they need not keep the same kernels.

    Args:
        importances: Per layer `[N, K_l]`, of every kernel to every class; of equals the first is the more important.

    Attributes:
        classes: N.
        groups: Number of groups of each layer; a bit string is their concatenation.
    """

    def __init__(self, importances: Sequence[Tensor]) -> None:
        sizes = [group_sizes(importance.shape[1]) for importance in importances]
        self.classes = len(importances[0])
        self.groups = [len(layer) for layer in sizes]
        self._order = [importance.argsort(dim=1, descending=True, stable=True) for importance in importances]
        self._group_at = [torch.arange(len(layer)).repeat_interleave(torch.tensor(layer)) for layer in sizes]

    def decode(self, label: int, bits: Tensor) -> list[Tensor]:
        """The kernels that some bit strings keep; where a layer's bits are all 0, its most important one.

        Args:
            label: Whose modules they are.
            bits: bool `[P, sum(groups)]`.

        Returns:
            Per layer, bool `[P, K_l]`.
        """
        masks = []
        for order, group_at, layer in zip(self._order, self._group_at, bits.split(self.groups, dim=1), strict=True):
            by_rank = layer[:, group_at]  # [P, K_l], the most important kernel first
            by_rank[:, 0] |= ~layer.any(dim=1)
            mask = torch.empty_like(by_rank)
            mask[:, order[label]] = by_rank
            masks.append(mask)
        return masks

    def most_important(self, shares: Tensor) -> Tensor:
        """The bit strings, bool `[P, sum(groups)]`, that keep these shares `[P]` of every layer's groups."""
        layers = [torch.arange(groups) < (shares[:, None] * groups).ceil() for groups in self.groups]
        return torch.cat(layers, dim=1)
