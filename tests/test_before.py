"""What the code of before `orchestrator/` got its rooms left behind: it opens, reports the same, and carries on."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import pytest
import torch

import nemo
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.record import read_record
from orchestrator.plan.planner import plan
from orchestrator.storage import store_at
from orchestrator.study.data import describe
from orchestrator.study.file import submitted_study
from tests.orchestrator.in_process import finish_study
from tests.tiny import mlflow_runs, result_files
from tests.tiny import nemo as command

BEFORE = Path(__file__).parent / "data" / "before"


@pytest.fixture
def before(tmp_path: Path) -> Path:
    """A storage with the study and its MLflow store, as they were."""
    storage = tmp_path / "a storage"
    shutil.copytree(BEFORE / "study", storage / "before")
    shutil.copytree(BEFORE / "mlartifacts", storage / "mlartifacts")
    with sqlite3.connect(storage / "mlflow.db") as database:
        database.executescript((BEFORE / "mlflow.sql").read_text().replace("{STORAGE}", str(storage)))
    return storage


def test_it_reports_what_it_reported(before: Path, tmp_path: Path) -> None:
    """All but sub-tasks, whose fine-tuning saw validation images then: these are to be computed again."""
    shown = command("report", "before", "--storage", before, "--format", "json", "--out", tmp_path / "report.json")
    assert shown.returncode == 0, shown.stderr
    ours, theirs = (json.loads((folder / "report.json").read_text()) for folder in (tmp_path, BEFORE))
    assert ours.pop("accepted")["data"] and ours.pop("derived") == []  # which came later
    assert theirs.pop("subtasks") and ours.pop("subtasks") == []
    assert ours == theirs


@pytest.mark.heavy
def test_running_it_again_computes_its_sub_tasks_alone_and_writes_no_run_twice(before: Path) -> None:
    results, runs = result_files(before, "before"), mlflow_runs(before, "before")
    study = submitted_study(store_at(before) / "before")
    (new, tasks) = (plan(describe(study), Ledger(before / "before")).pending(Ledger(before / "before")), 4)
    assert [step.kind for step in new] == ["reuse"] * tasks
    finish_study(study, before)
    after = result_files(before, "before")
    assert {name: after[name] for name in results} == results
    assert len(after) == len(results) + tasks
    ran = command("run", before / "before" / "study.yaml", "--storage", before)
    assert ran.returncode == 0, ran.stderr
    assert result_files(before, "before") == after
    assert len(mlflow_runs(before, "before")) == len(runs) + tasks


@pytest.mark.heavy
def test_a_sub_task_more_builds_on_what_is_there(before: Path) -> None:
    results = result_files(before, "before")
    study = submitted_study(store_at(before) / "before")
    assert study.subtasks is not None
    grown = study.model_copy(update={"subtasks": study.subtasks.model_copy(update={"samples": 3})})
    ledger = Ledger(before / "before")
    new = plan(describe(grown), ledger).pending(ledger)
    assert {step.kind for step in new} == {"reuse"}
    finish_study(grown, before)
    after = result_files(before, "before")
    assert len(after) == len(results) + len(new)
    assert {name: after[name] for name in results} == results


def test_a_module_that_was_saved_still_loads() -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    module = nemo.load_module(BEFORE / "module" / "module.safetensors").network.eval()
    images = torch.rand(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = module(images)
    session = onnxruntime.InferenceSession(str(BEFORE / "module" / "module.onnx"))
    (expected,) = session.run(None, {session.get_inputs()[0].name: images.numpy()})
    np.testing.assert_allclose(logits.numpy(), expected, rtol=1e-4, atol=1e-4)


def test_its_record_is_read() -> None:
    record = read_record(BEFORE / "module")
    assert (record.classes, record.origins[0].study) == (["3", "5"], "before")
    assert record.origins[0].validation is None  # it did not say what its training held out


def test_a_module_that_was_registered_is_where_it_was(before: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mlflow.onnx

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{before / 'mlflow.db'}")
    mlflow.set_tracking_uri(f"sqlite:///{before / 'mlflow.db'}")
    try:
        model = mlflow.onnx.load_model("models:/nemo-before-3-5/1")
    finally:
        mlflow.set_tracking_uri(None)
    assert [each.name for each in model.graph.input] == ["images"]
