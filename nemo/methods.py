"""The methods: each names its settings, its masks and the terms that it adds to the cross-entropy.

The table can be read without torch, so that planning a study stays fast; the terms import it when they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

    from nemo.recipe import Recipe

Terms = dict[str, "tuple[float, Tensor]"]
"""Term name -> (its weight in the loss, its value)."""


@dataclass(frozen=True)
class Method:
    """One way of training a network.

    Attributes:
        name: What a study file calls it.
        modular: Whether the network gets mask generators.
        settings: The settings that a study may set or sweep, with their defaults.
        version: Raised when the same settings would give other results; part of every step's key.
        excludes_first: Whether the first masked layer is left out of the objective by default (method.md 3.3).
        terms: `(masks, labels, settings, recipe) -> Terms` over the masks `[B, K_l]` of the whole batch.
    """

    name: str
    modular: bool
    settings: Mapping[str, float]
    version: int
    excludes_first: bool
    terms: Callable[[list[Tensor], Tensor, Mapping[str, float], Recipe], Terms]


def _standard(masks: list[Tensor], labels: Tensor, settings: Mapping[str, float], recipe: Recipe) -> Terms:
    return {}


def _mwt(masks: list[Tensor], labels: Tensor, settings: Mapping[str, float], recipe: Recipe) -> Terms:
    """Cohesion and coupling (method.md 3.1)."""
    from nemo.objectives import cohesion_coupling

    cohesion, coupling = cohesion_coupling(masks, labels)
    return {"cohesion": (settings["lambda_coh"], cohesion), "coupling": (settings["lambda_coup"], coupling)}


def _nemo(masks: list[Tensor], labels: Tensor, settings: Mapping[str, float], recipe: Recipe) -> Terms:
    """The contrastive term (method.md 3.2)."""
    from nemo.objectives import contrastive

    value = contrastive(masks, labels, settings["temperature"], variant=recipe.variant)
    return {"contrastive": (settings["alpha"], value)}


METHODS: dict[str, Method] = {
    "standard": Method("standard", False, {}, 1, False, _standard),
    "mwt": Method("mwt", True, {"lambda_coh": 0.5, "lambda_coup": 1.5}, 1, False, _mwt),
    "nemo": Method("nemo", True, {"alpha": 1.2, "temperature": 0.2}, 1, True, _nemo),
}
