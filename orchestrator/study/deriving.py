"""What a study derives of networks that are trained already: for which classes, within which budgets, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_serializer

from nemo.deriving.budget import SHARES, TIME, Budget
from nemo.deriving.methods import DERIVATIONS
from nemo.errors import UserError
from nemo.methods import Setting
from orchestrator.study.class_sets import ClassSets
from orchestrator.study.form import Form, Schema, form, one_of
from orchestrator.study.problems import (
    Model,
    NoDuplicates,
    Number,
    Problems,
    Whole,
    checked_fields,
    known_fields,
)


class Derivation(Model):
    """A method of deriving with all its settings; in the file `activation`, or `{masksearch: {objective: union}}`."""

    method: str
    settings: dict[str, Setting]

    @model_serializer
    def _as_in_file(self) -> dict[str, Any]:
        return {self.method: self.settings}


def _read_derivation(data: Any) -> Any:
    if isinstance(data, Derivation):
        return data
    problems = Problems()
    if isinstance(data, str):
        data = {data: None}
    if isinstance(data, Mapping) and len(data) != 1:
        problems.add(text=f"should name one method, not {len(data)}; put each into an item of its own.")
        problems.raise_any()
    ((name, given),) = known_fields(data, list(DERIVATIONS), problems, "method").items() or ((None, None),)
    problems.raise_any()
    method = DERIVATIONS[str(name)].method
    with problems.under(str(name)):
        hints: dict[str, Any] = dict.fromkeys(method.settings, Number)
        hints |= {setting: Literal[words] for setting, words in method.words.items()}
        fields = checked_fields({} if given is None else given, hints)
        try:
            fields = method.complete(fields)
        except UserError as error:
            setting, _, text = str(error).partition(": ")
            problems.add(setting, text=text)
    problems.raise_any()
    return {"method": name, "settings": fields}


def _derivation_form(_: Schema) -> Schema:
    """What `_read_derivation` takes."""
    named = {}
    for name, each in DERIVATIONS.items():
        fields = {
            setting: one_of(each.method.words[setting]) if setting in each.method.words else {"type": "number"}
            for setting in each.method.settings
        }
        named[name] = {"type": ["object", "null"], "properties": fields, "additionalProperties": False}
    alone = {
        "type": "object",
        "properties": named,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"anyOf": [one_of(DERIVATIONS), alone]}


def _check_budget(given: dict[str, Any]) -> dict[str, Any]:
    problems, found = Problems(), given
    try:
        found = Budget.of(given).given
    except UserError as error:
        problems.add(text=str(error).removeprefix("budget: "))
    problems.raise_any()
    return found


def _several(given: Any) -> Any:
    return given if isinstance(given, list) else [given]


_SEVERAL = Form(lambda made: {"anyOf": [made["items"], made]})
_BUDGET: Schema = {
    "type": "object",
    "properties": {
        **{share: {"type": "number", "exclusiveMinimum": 0, "maximum": 1} for share in SHARES},
        TIME: {"type": "number", "exclusiveMinimum": 0},
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
}


class Deriving(ClassSets):
    """Small networks for class sets, of every `standard` training of the study (method.md 9).

    Every method goes with every budget, way of compensating, class set and seed. `finetune: {epochs: 0}` leaves
    networks as they are cut; without `recalibration` every method has its own.
    """

    recalibration: Annotated[Whole, Field(ge=0)] | None = None
    """training images by which BatchNorm's statistics are taken anew, after the cut

    Left out: the method's own
    """
    methods: Annotated[
        list[Annotated[Derivation, BeforeValidator(_read_derivation), Form(_derivation_form, typed=False)]],
        Field(min_length=1),
        NoDuplicates,
    ]
    """`masksearch`, `nuwa`, `moefication`, `activation`, `magnitude`, `random`, each alone or with settings, as
    `{masksearch: {objective: union}}`; with other settings one may stand there again
    """
    budgets: Annotated[
        list[Annotated[dict[str, Any], AfterValidator(_check_budget), form(_BUDGET)]], Field(min_length=1), NoDuplicates
    ]
    """`{flops: 0.5}` or `{parameters: 0.5}`: shares of the untouched network with the rows of the same
    classes that are kept; or `{milliseconds: 4}`, measured by the worker that derives
    """
    compensate: Annotated[
        list[Literal["none", "refit"]], Field(min_length=1), NoDuplicates, BeforeValidator(_several), _SEVERAL
    ] = ["none"]
    """`none`, `refit`, or both in a list"""
    attention: Annotated[
        list[Literal["keep", "svd"]], Field(min_length=1), NoDuplicates, BeforeValidator(_several), _SEVERAL
    ] = ["keep"]
    """`keep`, `svd`, or both in a list"""
    keep: bool = False
    """whether the networks are kept in the storage, too (`artifacts/KEY/derived.safetensors`, which `nemo.load_module`
    reads), and not their figures alone; those of steps that have finished without it are not made again
    """
