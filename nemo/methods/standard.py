"""The standard network: cross-entropy alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from nemo.methods.method import Method, Terms

if TYPE_CHECKING:
    from torch import Tensor

    from nemo.recipe import Recipe


def _terms(relevances: list[Tensor], labels: Tensor, settings: Mapping[str, float], recipe: Recipe) -> Terms:
    return {}


METHOD = Method(
    "standard", {}, _terms, source=None, ignores=("lr_mask", "warmup", "exclude_first_masked_layer", "variant")
)
