"""Small studies and results that several tests use."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo.datasets.description import Description
from orchestrator.plan.planner import Plan
from orchestrator.plan.step import Step
from orchestrator.study.study import Study

DIGITS = Description("digits", tuple("0123456789"), 32, 1437, 360, "f" * 64)
DESCRIPTIONS = {"digits": DIGITS}

SWEPT = """\
name: small
pairs:
  - {backbone: vgg16, dataset: digits, width: 0.125}
methods:
  standard:
  mwt: {lambda_coh: 0.5, recipe: {warmup: 5}}
recipe: {epochs: 25, batch_size: 32, validation: 0.1}
sweep:
  mwt: {grid: {lambda_coup: [2.0, 3.0]}}
thresholds: [0.7, 0.9]
subtasks: {from: best, sizes: [2, 3], samples: 4}
"""


def study(**changed: Any) -> Study:
    """A study of one pair and `mwt`, with some of its parts changed."""
    parts: dict[str, Any] = {
        "name": "small",
        "pairs": [{"backbone": "vgg16", "dataset": "digits"}],
        "methods": ["standard", "mwt"],
    }
    return Study.model_validate({**parts, **changed})


def write(folder: Path, text: str) -> Path:
    """The text as a study file."""
    path = folder / "study.yaml"
    path.write_text(text)
    return path


def documents(steps: list[Step], numbers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Result documents as a plan reads them: key -> document, with the results in `numbers` by key."""
    return {step.key: {"key": step.key, "result": dict(numbers.get(step.key, {}))} for step in steps}


def of_kind(plan: Plan, kind: str) -> list[Step]:
    """The plan's steps of one kind."""
    return [step for step in plan.steps if step.kind == kind]
