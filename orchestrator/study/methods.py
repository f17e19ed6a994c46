"""What a study sets for its methods: some of their settings, and some of the recipe's fields."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, model_serializer

from nemo.errors import UserError
from nemo.methods import METHODS, Setting
from nemo.recipe import Recipe
from orchestrator.study.form import LATER, Form, Schema, one_of
from orchestrator.study.problems import FieldsOf, Model, Number, Problems, Whole, checked_fields, known_fields
from orchestrator.study.swept import check_settings, value_form

RecipeFields = Annotated[dict[str, Any], FieldsOf(Recipe)]


class MethodEntry(Model):
    """What a study sets for one method: some of its settings, some of the recipe's fields, and when its turn is."""

    settings: dict[str, Setting] = {}
    recipe: dict[str, Any] = {}
    priority: int | None = None

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        """As `read_methods` reads it."""
        recipe = {"recipe": self.recipe} if self.recipe else {}
        return {**self.settings, **recipe, **({} if self.priority is None else {"priority": self.priority})}


def read_methods(data: Any) -> dict[str, MethodEntry]:
    """Reads `[mwt, nemo]` or `{mwt: {lambda_coh: 0.5, recipe: {warmup: 5}}}`."""
    problems = Problems()
    if isinstance(data, list):
        for position, name in enumerate(data):
            if name in data[:position]:
                problems.add(position, text=f"{name} is given twice, remove one.")
        data = {name if isinstance(name, str) else repr(name): None for name in data}
    if data is None or data == {}:
        problems.add(text=f"is empty, name at least one of {', '.join(METHODS)}.")
        problems.raise_any()
    entries = {}
    for name, entry in known_fields(data, list(METHODS), problems, "method").items():
        if isinstance(entry, MethodEntry):
            entries[name] = entry
            continue
        with problems.under(name):
            hints: dict[str, Any] = dict.fromkeys(METHODS[name].settings, Number)
            hints |= {setting: Literal[words] for setting, words in METHODS[name].words.items()}
            hints["recipe"] = Annotated[dict[str, Any], FieldsOf(Recipe)]
            hints["priority"] = Whole
            fields = checked_fields({} if entry is None else entry, hints)
            recipe, priority = fields.pop("recipe", {}), fields.pop("priority", None)
            check_settings(fields)
            try:
                METHODS[name].complete(fields)
            except UserError as error:
                setting, _, text = str(error).partition(": ")
                problems.add(name, setting if setting in fields else "settings", text=text)
            if METHODS[name].starts_from is not None and recipe:
                text = (
                    f"means nothing to {name}, which trains no network: it takes that of {METHODS[name].starts_from}."
                )
                problems.add(name, "recipe", text=text)
            entries[name] = MethodEntry(settings=fields, recipe=recipe, priority=priority)
    problems.raise_any()
    return entries


def _methods_form(_: Schema) -> Schema:
    """What `read_methods` takes."""
    entries = {}
    for name, method in METHODS.items():
        usual = method.complete({})
        fields: Schema = {
            setting: {
                **value_form(name, setting),
                "default": usual[setting],
                "description": f"{method.told[setting][:1].upper()}{method.told[setting][1:]}.",
            }
            for setting in method.settings
        }
        fields["recipe"] = {LATER: Recipe.__name__, "description": "What its trainings do otherwise."}
        fields["priority"] = {"type": "integer", "default": 0, "description": "Added to that of the pair."}
        if method.starts_from is not None:
            fields["recipe"] = {"type": "object", "maxProperties": 0}
        entries[name] = {"type": ["object", "null"], "properties": fields, "additionalProperties": False}
    listed = {"type": "array", "items": one_of(METHODS), "minItems": 1, "uniqueItems": True}
    return {
        "anyOf": [
            {"type": "object", "properties": entries, "additionalProperties": False, "minProperties": 1},
            {**listed, "description": "The methods by name, each with its defaults."},
        ]
    }


Methods = Annotated[dict[str, MethodEntry], BeforeValidator(read_methods), Form(_methods_form, typed=False)]
