"""The class sets of a study, for which modules are cut out or small networks derived, and what is done to each."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, model_validator

from nemo.attack import Attack
from nemo.recipe import Finetune
from orchestrator.study.groups import ClassSet, Groups, read_groups
from orchestrator.study.problems import FieldsOf, Model, NoDuplicates, Problems, Whole, valid_fields


def _check_samples(value: Any) -> Any:
    problems = Problems()
    if value not in ("all", "nested") and (type(value) is not int or value < 1):
        problems.add(text=f"should be a whole number of at least 1, all or nested, not {value!r:.60}.")
    problems.raise_any()
    return value


class ClassSets(Model):
    """Class sets that are drawn by their sizes, and such as are given one by one (method.md 7).

    Attributes:
        sizes: Numbers of classes.
        samples: Sets drawn per size, `all` of them, or the `nested` ones {0, 1}, {0, 1, 2}, ...
        seed: Of the draw.
        classes: Sets given one by one, by class number or name.
        groups: Sets with names, or a file that holds such, see `orchestrator.study.groups`.
        recalibration: Training images on which BatchNorm's statistics are taken anew after a cut; None for the usual.
        finetune: Some of the fields of `Finetune`.
        attacks: By which it is measured what the set's network inherits of the defects of the whole one, names of
            `nemo.attack.ATTACKS`.
    """

    sizes: Annotated[list[Annotated[Whole, Field(ge=2)]], NoDuplicates] = []
    samples: Annotated[int | Literal["all", "nested"], BeforeValidator(_check_samples)] = 10
    seed: Annotated[Whole, Field(ge=0)] = 0
    classes: list[ClassSet] = []
    groups: Groups = {}
    recalibration: Annotated[Whole, Field(ge=0)] | None = None
    finetune: Annotated[dict[str, Any], FieldsOf(Finetune)] = {}
    attacks: Annotated[list[Attack], NoDuplicates] = []
    _named: dict[str, list[int | str]] = PrivateAttr({})

    @model_validator(mode="after")
    def _check_sets(self) -> Self:
        problems = Problems()
        if not self.sizes and not self.classes and not self.groups:
            text = "is empty, give the sub-tasks' sizes, or the sub-tasks themselves as classes or groups."
            problems.add("sizes", text=text)
        if self.recalibration == 1:
            problems.add("recalibration", text="is 1, and one image has no spread, give some hundreds, or 0 for none.")
        valid_fields(Finetune, self.finetune, problems, lambda field: ("finetune", field))
        problems.raise_any()
        self._named = read_groups(self.groups)
        return self

    @property
    def named(self) -> dict[str, list[int | str]]:
        """The groups: name -> classes, by number or name."""
        return self._named
