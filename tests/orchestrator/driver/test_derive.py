"""`nemo derive` as a person calls it: on a network and images of their own, killed on the way, refused."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console
from safetensors.torch import save_file

import nemo
from nemo.errors import UserError
from nemo.export import example_images
from nemo.zoo.build import build_foreign
from orchestrator.driver.derive import Wanted, derive_and_save
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.origin import trained_network
from orchestrator.plan.planner import plan
from orchestrator.storage import store_at
from orchestrator.study.file import study_of_options
from orchestrator.verbs.options import parse_budget, parse_rows
from tests import tiny
from tests.orchestrator.in_process import compute, finish_study
from tests.orchestrator.own_network import NAME, SOURCE
from tests.orchestrator.study_examples import study

CLASSES = ("bars", "dots", "rings")


def picture(kind: str, rng: np.random.Generator) -> Image.Image:
    """24 x 20 pixels of one kind, each in a place and a colour of its own."""
    rows, columns = np.mgrid[:24, :20]
    y, x = rng.integers(6, 18), rng.integers(5, 15)
    distance = np.hypot(rows - y, columns - x)
    shape = {"bars": abs(rows - y) < 2, "dots": distance < 4, "rings": abs(distance - 5) < 1.2}[kind]
    pixels = np.where(shape[..., None], rng.integers(150, 255, 3), rng.integers(0, 90, 3))
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A user's folder: photographs by class, a network that was trained on them, its weights."""
    folder = tmp_path_factory.mktemp("a user's")
    rng = np.random.default_rng(0)
    for part, count in (("train", 60), ("test", 20)):
        for kind in CLASSES:
            place = folder / "my photos" / part / kind
            place.mkdir(parents=True)
            for number in range(count):
                picture(kind, rng).save(place / f"{number}.png")
    (folder / "nets.py").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        torch.manual_seed(0)
        network = build_foreign(NAME, 3, 16)
        photos = nemo.load_dataset("folder:my photos", image_size=16)
        recipe = nemo.Recipe(epochs=15, batch_size=32, lr=0.05)
        trainer = nemo.Trainer(network, photos, "standard", {}, recipe, seed=0, evaluate=False)
        while not trainer.done:
            trainer.run_epoch()
        save_file(network.state_dict(), folder / "own.safetensors")
    return folder


GIVEN = ["--data", "folder:my photos", "--image-size", 16, "--weights", "own.safetensors"]
WORDS = ["derive", NAME, *GIVEN, "--classes", "rings,bars", "--classes-of", "rings=2,bars=0", "--budget", "flops=0.5"]


def killed_on_the_way(folder: Path, tmp_path: Path, words: list[Any]) -> dict[Path, bytes]:
    """Kills the command when its first network is derived; the results that there were."""
    begun = subprocess.Popen(
        tiny.command(*words, "--out", tmp_path / "small one"), cwd=folder, env=tiny.environment(), text=True
    )
    deadline = time.monotonic() + 300
    while not (first := list((tmp_path / "runs").glob("derive-*/ledger/derive/*.json"))):
        assert begun.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(begun.pid, signal.SIGKILL)
    begun.wait()
    assert not (tmp_path / "small one").exists()
    return {path: path.read_bytes() for path in first}


@pytest.mark.heavy
@pytest.mark.parametrize("killed", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_from_photographs_to_a_network_that_runs_without_us(folder: Path, tmp_path: Path, killed: bool) -> None:
    words = [*WORDS, "--epochs", 1, "--set", "derive.methods.0.masksearch.steps=60", "--storage", tmp_path / "runs"]
    before = killed_on_the_way(folder, tmp_path, words) if killed else {}
    done = run(folder, *words, "--out", tmp_path / "small one")
    assert done.returncode == 0, done.stderr
    assert {path: path.read_bytes() for path in before} == before
    assert "random, within the same budget" in done.stdout and "Untouched" in done.stdout

    out = tmp_path / "small one"
    record = json.loads((out / "module.json").read_text())
    assert record["classes"] == ["rings", "bars"]
    assert set(record["controls"]) == {"random", "magnitude"}
    assert record["figures"]["kept_flops"] == pytest.approx(0.5, rel=0.1)
    assert record["figures"]["flops"] == pytest.approx(
        record["figures"]["kept_flops"] * record["whole"]["base"]["flops"]
    )
    assert record["whole"]["base"]["accuracy"] > 0.9
    assert set(record["latency"]["milliseconds"]) == {"module", "base"}
    card = (out / "README.md").read_text()
    for told in (
        "derived of a trained one",
        "| Budget | flops=0.5 of the untouched network |",
        "units drawn at random",
    ):
        assert told in card
    module = nemo.load_module(out)
    images = example_images(16, 3)
    torch.testing.assert_close(torch.export.load(out / "module.pt2").module()(images), module.network(images))
    shown = subprocess.run([sys.executable, "example.py"], cwd=out, capture_output=True, text=True, timeout=120)
    assert shown.returncode == 0, shown.stderr

    again = run(folder, *words, "--out", out)
    assert again.returncode == 2 and "holds a module already, replace it with --force" in again.stderr
    study = record["origins"][0]["study"]
    listed = run(folder, "report", study, "--storage", tmp_path / "runs")
    assert listed.returncode == 0 and "Derived networks" in listed.stdout


@pytest.mark.heavy
@pytest.mark.slow
def test_several_workers_look_at_an_untouched_network_together(folder: Path, tmp_path: Path) -> None:
    words = [*WORDS[:-1], "parameters=0.6", "--method", "activation", "--epochs", 0, "--storage", tmp_path / "runs"]
    done = run(folder, *words, "--set", "resources.training.workers=2", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "module.json").read_text())["whole"]["base"]["accuracy"] > 0.9


def run(folder: Path, *words: Any) -> subprocess.CompletedProcess[str]:
    command, where = tiny.command(*words), tiny.environment()
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600, env=where)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pretrained": None}, "--weights: is missing, give the file of the trained network's weights"),
        ({"pretrained": "nix.pt"}, "--weights: there is no file nix.pt"),
        ({"pretrained": True}, "--pretrained: nobody publishes weights of python:nets.py:make"),
        ({"data": None}, "--data: is missing, give images of the classes, such as folder:photos, or text:FOLDER."),
        ({"data": "folder:nix"}, "--data: dataset folder:nix: there is no folder nix"),
        ({"network": "foo:nets"}, "NETWORK: 'foo:nets' is unknown, write torchvision:NAME"),
        ({"network": "torchvision:resnet7"}, "NETWORK: torchvision has no 'resnet7', choose one such as"),
        ({"network": "python:nix.py:make"}, "NETWORK: there is no file nix.py"),
        ({"network": "nix"}, "no study 'nix' under"),
        ({"classes": ["rings"]}, "--classes: 'rings' should be two classes or more"),
        ({"classes": ["rings", "cat"]}, "--classes: 'cat' is unknown, my photos has the classes bars, dots, rings"),
        ({"classes_of": {"rings": 2}}, "--classes-of: 'bars' is not in both, give a row for each class of --classes."),
        ({"classes_of": {"rings": 2, "bars": 7}}, "classes_of: the weights know classes 0 to 2"),
        ({"method": "masksaerch"}, "--method: 'masksaerch' is no method here; did you mean 'masksearch'?"),
        ({"compensate": "svd"}, "--compensate: should be 'none' or 'refit', not 'svd'."),
        ({"epochs": -1}, "--epochs: must not be negative, not -1."),
        ({"run": "12ab"}, "--run: is for networks of a study, and python:nets.py:make is none, leave it out."),
        (
            {"overrides": ["derive.budgets=[{flops: 0.5}, {flops: 0.3}]"]},
            "--set derive.budgets: asks for 2, this",
        ),
        ({"overrides": ["seeds=[0, 1]"]}, "--set seeds: asks for 2, this derives one network, write a study for more."),
        ({"overrides": ["derive.keep=false"]}, "--set derive.keep: is what this is for, leave it out."),
        ({"classes_of": {"2": 2, "bars": 7}}, "classes_of: the weights know classes 0 to 2"),
        ({"overrides": ["derive.budget=1"]}, "--set derive.budget=1: derive.budget: 'budget' is no field here"),
        ({"overrides": ["derive.methods.0.masksearch.stepps=1"]}, "'stepps' is no field here; did you mean 'steps'?"),
    ],
)
def test_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], told: str
) -> None:
    monkeypatch.chdir(folder)
    given: dict[str, Any] = {
        "network": NAME,
        "classes": ["rings", "bars"],
        "budget": {"flops": 0.5},
        "out": tmp_path / "out",
        "data": "folder:my photos",
        "image_size": 16,
        "pretrained": "own.safetensors",
        "storage": str(tmp_path / "runs"),
    }
    with pytest.raises(UserError) as refusal:
        derive_and_save(Wanted(**{**given, **changes}), Console(file=io.StringIO()))
    assert told in str(refusal.value) and len(str(refusal.value).splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_studys_network_is_not_trained_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    pair = {"backbone": NAME, "dataset": "folder:my photos", "image_size": 16}
    trained_two = study(
        pairs=[pair, {**pair, "recipe": {"batch_size": 16}}],
        methods={"standard": {"recipe": {"weight_decay": 0.001}}},
        seeds=[1],
        recipe={"epochs": 1, "batch_size": 32, "validation": 0.1},
    )
    source = finish_study(trained_two, tmp_path / "runs")
    accuracy = {key: document["result"]["validation_accuracy"] for key, document in source.results("train")}
    best = trained_network(store_at(tmp_path / "runs") / "small", None, ["rings", 0]).step.key
    assert accuracy[best] == max(accuracy.values()) and len(accuracy) == 2
    with pytest.raises(UserError, match=r"--run: which of the study's standard networks is meant\? Give one of"):
        trained_network(store_at(tmp_path / "runs") / "small", "0nix", ["rings", 0])
    for key, document in source.results("train"):
        trained = trained_network(store_at(tmp_path / "runs") / "small", key[:8], ["rings", 0])
        fields = {"name": f"of-{key[:6]}", **trained.fields}
        fields["derive"] = {
            "classes": [trained.classes],
            "methods": [{"activation": {}}],
            "budgets": [{"parameters": 0.6}],
            "finetune": {"epochs": 0},
        }
        described = study_of_options(fields, {}, [])
        ledger = Ledger(tmp_path / "runs" / str(fields["name"]))
        trained.adopt_into(ledger, described)
        (step,) = plan(described, ledger).pending(ledger)
        assert step.kind == "derive" and step.params["classes"] == [2, 0] and step.parents == {"train": key}
        result = compute(step, ledger)
        assert result["kept_parameters"] == pytest.approx(0.6, rel=0.1)
        assert result["accuracy"] == result["accuracy_before_finetuning"]
        assert document["result"] == (ledger.get(key, "train") or {})["result"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("0.5", "--budget: '0.5' should be what to keep, such as flops=0.3."),
        ("flops=1.5", "--budget: flops should be the share to keep, above 0 and at most 1, not 1.5."),
        ("time=0.5", "--budget: {'time': 0.5} should be one of flops, parameters and milliseconds"),
        ("milliseconds=0", "--budget: milliseconds should be a number above 0, not 0.0."),
        ("flops=", "--budget: 'flops=' should be what to keep"),
    ],
)
def test_budgets_that_are_none(text: str, told: str) -> None:
    with pytest.raises(UserError) as refusal:
        parse_budget(text)
    assert str(refusal.value).startswith(told)


def test_rows() -> None:
    assert parse_rows(None) == {}
    assert parse_rows("cat=281, a=b=207") == {"cat": 281, "a=b": 207}
    for text in ("cat", "cat=", "=3", "cat=x", "cat=1,cat=2"):
        with pytest.raises(UserError, match=r"--classes-of: .* should be a class and its row, once each"):
            parse_rows(text)
