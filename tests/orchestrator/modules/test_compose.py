"""`nemo compose`: modules of two studies are one classifier, as good as one network of all its classes."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

import nemo
from nemo.export import disagreement, example_images
from nemo.module_file import load_module
from nemo.reuse import subtask_dataset
from orchestrator.modules.record import read_record
from tests.bare import run_with_only
from tests.orchestrator.jobs.shipping import Call, caller, finish_tiny_study, printed_logits
from tests.tiny import STUDY

pytestmark = pytest.mark.heavy

RECIPE = {"epochs": 8, "batch_size": 32, "lr": 0.03, "validation": 0.1}
FINETUNE = {"epochs": 5, "batch_size": 32, "lr": 0.02}
IMAGES = {"train_images": 800}
PAIR = {"backbone": "rescnn", "dataset": "digits", "width": 0.125, "dataset_options": IMAGES, "finetune": FINETUNE}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return caller(capsys, monkeypatch)


def study(folder: Path, name: str, method: str) -> None:
    """A study of one modular network."""
    parts = {"methods": {method: {}}, "recipe": RECIPE, "sweep": None, "thresholds": [0.9], "subtasks": None}
    finish_tiny_study(folder, folder / "runs", name=name, pairs=[PAIR], **parts)


@pytest.mark.slow
def test_modules_of_two_studies_are_as_good_as_a_network_of_all_their_classes(call: Call, tmp_path: Path) -> None:
    study(tmp_path, "first", "mwt")
    study(tmp_path, "second", "nemo")
    parts = {"first": [0, 2, 4], "second": [3, 5, 8]}
    for name, classes in parts.items():
        words = ["--storage", tmp_path / "runs", "--classes", ",".join(map(str, classes)), "--out", tmp_path / name]
        assert call("reuse", name, *words)[0] == 0
    code, out, err = call("compose", tmp_path / "first", tmp_path / "second", "--out", tmp_path / "both")
    assert (code, err) == (0, "")
    record = read_record(tmp_path / "both")
    assert list(record.classes) == ["0", "2", "4", "3", "5", "8"]
    assert [origin.study for origin in record.origins] == ["first", "second"]

    union = subtask_dataset(nemo.load_dataset("digits", **IMAGES), [0, 2, 4, 3, 5, 8])
    network = nemo.build_network("rescnn", "mwt", 6, width=0.125, seed=0)  # a plain ResCNN needs far more epochs
    trainer = nemo.Trainer(network, union, "mwt", {}, nemo.Recipe(**{**RECIPE, "validation": 0.0}), seed=0)
    while not trainer.done:
        trainer.run_epoch()
    whole = trainer.history[-1]["test/accuracy"]
    print(f"composed {record.figures['accuracy']:.4f}, one network {whole:.4f}")
    assert whole > 0.9
    assert record.figures["accuracy"] >= whole - 0.03

    saved = load_module(tmp_path / "both")
    with torch.no_grad():
        logits = saved.network(union.test.images / 255)
        assert float((logits.argmax(1) == union.test.labels).double().mean()) == record.figures["accuracy"]
        expected = saved.network(example_images(32))
    said = run_with_only(["torch"], tmp_path / "both" / "example.py")
    assert disagreement(expected[:, -2:], torch.tensor(printed_logits(said))) <= 1e-5
    assert "first, mwt rescnn" in out and "second, nemo rescnn" in out
    card = (tmp_path / "both" / "README.md").read_text()
    assert all(origin.run in card for origin in record.origins)


def test_what_cannot_be_composed_is_a_sentence(call: Call, tiny_runs: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_runs, tmp_path / "runs")
    quick = {"recipe": {**STUDY["recipe"], "epochs": 1}, "subtasks": None, "methods": {"mwt": {}}, "sweep": None}
    pair = {**STUDY["pairs"][0], "image_size": 48}
    finish_tiny_study(tmp_path, tmp_path / "runs", **quick, name="large", pairs=[pair], thresholds=[0.9])
    for name in ("tiny", "large"):
        words = ["--storage", tmp_path / "runs", "--classes", "1,2", "--out", tmp_path / name]
        assert call("reuse", name, *words)[0] == 0

    def refused(*words: object) -> str:
        code, out, err = call("compose", *words, "--out", tmp_path / "both")
        assert (code, out, len(err.splitlines())) == (2, "", 1)
        assert not (tmp_path / "both").exists()
        return err

    assert "takes images of 48x48" in refused(tmp_path / "tiny", tmp_path / "large")
    assert "holds no module" in refused(tmp_path / "tiny", tmp_path / "runs")
    assert "needs two modules or more" in refused(tmp_path / "tiny")
    assert call("compose", tmp_path / "tiny", tmp_path / "tiny", "--out", tmp_path / "twice")[0] == 0
    assert "is composed itself" in refused(tmp_path / "tiny", tmp_path / "twice")
    cut = ["--storage", tmp_path / "runs", "--classes", "1,2", "--out", tmp_path / "as it is", "--as-cut"]
    assert call("reuse", "tiny", *cut)[0] == 0
    assert call("compose", tmp_path / "as it is", tmp_path / "tiny", "--out", tmp_path / "half")[0] == 0
    assert read_record(tmp_path / "half").finetune == read_record(tmp_path / "tiny").finetune  # its head is trained
    shutil.copytree(tmp_path / "tiny", tmp_path / "cut")
    weights = tmp_path / "cut" / "module.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    assert "module.safetensors: cannot be read" in refused(tmp_path / "tiny", tmp_path / "cut")
