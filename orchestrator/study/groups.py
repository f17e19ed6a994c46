"""Class sets with names, such as the departments that intents belong to: in the study, or in a file beside it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter
from yaml import MappingNode, ScalarNode, SequenceNode, YAMLError

from nemo.documents import read_document
from nemo.errors import UserError
from orchestrator.study.problems import NoDuplicates, Problems
from orchestrator.study.yaml_source import node_of


def _check_class(value: Any) -> Any:
    problems = Problems()
    if type(value) not in (int, str):
        problems.add(text=f"should be the number or the name of a class, not {value!r:.60}; put a name in quotes.")
    problems.raise_any()
    return value


Class = Annotated[int | str, BeforeValidator(_check_class)]

ClassSet = Annotated[list[Class], Field(min_length=2), NoDuplicates]
"""Some classes, by number or name."""

_GROUP: TypeAdapter[list[int | str]] = TypeAdapter(ClassSet)
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


def read_groups(given: str | Mapping[str, Any]) -> dict[str, list[int | str]]:
    """Name -> classes, of a mapping or of a file that holds one, as YAML or JSON.

    Raises:
        UserError: The file is missing or holds something else.
    """
    if not isinstance(given, str):
        return dict(given)
    file = Path(given).expanduser()
    try:
        node = node_of(read_document(file))
    except OSError as error:
        raise UserError(f"{given} cannot be read ({error.strerror}); give its path from the current folder.") from error
    except (ValueError, YAMLError) as error:  # a UnicodeDecodeError is the former
        raise UserError(f"{given} is no YAML or JSON in UTF-8; write names, and a list of classes for each.") from error
    if not isinstance(node, MappingNode) or not node.value:
        raise UserError(f"{given} should give names, and a list of two or more classes for each; correct it.")
    found: dict[str, list[int | str]] = {}
    for key, classes in node.value:
        if key.value in found:
            raise UserError(f"{given} names {key.value!r} twice; rename one.")
        if not isinstance(classes, SequenceNode) or not all(isinstance(each, ScalarNode) for each in classes.value):
            raise UserError(f"{given}: {key.value!r} should be a list of classes; correct it.")
        found[key.value] = [_class_of(each) for each in classes.value]
    for name, numbers in found.items():
        try:
            _GROUP.validate_python(numbers)
        except ValueError as error:
            raise UserError(f"{given}: {name!r} should name two or more classes, each once; correct it.") from error
    return found


def _class_of(node: ScalarNode) -> int | str:
    """A whole number without quotes is a number, and all else a name: `yes` and `007` too."""
    text = str(node.value)
    return int(text) if node.style is None and _NUMBER.fullmatch(text) else text


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
