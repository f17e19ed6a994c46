"""What may stand at a place of a study file, as JSON Schema, where that is more than a type says."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic_core import CoreSchema

Schema = dict[str, Any]
"""A JSON Schema."""

LATER = "x-fields-of"
"""Stands for a definition that `orchestrator.study.schema` puts in its place: the name of a dataclass."""


@dataclass(frozen=True)
class Form:
    """Annotates a field with the schema of what its validators take: one that is made of the type's own.

    Last in `Annotated`, or what follows changes it.

    Attributes:
        make: The schema of the type -> that of what may stand there.
        typed: Whether the type's is wanted; where a validator takes its place there is none.
    """

    make: Callable[[Schema], Schema]
    typed: bool = True

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        return self.make(handler(core_schema) if self.typed else {})


def form(schema: Schema) -> Form:
    """The form whose schema is this one, whatever the type."""
    return Form(lambda _: dict(schema), typed=False)


@dataclass(frozen=True, eq=False)
class Check(AfterValidator):
    """A validator, and what it demands as far as JSON Schema has words for it."""

    demands: Schema = field(default_factory=dict)

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        return {**handler(core_schema), **self.demands}


def one_of(names: Iterable[Any]) -> Schema:
    """The schema of one of some names."""
    return {"enum": [*names]}
