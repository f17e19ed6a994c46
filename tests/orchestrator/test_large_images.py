"""A study of photographs that are streamed, of 48x64 pixels, augmented as for ImageNet: from its file to a module."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

import nemo
from nemo.export import example_images
from orchestrator.modules.compose import compose_and_save
from orchestrator.modules.reuse import Wanted, reuse_and_save
from orchestrator.study.study import Study
from tests import tiny
from tests.orchestrator.in_process import finish_study
from tests.orchestrator.study_examples import study
from tests.pictures import write_photographs

TIMES = ("time", "seconds")
TUNED = {"epochs": 1, "batch_size": 6, "augment": "trivial"}


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_photographs(tmp_path_factory.mktemp("data") / "photos", 8, 4)


def pair(photographs: Path, loading: str) -> dict[str, Any]:
    options = {"interpolation": "bicubic", "crop": 0.8}
    return {
        "backbone": "resnet18",
        "width": 0.0625,
        "dataset": f"folder:{photographs}",
        "image_size": [48, 64],
        "loading": loading,
        "dataset_options": options,
    }


def wanted(photographs: Path, loading: str) -> Study:
    return study(
        name=loading,
        pairs=[pair(photographs, loading)],
        methods=["standard", "mwt"],
        recipe={"epochs": 1, "batch_size": 8, "augment": "imagenet", "validation": 0.25, "lr": 0.01},
        subtasks={"classes": [["disc", "cross"], ["cross", "square"]], "finetune": TUNED, "controls": ["activation"]},
    )


def timeless(result: dict[str, Any]) -> dict[str, Any]:
    """A result without what differs from run to run."""
    history = [{name: value for name, value in row.items() if name not in TIMES} for row in result.get("history", [])]
    return {**result, "history": history}


@pytest.mark.slow
def test_from_a_stream_to_a_module(photographs: Path, tmp_path: Path) -> None:
    ledgers = [finish_study(wanted(photographs, each), tmp_path / "runs") for each in ("stream", "memory")]
    for kind in ("train", "modularize", "measure", "reuse"):
        ours, theirs = (dict(ledger.results(kind)) for ledger in ledgers)
        assert ours.keys() == theirs.keys() and ours
        for key in ours:  # to the bit
            assert ours[key]["artifacts"] == theirs[key]["artifacts"]
            assert timeless(ours[key]["result"]) == timeless(theirs[key]["result"])
    console, out = Console(file=io.StringIO()), tmp_path / "out"
    store = tmp_path / "runs" / "stream"
    for classes in (["disc", "cross"], ["cross", "square"]):
        record = reuse_and_save(store, Wanted(classes, out / classes[0]), console)
        assert record.image_size == (48, 64)
    module = nemo.load_module(out / "disc")
    images = example_images(module.image_size, 3)
    assert images.shape == (3, 3, 48, 64)
    program = torch.export.load(out / "disc" / "module.pt2").module()
    torch.testing.assert_close(program(images), module.network(images))
    assert "`[B, 3, 48, 64]`" in (out / "disc" / "README.md").read_text()
    for example in ("example.py", "example_onnx.py"):
        shown = subprocess.run([sys.executable, example], cwd=out / "disc", capture_output=True, text=True, check=False)
        assert shown.returncode == 0 and shown.stdout.count("\n") == 2, shown.stderr
    composed = compose_and_save([out / "disc", out / "cross"], out / "both", False, console)
    assert list(composed.image_size) == [48, 64] and list(composed.classes) == ["disc", "cross", "square"]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_on_a_real_cluster(photographs: Path, tmp_path: Path, workers: int) -> None:
    of = wanted(photographs, "stream").model_dump(include={"methods", "recipe", "subtasks"}, exclude_unset=True)
    resources = {"training": {"cpus": 1, "workers": workers}, "subtask": {"cpus": 1}}
    fields = {**of, "subtasks": {"classes": [["disc", "cross"]], "finetune": TUNED}, "sweep": None}
    path = tiny.write_study(tmp_path, pairs=[pair(photographs, "stream")], **fields, resources=resources)
    ended = tiny.nemo("run", path, "--storage", tmp_path / "runs")
    assert ended.returncode == 0, ended.stderr
    assert "its 36 images are streamed, as loading says." in ended.stdout + ended.stderr
    tiny.assert_complete(path, tmp_path / "runs")
    assert all(row["variant"] in ("", None) for row in tiny.report(tmp_path / "runs")["trainings"])
