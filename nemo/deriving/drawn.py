"""Units drawn by lot: what every method has to beat (method.md 9.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo.deriving.task import SPREADS, Derivation, Task
from nemo.methods.method import Method, Settings

if TYPE_CHECKING:
    from torch import Tensor


def _scores(task: Task, settings: Settings) -> list[Tensor]:
    import torch

    from nemo.deriving.fitting import spread

    generator = torch.Generator().manual_seed(task.seed)
    return spread([torch.rand(width, generator=generator).double() for width in task.masked.widths], settings)


DERIVATION = Derivation(Method("random", {"spread": SPREADS}, source=None, head="slice"), _scores)
