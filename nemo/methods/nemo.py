"""NeMo: a contrastive term on sample masks (method.md 3.2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo.methods.method import Method, Settings, Terms

if TYPE_CHECKING:
    from torch import Tensor

    from nemo.recipe import Recipe


def _terms(masks: list[Tensor], labels: Tensor, settings: Settings, recipe: Recipe) -> Terms:
    from nemo.objectives import contrastive

    value = contrastive(masks, labels, settings["temperature"], variant=recipe.variant)
    return {"contrastive": (settings["alpha"], value)}


METHOD = Method(
    "nemo",
    {"alpha": 1.2, "temperature": 0.2},
    _terms,
    reports=("contrastive",),
    excludes_first=True,
    ignores=(),
    told={
        "alpha": "weight of the contrastive term, which wants both; 0.1 on Transformers",
        "temperature": "how much closest pairs count beside others; above 0",
    },
    of_transformers={"alpha": 0.1},  # published between 0.06 and 0.15; under 1.2 they collapse
)
