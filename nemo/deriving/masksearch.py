"""Masks that learn by gradient, of a network that doesn't (method.md 9.2): settings, and what they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo.deriving.checks import require_not_negative, require_positive, require_whole
from nemo.deriving.task import Derivation, Task
from nemo.errors import UserError
from nemo.methods.method import Method, Settings

if TYPE_CHECKING:
    from torch import Tensor


def _scores(task: Task, settings: Settings) -> list[Tensor]:
    from nemo.deriving.mask_scores import learned_scores

    return learned_scores(task, settings)


def _check(settings: Settings) -> None:
    require_whole(settings, "steps", "batch_size")
    require_positive(settings, "lr")
    require_not_negative(settings, "alpha")
    if settings["objective"] == "assembled" and settings["size"] == "schedule":
        raise UserError("size: schedule is for set and union, choose hinge or mean for assembled.")
    if not settings["fall"] >= 1:
        raise UserError(f"fall: should be 1, an even fall, or more, not {settings['fall']:g}.")
    for name in ("ramp", "settle"):
        if not 0 <= settings[name] <= 1:
            raise UserError(f"{name}: should be a share of the steps, from 0 to 1, not {settings[name]:g}.")
    if not settings["init"] > 0:
        raise UserError(f"init: should be above 0, where every unit is there, not {settings['init']:g}.")


DERIVATION = Derivation(
    Method(
        "masksearch",
        {
            "objective": ("set", "union", "assembled"),
            "size": ("schedule", "hinge", "mean"),
            "alpha": 1.0,
            "steps": 300,
            "batch_size": 32,
            "lr": 0.02,
            "init": 1.0,
            "ramp": 0.7,
            "fall": 3.0,
            "settle": 0.3,
            "floor": ("yes", "no"),
            "augment": ("yes", "no"),
        },
        check=_check,
        source=None,
        head="slice",
    ),
    _scores,
    trained=True,
)
