"""NuWa's choice of hidden units of MLP blocks (method.md 9.6): settings, and what they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo.deriving.checks import require_not_negative, require_positive, require_whole
from nemo.deriving.task import Derivation, Task
from nemo.methods.method import Method, Settings

if TYPE_CHECKING:
    from torch import Tensor


def _scores(task: Task, settings: Settings) -> list[Tensor]:
    from nemo.deriving.purification import purified_scores

    return purified_scores(task, settings)


def _check(settings: Settings) -> None:
    require_whole(settings, "steps", "batch_size", "images")
    require_positive(settings, "lr", "lr_share")
    require_not_negative(settings, "weight_decay", "alpha")


DERIVATION = Derivation(
    Method(
        "nuwa",
        {
            "size": ("decay", "hinge"),
            "alpha": 1.0,
            "steps": 300,
            "batch_size": 32,
            "lr": 0.001,
            "lr_share": 0.1,
            "weight_decay": 0.05,
            "start": 5.0,
            "images": 2000,
            "augment": ("yes", "no"),
        },
        check=_check,
        source=None,
        head="slice",
    ),
    _scores,
    trained=True,
)
