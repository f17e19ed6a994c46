"""How CNNSplitter's bit strings come about: at the beginning, and from those before them (method.md 8)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

KEPT_SHARES = {True: (0.6, 0.8), False: (0.4, 0.7)}
"""Whether a layer is sensitive -> the least and the most of its groups that a first candidate keeps."""
PARENTS = 0.5
"""Share of a population that has children: 50 of 100."""
SURVIVORS = 0.2
"""Share of a population that lives on: 20 of 100."""
MUTATED = 0.05
"""Share of a child's genes that mutation flips."""


def first_population(
    groups: Sequence[int], sensitive: Sequence[bool], shape: tuple[int, ...], generator: torch.Generator
) -> Tensor:
    """Bit strings that keep, of every layer, a share drawn anew for each: which groups is drawn too.

    Args:
        groups: Number of groups of each layer.
        sensitive: Whether a layer is.
        shape: Of the population.
        generator: Of the draws.

    Returns:
        bool `[*shape, sum(groups)]`; of every layer at least one group is kept.
    """
    layers = []
    for count, is_sensitive in zip(groups, sensitive, strict=True):
        low, high = KEPT_SHARES[is_sensitive]
        shares = low + (high - low) * torch.rand(*shape, 1, generator=generator)
        layers.append(kept_groups(shares, count, generator))
    return torch.cat(layers, dim=-1)


def kept_groups(shares: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """Bits of a layer's groups, bool `[..., count]`: a share `[..., 1]` of them drawn and set, but at least one."""
    place = torch.rand(*shares.shape[:-1], count, generator=generator).argsort(dim=-1).argsort(dim=-1)
    return place < (shares * count).round().clamp_min(1)


def offspring(parents: Tensor, children: int, generator: torch.Generator) -> Tensor:
    """Children of two different parents each, crossed at a single point and mutated.

    Args:
        parents: bool `[P, bits]`, at least two.
        children: How many.
        generator: Of the draws.

    Returns:
        bool `[children, bits]`.
    """
    first = torch.randint(len(parents), (children,), generator=generator)
    second = (first + torch.randint(1, len(parents), (children,), generator=generator)) % len(parents)
    return mutated(crossed(parents[first], parents[second], generator), generator)


def crossed(first: Tensor, second: Tensor, generator: torch.Generator) -> Tensor:
    """Bit strings, bool `[C, bits]`, that have the genes of `first` before a point of their own, then of `second`."""
    count, bits = first.shape
    point = torch.randint(1, max(2, bits), (count, 1), generator=generator)
    return torch.where(torch.arange(bits) < point, first, second)


def mutated(bits: Tensor, generator: torch.Generator) -> Tensor:
    """The bit strings, bool `[C, bits]`, with `MUTATED` of the genes of each flipped, but at least one."""
    flips = max(1, round(MUTATED * bits.shape[1]))
    place = torch.rand(bits.shape, generator=generator).argsort(dim=1).argsort(dim=1)
    return bits ^ (place < flips)
