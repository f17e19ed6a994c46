"""Classes by name or by number: one rule for study files, the command line and Python."""

from __future__ import annotations

import operator
import re
import unicodedata
from collections.abc import Sequence
from typing import SupportsIndex

from nemo.errors import UserError

_PART = re.compile(r"""\s*("[^"]*"|'[^']*'|[^,]*?)\s*(?:,|$)""")


def find_class(name: str | SupportsIndex, classes: Sequence[str]) -> int | None:
    """The number of a class; None where there is none such.

    A text is a name. A number is the name of the class that is called so, or else the place of a class, from 0. Names
    that look alike (Unicode has several ways to write an umlaut) are the same name.

    Args:
        name: A name, or a number.
        classes: The names of all classes, by number.

    Raises:
        UserError: Two classes have this name; or the number is one class's name and the place of another.
    """
    if isinstance(name, str):
        return _named(name, classes)
    number = operator.index(name)
    place = number if 0 <= number < len(classes) else None
    named = _named(str(number), classes)
    if named is not None and place is not None and named != place:
        raise UserError(
            f"{number} is the name of a class and the number of the class {classes[place]!r}, put the name of the one "
            f'that is meant in quotes: "{number}" or "{classes[place]}"'
        )
    return place if named is None else named


def _named(name: str, classes: Sequence[str]) -> int | None:
    if name.isascii() and classes.count(name) == 1:  # quick, for there may be thousands
        return classes.index(name)
    places = [place for place, each in enumerate(classes) if _alike(each) == _alike(name)]
    if len(places) > 1:
        raise UserError(f"{name!r} is the name of the classes {' and '.join(map(str, places))}, give the number")
    return places[0] if places else None


def _alike(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def parse_classes(text: str) -> list[str | int]:
    """The classes in a text such as `cat,3,"3"`: numbers without quotes are numbers, all else is a name."""
    parts = [match[1] for match in _PART.finditer(text) if match[1]]
    return [_parsed(part) for part in parts]


def _parsed(part: str) -> str | int:
    if part[0] in "\"'" and part[-1] == part[0] and len(part) > 1:
        return part[1:-1]
    return int(part) if re.fullmatch(r"0|[1-9][0-9]{0,17}", part) else part
