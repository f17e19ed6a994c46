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
    """

    source: Literal["best", "every"] = Field("every", alias="from")
    """`every`: modules of every network; `best`: of the best point of each pair, method and seed"""
    thresholds: Annotated[list[Threshold], Field(min_length=1), NoDuplicates] | None = None
    """some of the study's

    Left out: the highest
    """
    mask_values: Literal["drop", "keep_generator", "fold_mean"] = "drop"
    """what becomes of the masks: `drop`, nothing; `keep_generator` goes on computing them; `fold_mean` scales by their
    means
    """
    head: Literal["linear", "paper", "slice"] | None = None
    """`paper`: a new layer behind the old logits; `linear`: a new one in their place; `slice`: the trained one's rows,
    as for `moda` and networks trained `as_cut`

    Left out: the method's
    """
    surgery: Literal["exact", "paper"] = "exact"
    """`exact`, or `paper`, of Transformers, which narrows the residual stream too"""
    controls: Annotated[list[Control], NoDuplicates] = []
    """rivals of every module at its own size: `random`, `magnitude`, `activation`, `fresh`"""


class Selection(Model):
    """How the best sweep point is chosen on the validation images."""

    tolerance: Annotated[Number, Field(ge=0, lt=1)] = 0.01
    """of the points whose network is at most this much less accurate than the standard one, on validation images, that
    with the lowest KRR is the best; where there is none, the most accurate point takes the standard network's place
    """
