"""What `orchestrator` offers in Python: a study is planned, run and opened, as on the command line."""

from __future__ import annotations

import inspect
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import orchestrator
from nemo.errors import UserError
from orchestrator.study.file import study_with_data
from tests import tiny
from tests.orchestrator.in_process import finish_study

STUDY = {name: value for name, value in tiny.STUDY.items() if name != "sweep"}


def test_every_name_is_there_typed_and_described() -> None:
    assert set(orchestrator.__all__) <= set(dir(orchestrator))
    for name in ("plan", "run_study", "load_study"):
        function = getattr(orchestrator, name)
        hints = inspect.signature(function)
        assert hints.return_annotation is not inspect.Signature.empty
        assert all(each.annotation is not inspect.Parameter.empty for each in hints.parameters.values())
        assert "Raises:" in (function.__doc__ or "")
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = orchestrator.nothing


@pytest.mark.parametrize("first", ["orchestrator.plan.planner", "orchestrator.report.notebook", "orchestrator"])
def test_plan_is_the_function_whatever_is_imported_first(first: str) -> None:
    script = f"import {first}; from orchestrator import plan; from orchestrator.plan.planner import Plan; plan.__doc__"
    subprocess.run([sys.executable, "-c", script], check=True, timeout=120)


def test_a_study_made_in_python_is_planned_run_and_opened(tmp_path: Path) -> None:
    study = orchestrator.Study.model_validate(STUDY)
    before = orchestrator.plan(study, tmp_path)
    assert not before.done
    assert not list(tmp_path.iterdir())
    finish_study(study, tmp_path)
    assert orchestrator.plan(study, tmp_path).done
    opened = orchestrator.run_study(study, tmp_path)  # nothing is left to run: it needs no Ray
    assert opened.name == "tiny"
    assert len(opened.trainings) == 2
    assert opened.subtasks.equals(orchestrator.load_study("tiny", tmp_path).subtasks)


def test_overrides_of_a_study_touch_no_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "none"))
    made = study_with_data(orchestrator.Study.model_validate(STUDY), ["name=other", "seeds=[0, 1]"]).study
    assert (made.name, made.seeds) == ("other", [0, 1])
    wrong = orchestrator.Study.model_validate(STUDY).model_copy(update={"name": "a/b"})
    with pytest.raises(UserError, match=r"^study:1: name: 'a/b' names a folder"):
        study_with_data(wrong, ["seeds=[0]"])


def test_overrides_win_over_a_file_and_over_a_study(tmp_path: Path) -> None:
    file = tiny.write_study(tmp_path, sweep=None)
    for wanted in (file, str(file), orchestrator.Study.model_validate(STUDY)):
        counts = orchestrator.plan(wanted, tmp_path / "runs", overrides=["seeds=[0, 1, 2]"]).counts
        assert {each.kind: each.known for each in counts}["train"] == 6
    with pytest.raises(UserError, match="--set seeds=none"):
        orchestrator.plan(file, tmp_path, overrides=["seeds=none"])
