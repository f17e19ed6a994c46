"""A shipped module as an MLflow model: it answers where nothing may be unpickled, and is registered once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import mlflow.artifacts
import onnx
import pytest
import torch
from mlflow.tracking import MlflowClient

from nemo.export import disagreement, example_images
from nemo.module_file import load_module
from orchestrator.modules.record import read_record
from orchestrator.modules.registry import register_module
from orchestrator.storage import store_at
from orchestrator.storage.files import file_sha256
from orchestrator.storage.studies import tracking_uri
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
    asked = ["models", "predict", "--model-uri", "models:/nemo-tiny-3-5/1", "--env-manager", "local"]
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


def test_the_same_step_with_other_weights_leaves_the_earlier_version_as_it_was(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_runs: Path, tmp_path: Path
) -> None:
    call = caller(capsys, monkeypatch)
    shutil.copytree(tiny_runs, tmp_path / "runs")
    out = tmp_path / "pair"
    assert call("reuse", "tiny", "--storage", tmp_path / "runs", "--classes", "3,5", "--out", out)[0] == 0
    record, study = read_record(out), store_at(tmp_path / "runs") / "tiny"
    assert register_module(study, out, record).endswith("models:/nemo-tiny-3-5/1")
    client = MlflowClient(tracking_uri(tmp_path / "runs"))
    first = served(client, "1")

    network = onnx.load(out / "module.onnx")
    (weight,) = [each for each in network.graph.initializer if each.name.endswith("bias")][:1]
    weight.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weight) + 1, weight.name))
    onnx.save(network, out / "module.onnx")
    again = replace(record, files={**record.files, "module.onnx": file_sha256(out / "module.onnx")})
    assert register_module(study, out, again).endswith("models:/nemo-tiny-3-5/2")
    assert served(client, "1") == first != served(client, "2")


def served(client: MlflowClient, version: str) -> bytes:
    """The network that a version's address leads to."""
    source = client.get_model_version_download_uri("nemo-tiny-3-5", version)
    return Path(mlflow.artifacts.download_artifacts(source), "model.onnx").read_bytes()
