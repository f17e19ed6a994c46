"""Units of the largest weights: no image is looked at (method.md 9.4)."""

from __future__ import annotations

from torch import Tensor

from nemo.controls import weight_norms
from nemo.deriving.budget import uniform
from nemo.deriving.task import Derivation, Task
from nemo.methods.method import Method, Settings

SPREADS = ("uniform", "global")
"""Every site loses the same share of its units; or one threshold for all, on scores over the mean of their site."""


def spread(scores: list[Tensor], settings: Settings) -> list[Tensor]:
    """Scores `[K_l]` per site as one row each, comparable between sites as the setting `spread` says."""
    if settings["spread"] == "uniform":
        return [each[None] for each in uniform(scores)]
    return [(each / each.mean().clamp_min(1e-30))[None] for each in scores]


def _scores(task: Task, settings: Settings) -> list[Tensor]:
    masked = task.masked
    return spread([weight_norms(site, masked.network).cpu() for site in masked.sites], settings)


DERIVATION = Derivation(Method("magnitude", {"spread": SPREADS}, source=None, head="slice"), _scores)
