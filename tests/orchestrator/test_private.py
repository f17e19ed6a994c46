"""A whole study among secrets, with classes named like paths: nothing is told, nothing is written elsewhere."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
from pathlib import Path

import pytest

from tests import pictures, tiny

pytestmark = pytest.mark.ray

CLASSES = ["../../../../escaped", "/etc/escaped|b", "[/red] café"]
NAMES = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "AWS_SECRET_ACCESS_KEY",
    "WANDB_API_KEY",
    "RAY_AUTH_TOKEN",
)


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def test_a_study_among_secrets(storage: Path, tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    data = pictures.write_parquet(tmp_path / "data", train=8, test=4)
    study = tiny.write_study(
        work,
        pairs=[{**tiny.STUDY["pairs"][0], "dataset": f"parquet:{data}", "dataset_options": {"classes": CLASSES}}],
        methods={"mwt": {}},
        sweep=None,
        recipe={"epochs": 1, "batch_size": 8},
        thresholds=[0.5],
        subtasks={"classes": [CLASSES[:2]], "finetune": {"epochs": 1, "batch_size": 8}},
    )
    hidden = {name: secrets.token_hex(32) for name in NAMES}  # Ray takes hexadecimal tokens only
    environment = tiny.environment() | hidden | {"HOME": str(home)}
    before = {path: path.read_bytes() for path in files(data)}

    told = []

    def said(*words: object) -> str:
        command = tiny.command(*words, "--storage", storage)
        ended = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=work)
        assert ended.returncode == 0, ended.stderr
        told.extend([ended.stdout, ended.stderr])
        return ended.stdout

    said("run", study)
    said("status", "tiny")
    said("report", "tiny", "--format", "md")
    assert len(json.loads(said("report", "tiny", "--format", "json"))["subtasks"]) == 1
    written = {str(path): path.read_bytes() for path in files(storage)}
    assert any(name.endswith("mlflow.db") for name in written)
    for name, value in hidden.items():
        assert not any(value in text for text in told), name
        assert [path for path, content in written.items() if value.encode() in content] == [], name

    assert {path: path.read_bytes() for path in files(data)} == before
    assert files(work) == [study]
    assert [path for path in files(home) if ".ray" in path.parts or "ray" in path.name] == []
    assert not [path for path in (*tmp_path.rglob("*"), *storage.rglob("*")) if "escaped" in path.name]
    assert not os.path.exists("/etc/escaped|b")
