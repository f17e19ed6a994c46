"""What every method of deriving is given, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nemo.deriving.budget import Budget
from nemo.methods.method import Method, Settings

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from nemo.datasets.dataset import Dataset
    from nemo.deriving.masked import Masked

SPREADS = ("uniform", "global")
"""Every site loses the same share of its units; or one threshold for all, on scores over the mean of their site."""


@dataclass(frozen=True)
class Task:
    """A network and the classes that a small one is derived for.

    Attributes:
        masked: The network.
        rows: Of its classifier, per class of the set.
        subtask: The images of these classes, labelled by their place in the set; methods look at training images alone.
        budget: What may be kept.
        seed: Of all that is drawn.
        device: Where to compute.
    """

    masked: Masked
    rows: list[int]
    subtask: Dataset
    budget: Budget
    seed: int
    device: torch.device | str


@dataclass(frozen=True)
class Derivation:
    """A method of deriving: its settings, and how it scores the units.

    Attributes:
        method: Name, settings and their check.
        scores: Per site `[R, K_l]`, the larger the more a unit is worth; R is 1, or a row per class of the set. What is
            kept is chosen by the largest score of any row.
        trained: Whether units were chosen by how the network answers with its own BatchNorm statistics: they stay.
    """

    method: Method
    scores: Callable[[Task, Settings], list[Tensor]]
    trained: bool = False
