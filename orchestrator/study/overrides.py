"""`--set key=value`: changes a study without changing its file."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import yaml

from nemo.errors import UserError
from orchestrator.study.problems import Place
from orchestrator.study.yaml_source import node_of, parse_value

_DEEPEST = 10


@dataclass(frozen=True)
class Override:
    """One `key=value` as given, the place that it sets, and the node of the value."""

    text: str
    place: Place
    node: yaml.Node | None


def apply_overrides(data: dict[str, Any], texts: list[str]) -> tuple[dict[str, Any], list[Override]]:
    """Sets places of the data; mappings on the way are made, list positions must exist.

    Raises:
        UserError: All overrides that cannot be applied.
    """
    data, applied, wrong = copy.deepcopy(data), [], []
    for text in texts:
        key, equals, value = text.partition("=")
        try:
            if not equals or not key.strip():
                raise _Refused("should be key=value, such as recipe.epochs=5")
            if key.count(".") > _DEEPEST:
                raise _Refused(f"no field of a study lies {key.count('.')} deep")
            place: Place = tuple(int(part) if _is_position(part) else part for part in key.strip().split("."))
            _set(data, place, _read(value))
            applied.append(Override(text, place, node_of(value)))
        except _Refused as error:
            wrong.append(f"--set {text}: {error}.")
    if wrong:
        raise UserError("\n".join(wrong))
    return data, applied


class _Refused(Exception):
    """Why an override cannot be applied."""


def _is_position(part: str) -> bool:
    return part.isdecimal() and len(part) < 10


def _read(text: str) -> Any:
    try:
        return parse_value(text)
    except ValueError as error:
        raise _Refused(f"the value {error}") from error


def _set(data: Any, place: Place, value: Any) -> None:
    for depth, part in enumerate(place):
        last = depth == len(place) - 1
        if isinstance(data, list):
            if not isinstance(part, int) or part >= len(data):
                raise _Refused(f"{part!r} is no position of a list of {len(data)}, count from 0")
        elif isinstance(data, dict):
            if data.get(part) is None and not last:
                data[part] = {}
        else:
            raise _Refused(f"{'.'.join(map(str, place[:depth]))} is a single value, it has no {part!r}")
        if last:
            data[part] = value
        else:
            data = data[part]
