"""`--set key=value`: changes a study without changing its file."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import yaml

from nemo.errors import UserError
from orchestrator.validation import Place
from orchestrator.yaml_source import parse_value


@dataclass(frozen=True)
class Override:
    """One `key=value` as given, and the place that it sets."""

    text: str
    place: Place


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
            place: Place = tuple(int(part) if part.isdecimal() else part for part in key.strip().split("."))
            _set(data, place, parse_value(value))
            applied.append(Override(text, place))
        except yaml.YAMLError:
            wrong.append(f"--set {text}: the value is no valid YAML.")
        except _Refused as error:
            wrong.append(f"--set {text}: {error}.")
    if wrong:
        raise UserError("\n".join(wrong))
    return data, applied


class _Refused(Exception):
    """Why an override cannot be applied."""


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
