"""Who is told what of a study while it runs; never part of a key."""

from __future__ import annotations

import re
from typing import Annotated, Literal, get_args

from pydantic import Field

from orchestrator.study.form import Check, Schema
from orchestrator.study.problems import Model, NoDuplicates, Problems

Occasion = Literal["end", "failure", "limit", "silence"]
OCCASIONS: list[Occasion] = list(get_args(Occasion))


_NAME = r"\$[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE: Schema = {"pattern": f"^{_NAME}$"}


def _is_variable(name: str) -> str:
    problems = Problems()
    if not re.fullmatch(_NAME, name):
        text = (
            "should be the name of a variable, such as $NEMO_NOTIFY, which holds the address: an address lets whoever "
            "reads it write to you, and MLflow gets a copy of the study."
        )
        problems.add(text=text)
    problems.raise_any()
    return name


class Notify(Model):
    """Who is told what of a study."""

    to: Annotated[list[Annotated[str, Check(_is_variable, _VARIABLE)]], Field(min_length=1), NoDuplicates] = [
        "$NEMO_NOTIFY"
    ]
    """variables of the environment, each with an address of apprise, or with several and spaces between; an address
    itself is refused
    """
    on: Annotated[list[Occasion], Field(min_length=1), NoDuplicates] = OCCASIONS
    """when: a run ends, and not by Ctrl-C; the first step of a run fails; a limit is reached; nothing happens"""
