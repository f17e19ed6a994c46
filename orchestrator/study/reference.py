"""The tables of `docs/study.md`, made of the fields' own words; the prose between them is the page's.

python -m orchestrator.study.reference docs/study.md
"""

from __future__ import annotations

import dataclasses
import re
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

from nemo.datasets.options import OPTIONS
from nemo.methods import METHODS
from nemo.recipe import Finetune, Recipe
from orchestrator.study.constraints import Constraints
from orchestrator.study.deriving import Deriving
from orchestrator.study.early_stopping import EarlyStopping
from orchestrator.study.limits import Limits, Prices
from orchestrator.study.notify import Notify
from orchestrator.study.pair import Pair, Teacher
from orchestrator.study.resources import Resources, SubtaskResources, TrackingSettings, TrainingResources
from orchestrator.study.sampler import Sampler
from orchestrator.study.study import Study
from orchestrator.study.subtasks import Selection, Subtasks
from orchestrator.study.sweep import Sweep
from orchestrator.study.words import Fields, words_of

MODELS: dict[str, Fields] = {
    "A study": Study,
    "pairs": Pair,
    "teacher": Teacher,
    "recipe": Recipe,
    "sweep": Sweep,
    "search": Sampler,
    "constraints": Constraints,
    "early_stopping": EarlyStopping,
    "subtasks": Subtasks,
    "finetune": Finetune,
    "derive": Deriving,
    "select": Selection,
    "resources": Resources,
    "training": TrainingResources,
    "subtask": SubtaskResources,
    "limits": Limits,
    "prices": Prices,
    "notify": Notify,
    "tracking": TrackingSettings,
}
"""Heading of the page -> the fields that its table lists."""


def tables() -> dict[str, str]:
    """Heading -> its table, in Markdown."""
    found = {heading: _table(["field", "left out", ""], _fields(kind)) for heading, kind in MODELS.items()}
    found["Methods and their settings"] = _table(["method", "setting", "left out", ""], _settings())
    options = ([f"`{name}`", option.of, option.told] for name, option in OPTIONS.items())
    found["dataset_options"] = _table(["option", "of", ""], options)
    return found


def renewed(page: str) -> str:
    """The page with its tables made anew.

    Raises:
        ValueError: A heading with a table is missing.
    """
    for heading, table in tables().items():
        old = re.search(rf"^#+ {re.escape(heading)}$[^|]*?\n((\|.*\n)+)", page, re.MULTILINE)
        if old is None:
            raise ValueError(f"there is no heading {heading!r} with a table; add it, or take it out of the tables")
        page = page[: old.start(1)] + table + page[old.end(1) :]
    return page


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    rule = f"|{'---|' * len(head)}"
    return "\n".join([_line(head), rule, *map(_line, rows)]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return "| " + "".join(f"{cell} | " if cell else "| " for cell in cells).rstrip()


def _fields(kind: Fields) -> Iterable[list[str]]:
    for name, words in words_of(kind).items():
        yield [f"`{name}`", words.left_out or _shown(_default(kind, name)), words.text]


def _default(kind: Fields, name: str) -> Any:
    """What is taken without a field; `...` where there is nothing."""
    if not issubclass(kind, BaseModel):
        return next(field.default for field in dataclasses.fields(kind) if field.name == name)
    field = next(field for key, field in kind.model_fields.items() if (field.alias or key) == name)
    return ... if field.is_required() else field.default


def _shown(value: Any) -> str:
    if value is ...:
        return "needed"
    if value is None:
        return "none"
    if isinstance(value, BaseModel | dict):
        return "`{}`"
    text = yaml.safe_dump(value, default_flow_style=True).strip().removesuffix("...").strip()
    return f"`{text}`" if isinstance(value, list) else text


def _settings() -> Iterable[list[str]]:
    for name, method in METHODS.items():
        for position, (setting, value) in enumerate(method.complete({}).items()):
            yield ["" if position else f"`{name}`", f"`{setting}`", str(value), method.told.get(setting, "")]


if __name__ == "__main__":
    file = Path(sys.argv[1])
    file.write_text(renewed(file.read_text(encoding="utf-8")), encoding="utf-8")
