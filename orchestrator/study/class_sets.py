"""The class sets of a study, for which modules are cut out or small networks derived, and what is done to each."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, GetJsonSchemaHandler, PrivateAttr, model_validator
from pydantic_core import CoreSchema

from nemo.attack import Attack
from nemo.recipe import Finetune
from orchestrator.study.form import Schema, form, one_of
from orchestrator.study.groups import ClassSet, Groups, read_groups
from orchestrator.study.problems import FieldsOf, Model, NoDuplicates, Problems, Whole, valid_fields


def _check_samples(value: Any) -> Any:
    problems = Problems()
    if value not in ("all", "nested") and (type(value) is not int or value < 1):
        problems.add(text=f"should be a whole number of at least 1, all or nested, not {value!r:.60}.")
    problems.raise_any()
    return value


_SAMPLES = form({"anyOf": [{"type": "integer", "minimum": 1}, one_of(["all", "nested"])]})


_SOME: list[Schema] = [
    {"required": [name], "properties": {name: {"minItems": 1, "minProperties": 1, "minLength": 1}}}
    for name in ("sizes", "classes", "groups")
]
"""One of these has something in it."""


class ClassSets(Model):
    """Class sets that are drawn by their sizes, and such as are given one by one (method.md 7)."""

    sizes: Annotated[list[Annotated[Whole, Field(ge=2)]], NoDuplicates] = []
    """numbers of classes

    Example: [2, 3]
    """
    samples: Annotated[int | Literal["all", "nested"], BeforeValidator(_check_samples), _SAMPLES] = 10
    """how many of each size are drawn; `all` of them; `nested`: {0, 1}, {0, 1, 2}, ..."""
    seed: Annotated[Whole, Field(ge=0)] = 0
    """of the draw of these"""
    classes: list[ClassSet] = []
    """sub-tasks by their classes, numbers or names, beside those of `sizes` or without; the logits of
    `derive` are in their order

    Example: [[cat, dog], [0, 1, 2]]
    """
    groups: Groups = {}
    """sub-tasks with names: `{banking: [balance, ...], travel: [...]}`, or a file that holds this, as YAML or JSON;
    runs are called by them, and the report has a table of them

    Example: {pets: [cat, dog]}
    """
    recalibration: Annotated[Whole, Field(ge=0)] | None = None
    """training images by which BatchNorm's statistics are taken anew, after the cut

    Left out: 500 for networks that rehearsed (`as_cut`), else 0
    """
    finetune: Annotated[dict[str, Any], FieldsOf(Finetune)] = {}
    """how what is cut out is trained further"""
    attacks: Annotated[list[Attack], NoDuplicates] = []
    """`fgsm`, `pgd`: measures also what modules inherit of the network's defects: the share of right answers that
    images flip which are changed (8/255 a channel) so that the whole network errs
    (that of `derive` is the untouched one with the rows of the same classes)
    """

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        schema = super().__get_pydantic_json_schema__(core_schema, handler)
        handler.resolve_ref_schema(schema)["anyOf"] = _SOME
        return schema

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
