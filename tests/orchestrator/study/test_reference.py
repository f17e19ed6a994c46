"""docs/study.md names every field of a study with what it is when left out, and no other."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel

from nemo.datasets.options import OPTIONS
from nemo.deriving.methods import DERIVATIONS
from nemo.methods import METHODS
from nemo.recipe import Finetune, Recipe
from orchestrator.study.deriving import Deriving
from orchestrator.study.limits import Limits, Prices
from orchestrator.study.notify import Notify
from orchestrator.study.pair import Pair, Teacher
from orchestrator.study.resources import Resources, SubtaskResources, TrackingSettings, TrainingResources
from orchestrator.study.study import Study
from orchestrator.study.subtasks import Selection, Subtasks
from orchestrator.study.sweep import Sweep

PAGE = (Path(__file__).parents[3] / "docs" / "study.md").read_text()
MODELS = {
    "A study": Study,
    "pairs": Pair,
    "teacher": Teacher,
    "recipe": Recipe,
    "sweep": Sweep,
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


def rows(heading: str) -> list[list[str]]:
    """The cells of the table below a heading, without its head."""
    section = re.split(r"^#+ ", PAGE.partition(f"# {heading}\n")[2], flags=re.MULTILINE)[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def fields_of(model: type) -> dict[str, Any]:
    """Name in the file -> default; `...` where there is none."""
    if not issubclass(model, BaseModel):
        return {field.name: field.default for field in dataclasses.fields(model)}
    return {
        field.alias or name: ... if field.is_required() else field.default for name, field in model.model_fields.items()
    }


def shown(value: Any) -> str | None:
    """A default as the page has it; None where it says in words what that means."""
    if value is ...:
        return "needed"
    if value is None:
        return None
    if isinstance(value, BaseModel | dict):
        return "`{}`"
    text = yaml.safe_dump(value, default_flow_style=True).strip().removesuffix("...").strip()
    return f"`{text}`" if isinstance(value, list) else text


@pytest.mark.parametrize("heading", MODELS)
def test_the_page_has_every_field_and_its_default(heading: str) -> None:
    told = {cells[0].strip("`"): cells[1] for cells in rows(heading)}
    fields = fields_of(MODELS[heading])
    assert list(told) == list(fields)
    for name, default in fields.items():
        expected = shown(default)
        assert told[name] == expected if expected is not None else told[name], name


def test_the_page_has_every_setting_of_every_method() -> None:
    told, method = {}, ""
    for cells in rows("Methods and their settings"):
        method = cells[0].strip("`") or method
        told[method, cells[1].strip("`")] = cells[2]
    expected = {(name, key): str(value) for name, each in METHODS.items() for key, value in each.complete({}).items()}
    assert told == expected


def test_the_page_of_deriving_has_every_method_and_setting() -> None:
    page = (Path(__file__).parents[3] / "docs" / "trained-networks.md").read_text()
    for name, each in DERIVATIONS.items():
        assert f"| `{name}` |" in page
        table = page.partition(f"| setting of `{name}` |")[2].partition("\n\n")[0] or page
        assert [setting for setting in each.method.settings if f"`{setting}`" not in table] == [], name


def test_the_page_has_every_option_of_a_data_set() -> None:
    told = [name.strip("` ") for cells in rows("dataset_options") for name in cells[0].split(",")]
    assert sorted(told) == sorted(OPTIONS)
