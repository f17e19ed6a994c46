"""Units of the largest weights: no image is looked at (method.md 9.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo.deriving.task import SPREADS, Derivation, Task
from nemo.methods.method import Method, Settings

if TYPE_CHECKING:
    from torch import Tensor


def _scores(task: Task, settings: Settings) -> list[Tensor]:
    from nemo.controls import weight_norms
    from nemo.deriving.fitting import spread

    masked = task.masked
    return spread([weight_norms(site, masked.network).cpu() for site in masked.sites], settings)


DERIVATION = Derivation(Method("magnitude", {"spread": SPREADS}, source=None, head="slice"), _scores)
