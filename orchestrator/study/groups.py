"""Class sets with names, such as the departments that intents belong to: in the study, or in a file beside it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

from nemo.documents import read_document
from nemo.errors import UserError
from orchestrator.study.problems import NoDuplicates, Problems
from orchestrator.study.yaml_source import parse_value


def _check_class(value: Any) -> Any:
    problems = Problems()
    if type(value) not in (int, str):
        problems.add(text=f"should be the number or the name of a class, not {value!r:.60}; put a name in quotes.")
    problems.raise_any()
    return value


Class = Annotated[int | str, BeforeValidator(_check_class)]

ClassSet = Annotated[list[Class], Field(min_length=2), NoDuplicates]
"""Some classes, by number or name."""

_GROUPS: TypeAdapter[dict[str, list[int | str]]] = TypeAdapter(dict[str, ClassSet])


def read_groups(given: str | Mapping[str, Any]) -> dict[str, list[int | str]]:
    """Name -> classes, of a mapping or of a file that holds one, as YAML or JSON.

    Raises:
        UserError: The file is missing or holds something else.
    """
    if not isinstance(given, str):
        return dict(given)
    file = Path(given).expanduser()
    try:
        value = parse_value(read_document(file))
    except OSError as error:
        raise UserError(
            f"{given} cannot be read ({error.strerror}); give the path from the current directory."
        ) from error
    except ValueError as error:  # a UnicodeDecodeError is one
        raise UserError(f"{given} is no YAML or JSON in UTF-8; write names, and a list of classes for each.") from error
    try:
        return _GROUPS.validate_python(value)
    except ValueError as error:
        raise UserError(f"{given} should give each name a list of two or more classes; correct it.") from error


def check_groups(given: Any) -> Any:
    """A validator of the field: the file's path, or what is in it."""
    if isinstance(given, str):
        problems = Problems()
        try:
            read_groups(given)
        except UserError as error:
            problems.add(text=str(error))
        problems.raise_any()
    return given


Groups = Annotated[str | dict[str, ClassSet], BeforeValidator(check_groups)]
