"""What a method is: where it reads relevance, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from torch import Tensor

    from nemo.recipe import Recipe
    from nemo.sites import Source

Terms = dict[str, "tuple[float, Tensor]"]
"""Term name -> (its weight in the loss, its value)."""


@dataclass(frozen=True)
class Method:
    """One way of training a network.

    Attributes:
        name: What a study file calls it.
        settings: The settings that a study may set or sweep, with their defaults.
        terms: `(relevances, labels, settings, recipe) -> Terms` over the relevance vectors `[B, K_l]` of the whole
            batch: what the method adds to the cross-entropy.
        source: Where relevance is read: `masks` of the generators that the network gets, `activations`, or None.
        version: Raised when the same settings would give other results; part of every step's key.
        excludes_first: Whether the first site is left out of the objective by default (method.md 3.3).
        ignores: Fields of the recipe without a meaning for the method, which must not tell its keys apart.
        head: The classifier of its sub-task modules where a study does not say.
    """

    name: str
    settings: Mapping[str, float]
    terms: Callable[[list[Tensor], Tensor, Mapping[str, float], Recipe], Terms]
    source: Source | None = "masks"
    version: int = 1
    excludes_first: bool = False
    ignores: tuple[str, ...] = ("variant",)
    head: Literal["linear", "paper", "slice"] = "paper"

    @property
    def modular(self) -> bool:
        """Whether the trained network can be modularized."""
        return self.source is not None
