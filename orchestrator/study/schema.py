"""The JSON Schema of a study file: what an editor completes, explains and underlines.

It takes whatever the loader takes, once anchors and merge keys are resolved, but for what that takes for a number or a
truth value and is none; what no schema can say - that files are there, that fields fit each other - `nemo plan` says.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any, get_type_hints

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from nemo.recipe import BOUNDS, Finetune, Recipe
from orchestrator.study.form import LATER, Schema
from orchestrator.study.problems import strict, with_words
from orchestrator.study.study import Study

VERSION = 1
"""Raised when a study that one version takes may be refused by the next."""

SCHEMA_FILE = Path(__file__).with_name("study.schema.json")
"""The schema as it is shipped; `python -m orchestrator.study.schema` writes it anew."""

_MODELINE = "# yaml-language-server: $schema="
_LATER = {kind.__name__: kind for kind in (Recipe, Finetune)}


class _Generator(GenerateJsonSchema):
    """Without titles, which are the fields' names once more."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def study_schema() -> Schema:
    """The JSON Schema (draft 2020-12) of a study file."""
    schema = Study.model_json_schema(by_alias=True, schema_generator=_Generator)
    definitions = schema.pop("$defs")
    definitions |= {name: _fields_of(kind) for name, kind in _LATER.items()}
    return {
        "$id": f"urn:nemo-orchestrator:study:{VERSION}",
        "title": "A study of nemo",
        "description": f"What `nemo run STUDY` reads; form {VERSION}.",
        **_resolved(schema),
        "$defs": {name: _resolved(definitions[name]) for name in sorted(definitions)},
    }


def _resolved(schema: Any) -> Any:
    """A schema with references where `FieldsOf` left the names of dataclasses, and without the titles of classes."""
    if isinstance(schema, list):
        return [_resolved(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found = {name: _resolved(value) for name, value in schema.items() if name != LATER}
    if isinstance(found.get("title"), str):
        del found["title"]
    return {"$ref": f"#/$defs/{schema[LATER]}", **found} if LATER in schema else found


def _fields_of(kind: type[Recipe] | type[Finetune]) -> Schema:
    """Some of the fields of a dataclass, none of them needed."""
    hints, properties = get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        form = TypeAdapter(strict(hints[field.name])).json_schema(schema_generator=_Generator)
        if field.name in BOUNDS:
            form = _bounded(form, field.name)
        properties[field.name] = {**form, "default": field.default}
    with_words(properties, kind)
    return {"type": "object", "properties": properties, "additionalProperties": False}


def _bounded(form: Schema, field: str) -> Schema:
    bounds = BOUNDS[field]
    found = {"minimum": bounds.least, "exclusiveMinimum": bounds.above, "exclusiveMaximum": bounds.below}
    return {**form, **{name: number for name, number in found.items() if number is not None}}


def schema_text() -> str:
    """The schema as a file has it."""
    return json.dumps(study_schema(), indent=1, ensure_ascii=False) + "\n"


def with_schema_line(text: str, schema: str) -> str:
    """A study's text with the line on top by which an editor finds the schema, in the place of the one that it has.

    Args:
        text: The study.
        schema: The schema's path from the study's folder.
    """
    first, _, rest = text.partition("\n")
    return f"{_MODELINE}{schema}\n{rest if first.startswith(_MODELINE) else text}"


if __name__ == "__main__":
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
