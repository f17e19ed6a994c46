"""The sub-tasks of a study: which classes modules are cut out for, where, how, and of which sweep point."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from nemo.control import Control
from nemo.recipe import Finetune
from orchestrator.study.problems import FieldsOf, Model, NoDuplicates, Number, Problems, Whole, valid_fields

Threshold = Annotated[Number, Field(gt=0, le=1)]


def _check_samples(value: Any) -> Any:
    problems = Problems()
    if value not in ("all", "nested") and (type(value) is not int or value < 1):
        problems.add(text=f"should be a whole number of at least 1, all or nested, not {value!r:.60}.")
    problems.raise_any()
    return value


def _check_class(value: Any) -> Any:
    problems = Problems()
    if type(value) not in (int, str):
        problems.add(text=f"should be the number or the name of a class, not {value!r:.60}; put a name in quotes.")
    problems.raise_any()
    return value


Class = Annotated[int | str, BeforeValidator(_check_class)]


class Subtasks(Model):
    """Which sub-tasks modules are cut out for, and how they are fine-tuned (method.md 6.5 and 7).

    Attributes:
        source: `from` in the file: `every` sweep point, or the `best` of each pair, method and seed.
        sizes: Numbers of classes.
        samples: Sub-tasks drawn per size, `all` of them, or the `nested` ones {0, 1}, {0, 1, 2}, ...
        classes: Sub-tasks given one by one, by class number or name.
        thresholds: Some of the study's thresholds; None takes the highest.
        head: See `extract_module`; None takes the method's own, and `slice` for networks that were trained `as_cut`.
        surgery: How a Transformer is cut, see `extract_module`.
        recalibration: Training images of the sub-task on which a cut-out module's BatchNorm statistics are taken anew;
            None takes 500 for networks that rehearsed (`as_cut`), whose modules were normalised by themselves, else 0.
        controls: Rivals of every module at its own size, names of `nemo.control.CONTROLS`.
    """

    source: Literal["best", "every"] = Field("every", alias="from")
    sizes: Annotated[list[Annotated[Whole, Field(ge=2)]], NoDuplicates] = []
    samples: Annotated[int | Literal["all", "nested"], BeforeValidator(_check_samples)] = 10
    seed: Annotated[Whole, Field(ge=0)] = 0
    classes: list[Annotated[list[Class], Field(min_length=2), NoDuplicates]] = []
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
        if not self.sizes and not self.classes:
            problems.add("sizes", text="is empty, give the sub-tasks' sizes, or the sub-tasks themselves as classes.")
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
