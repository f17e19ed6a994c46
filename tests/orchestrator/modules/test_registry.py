"""A shipped module as an MLflow model: it answers where nothing may be unpickled, and is registered once."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow.artifacts
import onnx
import pytest
import torch
from mlflow.tracking import MlflowClient
from rich.console import Console

from nemo.export import disagreement, example_images
from nemo.module_file import load_module
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.record import read_record
from orchestrator.modules.registry import register_module
from orchestrator.modules.reuse import Wanted, reuse_and_save
from orchestrator.plan.step import Step
from orchestrator.storage import store_at
from orchestrator.storage.files import file_sha256
from orchestrator.storage.studies import tracking_uri
from tests.orchestrator.invented import RESULTS, STUDY, finish, invented_study, plan_of
from tests.orchestrator.jobs.shipping import caller

pytestmark = pytest.mark.heavy


def test_mlflow_serves_a_registered_module_without_pickle(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_runs: Path, tmp_path: Path
) -> None:
    call = caller(capsys, monkeypatch)
    shutil.copytree(tiny_runs, tmp_path / "runs")
    words = ("reuse", "tiny", "--storage", tmp_path / "runs", "--classes", "3,5", "--out", tmp_path / "pair")
    code, out, err = call(*words, "--register")
    assert code == 0, err
    assert "Registered as nemo-tiny-3-5 version 1: models:/nemo-tiny-3-5/1" in out
    assert "It is the champion, since there was none: models:/nemo-tiny-3-5@champion" in out
    client = MlflowClient(tracking_uri(tmp_path / "runs"))
    record = read_record(tmp_path / "pair")
    version = client.get_model_version("nemo-tiny-3-5", "1")
    assert version.tags["parent"] == record.origins[0].run
    assert {
        "classes": "3, 5",
        "threshold": "0.90",
        "krr": f"{record.figures['krr']:.4f}",
    }.items() <= version.tags.items()
    files = {path.name for path in (tmp_path / "runs" / "mlartifacts").rglob("*") if path.is_file()}
    assert {"MLmodel", "model.onnx"} <= files
    assert not [name for name in files if name.endswith((".pkl", ".pickle", ".pt", ".pth"))]

    images = example_images(32, 3)
    (tmp_path / "images.json").write_text(json.dumps({"inputs": {"images": images.tolist()}}))
    asked = ["models", "predict", "--model-uri", "models:/nemo-tiny-3-5@champion", "--env-manager", "local"]
    asked += [
        "--content-type",
        "json",
        "--input-path",
        tmp_path / "images.json",
        "--output-path",
        tmp_path / "out.json",
    ]
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": tracking_uri(tmp_path / "runs"),
        "MLFLOW_ALLOW_PICKLE_DESERIALIZATION": "false",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    command = [sys.executable, "-m", "mlflow", *map(str, asked)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 0, ended.stderr
    answer = json.loads((tmp_path / "out.json").read_text())["predictions"]
    with torch.no_grad():
        logits = load_module(tmp_path / "pair").network(images)
    assert disagreement(logits, torch.tensor(answer["logits"])) <= 1e-5

    code, out, err = call(*words, "--register", "--force")
    assert (code, "nemo-tiny-3-5 version 1 is this module already." in out) == (0, True), err
    runs = client.search_runs(["1"], "tags.stage = 'module'")
    assert len(runs) == 1 and runs[0].info.status == "FINISHED"
    assert runs[0].data.metrics["accuracy"] == record.figures["accuracy"]
    code, out, _ = call(*words, "--register", "--force", "--threshold", "0.5")
    assert (code, "version 2" in out) == (0, True)
    assert "The champion is still version 1: " in out
    (logged,) = client.search_logged_models(["1"], filter_string="tags.step = '" + record.origins[0].step + "'")
    assert (logged.model_type, str(logged.status), version.source) == ("module", "READY", logged.artifact_location)
    assert {metric.key: metric.value for metric in logged.metrics}["accuracy"] == record.figures["accuracy"]


ACCURACY = {"mwt": [0.90, 0.91, 0.92], "nemo": [0.95, 0.97, 0.96]}
CLASSES = [[0, 1], [2, 3]]


def test_the_champion_is_the_first_and_then_what_the_report_calls_better(tiny_runs: Path, tmp_path: Path) -> None:
    """Modules of an invented study of three seeds, in which those of nemo are better, and MWT's of no other setting."""
    text = STUDY.replace("subtasks: {from: best", "seeds: [0, 1, 2]\nsubtasks: {from: every")
    text = text.replace("subtasks: {from: every", "subtasks: {thresholds: [0.7, 0.9], from: every")
    text = text.replace("lambda_coup: [2.0, 3.0]", "lambda_coup: [2.0]").replace("samples: 2", f"classes: {CLASSES}")
    study, ledger = invented_study(tmp_path / "runs", text.replace("sizes: [2, 3], ", ""), by=finish_unequally)
    trainings = [step for step in plan_of(study, ledger).steps if step.kind == "train"]
    keys = {(step.params["method"], step.params["seed"]): step.key for step in trainings}
    out = tmp_path / "pair"
    reuse_and_save(store_at(tiny_runs) / "tiny", Wanted(["0", "1"], out), Console(file=io.StringIO()))
    record = read_record(out)

    def registered(method: str, seed: int, number: int, **changes: Any) -> str:
        """What is said of a module that was cut from one of the invented networks."""
        origin = replace(record.origins[0], study="invented", run=keys[method, seed], step=str(number), **changes)
        files = {**record.files, "module.onnx": f"{number:064d}"}
        return register_module(ledger.store, out, replace(record, origins=[origin], files=files))

    client = MlflowClient(tracking_uri(tmp_path / "runs"))

    def champion() -> str:
        return str(client.get_model_version_by_alias("nemo-invented-0-1", "champion").version)

    assert "It is the champion, since there was none" in registered("mwt", 0, 1)
    said = registered("mwt", 1, 2)
    assert "still version 1: sub-tasks cut like version 2 are +0.00, unresolved" in said and champion() == "1"
    said = registered("nemo", 0, 3, threshold=0.7)
    assert "still version 1: sub-tasks cut like version 3 are +0.00" in said and champion() == "1"
    assert "no sub-tasks of 2 classes" in registered("nemo", 0, 4, finetune={"epochs": 0}) and champion() == "1"
    said = registered("nemo", 2, 5)
    assert "It is the champion in place of version 1: sub-tasks cut like version 5 are +5.00 (" in said
    assert "better, in points of accuracy: models:/nemo-invented-0-1@champion" in said and champion() == "5"
    assert "-5.00 (" in (said := registered("mwt", 2, 6)) and "worse" in said and champion() == "5"


def finish_unequally(ledger: Ledger, step: Step) -> None:
    """Finishes a step; modules of nemo at 0.9 are better than all others."""
    if step.kind != "reuse":
        finish(ledger, step)
        return
    _, result = RESULTS["reuse"](step, random.Random(step.key))
    method = ledger.get(step.parents["train"])["params"]["method"]
    accuracy = ACCURACY[method if step.params["threshold"] == 0.9 else "mwt"][step.params["seed"]]
    accuracy += 0.001 * step.params["classes"][0]
    ledger.put(step, {**result, "accuracy": accuracy}, seconds=1.0, environment={})


def test_the_same_step_with_other_weights_leaves_the_earlier_version_as_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_runs: Path, tmp_path: Path
) -> None:
    call = caller(capsys, monkeypatch)
    shutil.copytree(tiny_runs, tmp_path / "runs")
    out = tmp_path / "pair"
    assert call("reuse", "tiny", "--storage", tmp_path / "runs", "--classes", "3,5", "--out", out)[0] == 0
    record, study = read_record(out), store_at(tmp_path / "runs") / "tiny"
    assert "models:/nemo-tiny-3-5/1" in register_module(study, out, record)
    client = MlflowClient(tracking_uri(tmp_path / "runs"))
    first = served(client, "1")

    network = onnx.load(out / "module.onnx")
    (weight,) = [each for each in network.graph.initializer if each.name.endswith("bias")][:1]
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) + 1, weight.name))
    onnx.save(network, out / "module.onnx")
    again = replace(record, files={**record.files, "module.onnx": file_sha256(out / "module.onnx")})
    assert "models:/nemo-tiny-3-5/2" in register_module(study, out, again)
    assert served(client, "1") == first != served(client, "2")


def served(client: MlflowClient, version: str) -> bytes:
    """The network that a version's address leads to."""
    source = client.get_model_version_download_uri("nemo-tiny-3-5", version)
    return Path(mlflow.artifacts.download_artifacts(source), "model.onnx").read_bytes()
