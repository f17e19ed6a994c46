"""What a study derives of networks that are trained already: for which classes, within which budgets, and how."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_serializer

from nemo.deriving.budget import Budget
from nemo.deriving.methods import DERIVATIONS
from nemo.errors import UserError
from nemo.methods import Setting
from orchestrator.study.class_sets import ClassSets
from orchestrator.study.problems import (
    Model,
    NoDuplicates,
    Number,
    Problems,
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


class Deriving(ClassSets):
    """Small networks for class sets, of every `standard` training of the study (method.md 9).

    Every method goes with every budget, way of compensating, class set and seed. `finetune: {epochs: 0}` leaves
    networks as they are cut; without `recalibration` every method has its own.

    Attributes:
        methods: See `nemo.deriving.methods.DERIVATIONS`; one may stand there more than once, with other settings.
        budgets: Shares of the FLOPs or of the parameters of the untouched network that are kept.
        compensate: See `nemo.derive`; one, or a list.
        attention: See `nemo.derive`; one, or a list.
        keep: Whether the derived networks are kept in the storage, too, and not their figures alone.
    """

    methods: Annotated[
        list[Annotated[Derivation, BeforeValidator(_read_derivation)]], Field(min_length=1), NoDuplicates
    ]
    budgets: Annotated[
        list[Annotated[dict[str, Any], AfterValidator(_check_budget)]], Field(min_length=1), NoDuplicates
    ]
    compensate: Annotated[
        list[Literal["none", "refit"]], Field(min_length=1), NoDuplicates, BeforeValidator(_several)
    ] = ["none"]
    attention: Annotated[list[Literal["keep", "svd"]], Field(min_length=1), NoDuplicates, BeforeValidator(_several)] = [
        "keep"
    ]
    keep: bool = False
