"""The sub-tasks of a study: which classes modules are cut out for, where, how, and of which sweep point."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from nemo.control import Control
from nemo.recipe import Finetune
from orchestrator.study.class_sets import ClassSets
from orchestrator.study.problems import FieldsOf, Model, NoDuplicates, Number, Problems, Whole, valid_fields

Threshold = Annotated[Number, Field(gt=0, le=1)]


class Subtasks(ClassSets):
    """Which sub-tasks modules are cut out for, and how they are fine-tuned (method.md 6.5 and 7).

    Attributes:
        source: `from` in the file: `every` sweep point, or the `best` of each pair, method and seed.
        thresholds: Some of the study's thresholds; None takes the highest.
        head: See `extract_module`; None takes the method's own, and `slice` for networks that were trained `as_cut`.
        surgery: How a Transformer is cut, see `extract_module`.
        recalibration: Training images of the sub-task on which a cut-out module's BatchNorm statistics are taken anew;
            None takes 500 for networks that rehearsed (`as_cut`), whose modules were normalised by themselves, else 0.
        controls: Rivals of every module at its own size, names of `nemo.control.CONTROLS`.
    """

    source: Literal["best", "every"] = Field("every", alias="from")
    thresholds: Annotated[list[Threshold], Field(min_length=1), NoDuplicates] | None = None
    mask_values: Literal["drop", "keep_generator", "fold_mean"] = "drop"
    head: Literal["linear", "paper", "slice"] | None = None
    surgery: Literal["exact", "paper"] = "exact"
    recalibration: Annotated[Whole, Field(ge=0)] | None = None
    controls: Annotated[list[Control], NoDuplicates] = []
    finetune: Annotated[dict[str, Any], FieldsOf(Finetune)] = {}

    @model_validator(mode="after")
    def _check(self) -> Self:
        problems = Problems()
        if self.recalibration == 1:
            problems.add("recalibration", text="is 1, and one image has no spread, give some hundreds, or 0 for none.")
        valid_fields(Finetune, self.finetune, problems, lambda field: ("finetune", field))
        problems.raise_any()
        return self


class Selection(Model):
    """How the best sweep point is chosen on the validation images.

    Attributes:
        tolerance: A point may be this much less accurate than the standard network, as a fraction.
    """

    tolerance: Annotated[Number, Field(ge=0, lt=1)] = 0.01
