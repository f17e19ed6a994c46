"""The sub-tasks of a study: which classes modules are cut out for, where, how, and of which sweep point."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from nemo.control import Control
from orchestrator.study.class_sets import ClassSets
from orchestrator.study.problems import Model, NoDuplicates, Number

Threshold = Annotated[Number, Field(gt=0, le=1)]


class Subtasks(ClassSets):
    """Which sub-tasks modules are cut out for, and how they are fine-tuned (method.md 6.5 and 7).

    Without `recalibration` it is 500 for networks that rehearsed (`as_cut`), whose modules were normalised by
    themselves, else 0.

    Attributes:
        source: `from` in the file: `every` sweep point, or the `best` of each pair, method and seed.
        thresholds: Some of the study's thresholds; None takes the highest.
        head: See `extract_module`; None takes the method's own, and `slice` for networks that were trained `as_cut`.
        surgery: How a Transformer is cut, see `extract_module`.
        controls: Rivals of every module at its own size, names of `nemo.control.CONTROLS`.
    """

    source: Literal["best", "every"] = Field("every", alias="from")
    thresholds: Annotated[list[Threshold], Field(min_length=1), NoDuplicates] | None = None
    mask_values: Literal["drop", "keep_generator", "fold_mean"] = "drop"
    head: Literal["linear", "paper", "slice"] | None = None
    surgery: Literal["exact", "paper"] = "exact"
    controls: Annotated[list[Control], NoDuplicates] = []


class Selection(Model):
    """How the best sweep point is chosen on the validation images.

    Attributes:
        tolerance: A point may be this much less accurate than the standard network, as a fraction.
    """

    tolerance: Annotated[Number, Field(ge=0, lt=1)] = 0.01
