"""A study on a folder of images, as a user would write it: three classes, 48x48 pixels, a relative path."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests import pictures, tiny

pytestmark = [pytest.mark.ray, pytest.mark.slow]

STUDY = """\
name: shapes
pairs:
  - {backbone: resnet18, dataset: "folder:images", width: 0.0625}
methods: [standard, mwt]
recipe: {epochs: 12, batch_size: 16, lr: 0.02}
thresholds: [0.5]
subtasks:
  classes: [[cross, disc], [disc, square]]
  finetune: {epochs: 8, batch_size: 16, lr: 0.02}
"""


def test_a_study_on_a_folder_of_images(tmp_path: Path) -> None:
    pictures.write_folder(tmp_path / "images", train=40, test=15)
    (tmp_path / "shapes.yaml").write_text(STUDY)
    ended = subprocess.run(
        tiny.command("run", "shapes.yaml"),
        cwd=tmp_path,
        env=tiny.environment(),
        capture_output=True,
        text=True,
        timeout=420,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    report = tiny.report(tmp_path / "runs", "shapes")
    trained = {row["method"]: row for row in report["trainings"]}
    assert all(row["dataset"] == "images" for row in trained.values())
    assert trained["standard"]["accuracy"] >= 0.8  # 0.33 by chance
    assert sorted(row["classes"] for row in report["subtasks"]) == [[0, 1], [1, 2]]
    for row in report["subtasks"]:
        assert row["accuracy"] >= 0.7  # 0.5 by chance
        assert row["standard_accuracy"] >= 0.8
        assert 0 < row["krr"] <= 1
