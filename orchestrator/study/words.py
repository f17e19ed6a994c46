"""What the fields of a study mean, in words: the one source of `docs/study.md` and of the JSON Schema.

The words of a field are the string below it. Its first paragraph says what it means; a paragraph that begins with
`Left out:` what is taken without it, where that is no value; one that begins with `Example:` holds a value as YAML.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Fields = type[BaseModel] | type["DataclassInstance"]
"""What has fields: a model or a dataclass."""

_LEFT_OUT, _EXAMPLE = "Left out:", "Example:"


@dataclass(frozen=True)
class Words:
    """The words of one field.

    Attributes:
        text: What it means.
        left_out: What is taken without it, where that is no value; empty elsewhere.
        examples: Values, as YAML has them.
    """

    text: str = ""
    left_out: str = ""
    examples: tuple[Any, ...] = ()

    @classmethod
    def of(cls, docstring: str) -> Words:
        """The words in a string below a field."""
        texts, left_out, examples = [], "", []
        for paragraph in inspect.cleandoc(docstring).split("\n\n"):
            line = " ".join(paragraph.split())
            if line.startswith(_LEFT_OUT):
                left_out = line.removeprefix(_LEFT_OUT).strip()
            elif line.startswith(_EXAMPLE):
                examples.append(yaml.safe_load(line.removeprefix(_EXAMPLE).strip().strip("`")))
            else:
                texts.append(line)
        return cls(" ".join(texts), left_out, tuple(examples))


@cache
def words_of(kind: Fields) -> dict[str, Words]:
    """Field, as the file has it -> its words, in the fields' order; a model's, or a dataclass's.

    A field that is declared again without words keeps those of before.
    """
    told: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        if dataclasses.is_dataclass(each) or (issubclass(each, BaseModel) and each is not BaseModel):
            told |= dict(_strings_below(each))
    return {alias: Words.of(told.get(name, "")) for name, alias in _fields(kind).items()}


def _fields(kind: Fields) -> dict[str, str]:
    """A field's name in Python -> in the file."""
    if issubclass(kind, BaseModel):
        return {name: field.alias or name for name, field in kind.model_fields.items()}
    return {field.name: field.name for field in dataclasses.fields(kind)}


def _strings_below(kind: type) -> list[tuple[str, str]]:
    tree = ast.parse(textwrap.dedent(inspect.getsource(kind)))
    body = tree.body[0].body if isinstance(tree.body[0], ast.ClassDef) else []
    found = []
    for field, below in pairwise(body):
        match field, below:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                found.append((name, text))
    return found
