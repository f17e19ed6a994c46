"""`nemo compose`: modules of two studies are one classifier, as good as one network of all its classes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

import nemo
from nemo import reuse as reuse_module
from nemo.datasets.dataset import Split
from nemo.errors import UserError
from nemo.export import disagreement, example_images
from nemo.module_file import load_module
from nemo.reuse import subtask_dataset
from nemo.training import Trainer, training_images
from orchestrator.modules.compose import check_parts
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


@pytest.fixture
def tuned_on(monkeypatch: pytest.MonkeyPatch) -> list[Split]:
    """The images of every fine-tuning that a test runs."""
    seen: list[Split] = []

    class Watched(Trainer):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            seen.append(self.images)

    monkeypatch.setattr(reuse_module, "Trainer", Watched)
    return seen


def pictures(split: Split) -> set[bytes]:
    return {image.numpy().tobytes() for image in split.images}


def forget_validation(folder: Path) -> None:
    """Makes the record of a module one of before it said what the training held out."""
    record = json.loads((folder / "module.json").read_text())
    for origin in record["origins"]:
        del origin["validation"]
    (folder / "module.json").write_text(json.dumps(record))


@pytest.mark.slow
def test_no_image_that_a_training_held_out_reaches_the_head(call: Call, tmp_path: Path, tuned_on: list[Split]) -> None:
    quick = {"recipe": {**STUDY["recipe"], "epochs": 1}, "subtasks": None, "methods": {"mwt": {}}, "sweep": None}
    parts, held_out = {"first": [1, 2], "second": [2, 3]}, {}
    digits = nemo.load_dataset("digits", **STUDY["pairs"][0]["dataset_options"])
    for seed, (name, classes) in enumerate(parts.items()):
        finish_tiny_study(tmp_path, tmp_path / "runs", **quick, name=name, seeds=[seed], thresholds=[0.9])
        words = ["--storage", tmp_path / "runs", "--classes", ",".join(map(str, classes)), "--out", tmp_path / name]
        assert call("reuse", name, *words)[0] == 0
        (origin,) = read_record(tmp_path / name).origins
        assert (origin.validation, origin.seed) == (0.2, seed)
        validation = training_images(digits, 0.2, seed)[1]
        assert validation is not None
        held_out[name] = pictures(validation)
    union = pictures(subtask_dataset(digits, [1, 2, 3]).train)
    assert union & held_out["first"] != union & held_out["second"]

    def composed_on(out: str) -> tuple[set[bytes], str]:
        tuned_on.clear()
        code, said, _ = call("compose", *(tmp_path / name for name in parts), "--out", tmp_path / out)
        assert code == 0
        (images,) = tuned_on
        return pictures(images), said

    images, said = composed_on("both")
    assert images == union - held_out["first"] - held_out["second"]
    assert "its record does not say" not in said
    assert [origin.validation for origin in read_record(tmp_path / "both").origins] == [0.2, 0.2]

    forget_validation(tmp_path / "first")
    images, said = composed_on("assumed")
    assert images == union - held_out["second"]
    assert f"{tmp_path / 'first'}: its record does not say which samples its training held out" in said
    assert said.count("its record does not say") == 1
    assert [origin.validation for origin in read_record(tmp_path / "assumed").origins] == [None, 0.2]


def test_a_class_of_which_everything_was_held_out_is_a_sentence(call: Call, tiny_runs: Path, tmp_path: Path) -> None:
    words = ["--storage", tiny_runs, "--classes", "1,2", "--out", tmp_path / "one"]
    assert call("reuse", "tiny", *words)[0] == 0
    for seed in range(8):  # no image of 200 is spared by eight trainings that held out nine of ten
        shutil.copytree(tmp_path / "one", tmp_path / str(seed))
        record = json.loads((tmp_path / str(seed) / "module.json").read_text())
        record["origins"][0] |= {"validation": 0.9, "seed": seed}
        (tmp_path / str(seed) / "module.json").write_text(json.dumps(record))
    code, _, err = call("compose", *(tmp_path / str(seed) for seed in range(8)), "--out", tmp_path / "all")
    assert (code, len(err.splitlines())) == (2, 1)
    assert "every training sample of 1, 2 was held out" in err


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

    assert "takes inputs of 48x48" in refused(tmp_path / "tiny", tmp_path / "large")
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


def test_images_of_a_class_are_not_counted_twice() -> None:
    def part(*classes: str, **options: Any) -> Any:
        where = {"dataset": "digits", "dataset_options": options, "image_size": 16, "fingerprint": "-".join(classes)}
        record = SimpleNamespace(classes=classes, image_size=16, data=[SimpleNamespace(where=where)])
        return SimpleNamespace(folder=Path("-".join(classes)), record=record)

    check_parts([part("7", "2", only=["7", "2"]), part("3", "5", only=["3", "5"])])
    check_parts([part("7", "2", only=["7", "2"]), part("2", "3", padding=2)])
    check_parts([part("7", "2"), part("2", "7")])
    with pytest.raises(UserError, match="2-3: has learned '2' from the same data as 7-2, which the option only takes"):
        check_parts([part("7", "2", only=["7", "2"]), part("2", "3", only=["2", "3"])])
