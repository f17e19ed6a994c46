"""All problems of a study at once, also those that can only be found once others are corrected."""

from __future__ import annotations

import copy
import math
import unicodedata
from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

from orchestrator.study.problems import Place, sentence
from orchestrator.study.study import Study

Problem = tuple[Place, str]
"""A problem's place in the study, and a sentence about it."""

# Valid values that replace wrong ones on which too much else depends for the study to be checked without them.
_STAND_INS = {"backbone": "resnet18", "dataset": "digits", "validation": 0.1}


def find_errors(data: Any, known: Iterable[Problem] = ()) -> tuple[Study | None, list[Problem]]:
    """Validates a study; after a failure again without the wrong parts, to find problems that these had hidden.

    Args:
        data: The study.
        known: Problems that were found in its text.

    Returns:
        The study, without its wrong parts, or None if too little is left; and the problems.
    """
    problems = list(known)
    places = {place for place, _ in problems}
    problems += [(place, text) for place, text in _odd_values(data) if place not in places]
    rest = copy.deepcopy(data)
    for place, _ in sorted(problems, key=_removal_order, reverse=True):
        _remove(rest, place)
    while True:
        try:
            return Study.model_validate(rest), problems
        except ValidationError as errors:
            raised: list[Problem] = [(error["loc"], sentence(error)) for error in errors.errors(include_url=False)]
        reported = [place for place, _ in problems]
        new = [each for each in raised if _is_new(each[0], reported, data)]
        if not new:
            return None, problems
        problems += new
        for place, _ in sorted(new, key=_removal_order, reverse=True):
            _remove(rest, place)


def _removal_order(problem: Problem) -> list[str]:
    """Later positions of a list go first, so that the others stay where they are."""
    return [str(part).zfill(9) for part in problem[0]]


def _odd_values(data: Any, place: Place = ()) -> Iterator[Problem]:
    """Values that YAML allows and no study does: dates, sets, names that are no text, odd characters, huge numbers."""
    if isinstance(data, dict):
        for name, value in data.items():
            if not isinstance(name, str):
                yield (*place, str(name)), f"{name!r} is no name here, put it in quotes."
            elif _odd_character(name):
                yield place, f"has a name with the character {_odd_character(name)!a}, remove it."
            else:
                yield from _odd_values(value, (*place, name))
    elif isinstance(data, list):
        for position, value in enumerate(data):
            yield from _odd_values(value, (*place, position))
    elif isinstance(data, str):
        if _odd_character(data):
            yield place, f"holds the character {_odd_character(data)!a}, which no name has; remove it."
    elif isinstance(data, float) and not math.isfinite(data):
        yield place, f"should be a finite number, not {data}."
    elif isinstance(data, int) and abs(data) >= 2**63:
        yield place, "is too large a number, choose a smaller one."
    elif data is not None and not isinstance(data, int | float):
        yield place, f"is a {type(data).__name__} in YAML, put it in quotes."


def _odd_character(text: str) -> str | None:
    """The first control character or lone surrogate, if there is one."""
    return next((char for char in text if unicodedata.category(char) in ("Cc", "Cs")), None)


def _is_new(place: Place, known: list[Place], data: Any) -> bool:
    """Whether an error is new, and no consequence of a part that was removed before."""
    if any(first[:1] == ("methods",) and len(first) <= 2 for first in known):
        return False  # half of a study depends on the names of its methods
    for first in known:
        shared = min(len(place), len(first))
        if place[:shared] == first[:shared] or (isinstance(first[-1], int) and place[: len(first) - 1] == first[:-1]):
            return False
        if place[1:] == ("sizes",) and first[:2] == (place[0], "classes"):
            return False  # there were class sets before their classes were removed
        if place[:-1] == first[:-1] and not _is_given(data, place):
            return False  # what is missing here may be what is misspelt there
    return True


def _is_given(data: Any, place: Place) -> bool:
    for part in place:
        if not _has_parts(data):
            return False
        try:
            data = data[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _has_parts(data: Any) -> bool:
    """Whether something holds parts of a study; a letter of a text is none."""
    return isinstance(data, dict | list)


def _remove(data: Any, place: Place) -> None:
    """Takes a place out of the data, and what is empty without it."""
    holders: list[tuple[Any, str | int]] = []
    for part in place:
        if not _has_parts(data):
            break  # one value that stands for a list of it is wrong as a whole
        if not _is_given(data, (part,)):
            return
        holders.append((data, part))
        data = data[part]
    for holder, part in reversed(holders):
        if part in _STAND_INS and holder[part] != _STAND_INS[part]:
            holder[part] = _STAND_INS[part]
            return
        del holder[part]
        if holder:
            return
