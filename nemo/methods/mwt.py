"""Modularizing while training (MwT): cohesion and coupling of sample masks (method.md 3.1)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo.methods.method import Method, Settings, Terms

if TYPE_CHECKING:
    from torch import Tensor

    from nemo.recipe import Recipe


def _terms(masks: list[Tensor], labels: Tensor, settings: Settings, recipe: Recipe) -> Terms:
    from nemo.objectives import cohesion_coupling

    cohesion, coupling = cohesion_coupling(masks, labels)
    return {"cohesion": (settings["lambda_coh"], cohesion), "coupling": (settings["lambda_coup"], coupling)}


METHOD = Method(
    "mwt",
    {"lambda_coh": 0.5, "lambda_coup": 1.5},
    _terms,
    reports=("cohesion", "coupling"),
    told={
        "lambda_coh": "weight of cohesion: masks of one class should be alike",
        "lambda_coup": "weight of coupling: masks of different classes should not",
    },
)
