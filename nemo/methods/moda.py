"""MODA: affinity, dispersion and compactness of activations, without mask generators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo.methods.method import Method, Settings, Terms

if TYPE_CHECKING:
    from torch import Tensor

    from nemo.recipe import Recipe


def _terms(activations: list[Tensor], labels: Tensor, settings: Settings, recipe: Recipe) -> Terms:
    from nemo.objectives import cohesion_coupling, compactness

    affinity, dispersion = cohesion_coupling(activations, labels)
    return {
        "affinity": (settings["lambda_affinity"], affinity),
        "dispersion": (settings["lambda_dispersion"], dispersion),
        "compactness": (settings["lambda_compactness"], compactness(activations)),
    }


METHOD = Method(
    "moda",
    {"lambda_affinity": 1.0, "lambda_dispersion": 1.0, "lambda_compactness": 0.3},
    _terms,
    reports=("affinity", "dispersion", "compactness"),
    source="activations",
    ignores=("lr_mask", "variant", "gate", "saturation"),
    head="slice",
    told={
        "lambda_affinity": "weight of likeness within a class, of activations",
        "lambda_dispersion": "weight of unlikeness between classes",
        "lambda_compactness": "weight of the activations' mean",
    },
)
