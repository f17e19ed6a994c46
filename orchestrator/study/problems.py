"""What the study's models share: unknown fields are refused, and all problems are reported at once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any, Self, TypeVar, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    Strict,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema

from orchestrator.study.form import LATER, Check, Form, Schema, one_of
from orchestrator.study.words import Fields, words_of

Place = tuple[str | int, ...]
"""Where something stands in a study: field names and list positions from the top."""

Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
T = TypeVar("T")


def unknown(name: object, choices: Collection[str], what: str = "field") -> str:
    """The sentence about a name that is none of the choices, with the closest one first."""
    close = get_close_matches(str(name), choices, n=1)
    hint = f"did you mean {close[0]!r}? Choose" if close else "choose"
    return f"{name!r} is no {what} here; {hint} among {', '.join(sorted(choices))}."


def check_name(choices: Collection[str], what: str) -> Callable[[str], str]:
    """A function that refuses what is none of the choices."""

    def check(name: str) -> str:
        problems = Problems()
        if name not in choices:
            problems.add(text=unknown(name, choices, what))
        problems.raise_any()
        return name

    return check


def sentence(error: ErrorDetails) -> str:
    """One of pydantic's errors as a sentence."""
    if error["type"] == "study":
        return error["msg"]
    if error["type"] == "missing":
        return "is missing."
    if error["type"] == "too_short":
        return f"is too short, give at least {error['ctx']['min_length']}."
    value = repr(error["input"])
    text = error["msg"].removeprefix("Input ").removeprefix("Value error, ").rstrip(".")
    return f"{text}, not {value if len(value) <= 60 else value[:57] + '...'}."


def named(choices: Collection[str], what: str) -> Check:
    """A validator that refuses what is none of the choices."""
    return Check(check_name(choices, what), one_of(choices))


class Problems:
    """Collects what is wrong, each with its place, to be raised together as one `ValidationError`."""

    def __init__(self) -> None:
        self._errors: list[InitErrorDetails] = []

    def add(self, *place: str | int, text: str) -> None:
        """Notes that the value at `place` is wrong."""
        problem = PydanticCustomError("study", "{text}", {"text": text})
        self._errors.append(InitErrorDetails(type=problem, loc=place, input=None))

    @contextmanager
    def under(self, *place: str | int) -> Iterator[None]:
        """Collects what a validation inside the block raises, as lying under `place`."""
        try:
            yield
        except ValidationError as errors:
            for error in errors.errors(include_url=False):
                self.add(*place, *error["loc"], text=sentence(error))

    def raise_any(self) -> None:
        """Raises: ValidationError: Something was collected."""
        if self._errors:
            raise ValidationError.from_exception_data("study", self._errors)


class Model(BaseModel):
    """A part of the study file; unknown fields are refused with the closest known one."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_unknown(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):
            return data
        problems = Problems()
        names = [field.alias or name for name, field in cls.model_fields.items()]
        data = known_fields(data, names, problems)
        model: Self | None = None
        with problems.under():
            model = handler(data)
        problems.raise_any()
        assert model is not None
        return model

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        schema = handler(core_schema)
        parts = handler.resolve_ref_schema(schema)
        parts.pop("description", None)  # what is said of the class is for who reads its source
        with_words(parts["properties"], cls)
        return schema


def with_words(properties: Schema, kind: Fields) -> None:
    """Puts the words of a kind's fields into their schemas."""
    for name, words in words_of(kind).items():
        said = f"{words.text}; left out: {words.left_out}" if words.left_out else words.text
        properties[name] |= {"description": said[:1].upper() + said[1:] + "."} if said else {}
        properties[name] |= {"examples": [*words.examples]} if words.examples else {}


def known_fields(data: Any, names: Collection[str], problems: Problems, what: str = "field") -> dict[str, Any]:
    """The items of a mapping whose names are known; the others become problems."""
    if not isinstance(data, Mapping):
        problems.add(text=f"should be a mapping of {', '.join(names)}, not {data!r:.60}.")
        problems.raise_any()
    for name in data:
        if name not in names:
            problems.add(str(name), text=unknown(name, names, what))
    return {name: value for name, value in data.items() if name in names}


@dataclass(frozen=True)
class FieldsOf:
    """Annotates a `dict` that holds some of a dataclass's fields, each checked against its type."""

    dataclass: type

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def validate(data: Any) -> dict[str, Any]:
            hints = get_type_hints(self.dataclass)
            return checked_fields(data, {name: strict(hint) for name, hint in hints.items()})

        return core_schema.no_info_plain_validator_function(validate)

    def __get_pydantic_json_schema__(self, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> Schema:
        return {LATER: self.dataclass.__name__}


def _several(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


def _one_or_several(made: Schema) -> Schema:
    return {"anyOf": [{"type": "string"}, *made["anyOf"]]}


def strict(hint: Any) -> Any:
    """The same type without coercion; no number may be infinite, and one text stands for several."""
    if hint == (str | tuple[str, ...] | None):
        return Annotated[list[str] | None, BeforeValidator(_several), Form(_one_or_several)]
    return Number if hint is float else Annotated[hint, Strict()] if hint in (int, bool) else hint


def checked_fields(data: Any, hints: Mapping[str, Any]) -> dict[str, Any]:
    """A mapping whose names are known and whose values have their types.

    Raises:
        ValidationError: All of what is wrong.
    """
    problems = Problems()
    checked = {}
    for name, value in known_fields(data, list(hints), problems).items():
        with problems.under(name):
            checked[name] = TypeAdapter(hints[name]).validate_python(value)
    problems.raise_any()
    return checked


def field_name(place: Place) -> str:
    """`("pairs", 0, "backbone")` as `pairs[0].backbone`."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place)
    return text.removeprefix(".")


def valid_fields(
    kind: type, fields: Mapping[str, Any], problems: Problems, place: Callable[[str], Place | None]
) -> None:
    """Checks the values' ranges by building the dataclass, which refuses one field at a time.

    Args:
        kind: A dataclass whose `__post_init__` raises `ValueError("field: remedy")`.
        fields: Some of its fields.
        problems: Takes what is wrong.
        place: Where a field was set; None where its problem is reported elsewhere.
    """
    fields = dict(fields)
    while True:
        try:
            kind(**fields)
            return
        except ValueError as error:
            field, _, remedy = str(error).partition(": ")
            where = place(field)
            if where is not None:
                value = f", not {fields[field]}" if field in fields else ""
                problems.add(*where, text=f"{remedy}{value}.")
            if field not in fields:
                return
            del fields[field]


def _refuse_duplicates(values: list[T]) -> list[T]:
    problems = Problems()
    for position, value in enumerate(values):
        if value in values[:position]:
            problems.add(position, text=f"{value} is given twice, remove one.")
    problems.raise_any()
    return values


NoDuplicates = Check(_refuse_duplicates, {"uniqueItems": True})
