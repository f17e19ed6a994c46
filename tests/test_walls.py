"""The contracts of `pyproject.toml` hold something: each fails on a planted import, be it late or for types alone."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LATE = "def f():\n    import {0}\n    return {0}\n"
TYPED = "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    import {0}\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of what import-linter reads."""
    for package in ("nemo", "orchestrator"):
        shutil.copytree(ROOT / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path) -> str:
    """What import-linter says of a tree that keeps no contract; empty where it keeps all."""
    script = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run([script, "--no-cache", "--no-logo"], cwd=tree, capture_output=True, text=True, timeout=120)
    return "" if ended.returncode == 0 else ended.stdout


@pytest.mark.parametrize(
    ("file", "source", "broken"),
    [
        ("orchestrator/study/planted.py", LATE.format("orchestrator.plan.step"), "imports go down the rooms"),
        ("orchestrator/storage/planted.py", TYPED.format("orchestrator.study.study"), "imports go down the rooms"),
        ("orchestrator/loose.py", "", "imports go down the rooms"),
        ("orchestrator/plan/step.py", LATE.format("orchestrator.plan.planner"), "no circles"),
        ("nemo/errors.py", TYPED.format("nemo.training"), "no circles"),
        ("nemo/planted.py", LATE.format("ray.train"), "nemo is plain PyTorch"),
        ("nemo/planted.py", TYPED.format("orchestrator.study.study"), "nemo is plain PyTorch"),
    ],
)
def test_a_planted_import_breaks_its_contract(tree: Path, file: str, source: str, broken: str) -> None:
    path = tree / file
    path.write_text((path.read_text() if path.exists() else "") + "\n\n" + source)
    said = lint(tree)
    assert any(line.startswith(broken) and line.endswith("BROKEN") for line in said.splitlines()), said


def test_nothing_is_broken_as_it_is(tree: Path) -> None:
    assert lint(tree) == ""
