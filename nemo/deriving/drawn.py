"""Units drawn by lot: what every method has to beat (method.md 9.4)."""

from __future__ import annotations

import torch
from torch import Tensor

from nemo.deriving.magnitude import SPREADS, spread
from nemo.deriving.task import Derivation, Task
from nemo.methods.method import Method, Settings


def _scores(task: Task, settings: Settings) -> list[Tensor]:
    generator = torch.Generator().manual_seed(task.seed)
    return spread([torch.rand(width, generator=generator).double() for width in task.masked.widths], settings)


DERIVATION = Derivation(Method("random", {"spread": SPREADS}, source=None, head="slice"), _scores)
