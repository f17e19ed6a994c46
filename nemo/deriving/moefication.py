"""MoEfication's experts as what is kept or cut (method.md 9.7): settings, and what they may be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo.deriving.checks import require_whole
from nemo.deriving.task import Derivation, Task
from nemo.errors import UserError
from nemo.methods.method import Method, Settings

if TYPE_CHECKING:
    from torch import Tensor


def _scores(task: Task, settings: Settings) -> list[Tensor]:
    from nemo.deriving.experts import used_scores

    return used_scores(task, settings)


def _check(settings: Settings) -> None:
    require_whole(settings, "units", "images")
    if not 0 < settings["share"] <= 1:
        raise UserError(f"share: should be above 0 and at most 1, not {settings['share']:g}.")


DERIVATION = Derivation(
    Method("moefication", {"units": 32, "share": 0.2, "images": 2000}, check=_check, source=None, head="slice"),
    _scores,
)
