"""A study that is real and small, the command that runs it, and what it must have left behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Plan, plan
from orchestrator.storage import Stamp, Where, store_at
from orchestrator.storage.studies import tracking_uri
from orchestrator.study.data import describe
from orchestrator.study.file import load_study_file
from orchestrator.tracking.connection import store_of

STUDY: dict[str, Any] = {
    "name": "tiny",
    "pairs": [
        {
            "backbone": "rescnn",
            "dataset": "digits",
            "width": 0.0625,
            "dataset_options": {"train_images": 200, "test_images": 100},
        }
    ],
    "methods": {"standard": {}, "mwt": {"lambda_coh": 0.5}},
    "seeds": [0],
    "recipe": {"epochs": 4, "batch_size": 32, "lr": 0.03, "validation": 0.2},
    "sweep": {"mwt": {"grid": {"lambda_coup": [1.0, 2.0]}}},
    "thresholds": [0.5, 0.9],
    "subtasks": {"from": "best", "sizes": [2], "samples": 4, "finetune": {"epochs": 1, "batch_size": 32}},
    "resources": {"training": {"cpus": 1}, "subtask": {"cpus": 1}},
}


def write_study(folder: Path, **changes: Any) -> Path:
    """Writes the tiny study with some of its fields replaced, or left out where the change is None."""
    path = folder / "tiny.yaml"
    fields = {name: value for name, value in {**deepcopy(STUDY), **changes}.items() if value is not None}
    path.write_text(yaml.safe_dump(fields, sort_keys=False))
    return path


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "orchestrator.cli", *map(str, words)]


def environment() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}


def nemo(*words: object, timeout: float = 1200) -> subprocess.CompletedProcess[str]:
    """Runs the command line as a person would."""
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=timeout, env=environment())


def planned(study: Path, storage: Where) -> Plan:
    """The plan of a study against what its ledger holds now."""
    wanted = load_study_file(study, [])
    return plan(describe(wanted), Ledger(store_at(storage) / wanted.name, readonly=True))


def report(storage: Where, name: str = "tiny") -> dict[str, Any]:
    shown = nemo("report", name, "--storage", storage, "--format", "json")
    assert shown.returncode == 0, shown.stderr
    return dict(json.loads(shown.stdout))


def result_files(storage: Where, name: str = "tiny") -> dict[str, tuple[bytes, Stamp]]:
    """Path -> content and stamp of every result: neither may change once a step is finished."""
    store = store_at(storage) / name
    stamps = {f"ledger/{path}": stamp for path, stamp in store.list("ledger").items()}
    names = [path for path in stamps if path.endswith(".json") and path.count("/") == 2]
    return {store.where(path): (data, stamps[path]) for path, data in store.read_all(names).items()}


def mlflow_runs(storage: Where, experiment: str = "tiny", uri: str | None = None) -> list[Run]:
    client = MlflowClient(uri or tracking_uri(store_at(storage).local))
    found = client.get_experiment_by_name(experiment)
    return list(client.search_runs([found.experiment_id], max_results=5000)) if found else []


def assert_complete(study: Path, storage: Where) -> None:
    """Every planned step has its result, MLflow has each once, and no metric has a step twice."""
    done, wanted = planned(study, storage), load_study_file(study, [])
    ledger = Ledger(store_at(storage) / wanted.name, readonly=True)
    assert not any(done.up_to.values())
    assert done.pending(ledger) == []
    assert ledger.failures() == {}
    uri, *_ = store_of(wanted, storage)
    runs = mlflow_runs(storage, wanted.name, uri)
    keys = Counter(run.data.tags["nemo.key"] for run in runs)
    assert set(keys.values()) == {1}, keys
    expected = {step.key for step in done.steps if step.kind in ("train", "reuse")}
    assert {key for key in keys if not key.startswith("study:")} == expected
    client = MlflowClient(uri)
    for run in runs:
        assert run.info.status == "FINISHED", run.data.tags
        for metric in run.data.metrics:
            points = Counter(point.step for point in client.get_metric_history(run.info.run_id, metric))
            assert set(points.values()) == {1}, (run.data.tags, metric, points)
