"""How a network from elsewhere starts, and where it is masked; what only such networks have."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from nemo.graph.program import Program


@dataclass(frozen=True)
class Foreign:
    """What a training says of a network that is none of this project's own.

    Attributes:
        weights: A file of pretrained weights, see `nemo.zoo.weights.load`; None for fresh ones.
        rows: By class the row of the weights' classifier that it keeps; None for a new classifier.
        sites, start, hidden: See `nemo.make_modular`.
        program: What was found by following it before; None to follow it.
    """

    weights: Path | None = None
    rows: Sequence[int] | None = None
    sites: Sequence[str] = ()
    start: Literal["published", "identity"] = "published"
    hidden: int | None = None
    program: Program | None = None
