"""What the doctor found of one thing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from nemo.errors import UserError


class State(StrEnum):
    """How a thing is."""

    good = "good"
    look = "look"
    """a run may go on, and somebody should look at it"""
    fails = "fails"


@dataclass(frozen=True)
class Finding:
    """What was found of one thing.

    Attributes:
        thing: Its name.
        said: How it is.
        state: Whether that is good.
        remedy: What to do where it is not.
    """

    thing: str
    said: str
    state: State = State.good
    remedy: str = ""


def good(thing: str, said: str) -> Finding:
    """A thing that is as it should be."""
    return Finding(thing, said)


def look(thing: str, said: str, remedy: str) -> Finding:
    """A thing that a run may suffer from."""
    return Finding(thing, said, State.look, remedy)


def fails(thing: str, said: str, remedy: str) -> Finding:
    """A thing without which no run goes."""
    return Finding(thing, said, State.fails, remedy)


def tried(thing: str, attempt: Callable[[], str], remedy: str) -> Finding:
    """What came of an attempt, which says how it went; whatever it raises is a failure."""
    try:
        return good(thing, attempt())
    except UserError as error:
        return fails(thing, str(error), "")  # such a sentence has its own
    except Exception as error:  # that is what is looked for here: anything that goes wrong
        line = (str(error).strip().splitlines() or [""])[0]
        return fails(thing, f"{type(error).__name__}: {line}"[:300], remedy)
