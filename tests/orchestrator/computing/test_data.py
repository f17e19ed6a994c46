"""Data sets are read before anything runs, and what is wrong with them is said with the study's line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator.computing.data import load_once
from orchestrator.plan.planner import plan
from orchestrator.study.file import study_with_data
from tests.tiny import STUDY, write_study


def test_a_class_with_a_single_image_is_named_before_anything_runs(tmp_path: Path) -> None:
    """Of digits, whose labels are not known before they are loaded: a 3 is once among the first thirty."""
    pair = {**STUDY["pairs"][0], "dataset_options": {"train_images": 30, "test_images": 100}}
    described = study_with_data(write_study(tmp_path, pairs=[pair], subtasks=None))
    with pytest.raises(UserError) as refused:
        load_once(described.study, plan(described, {}).steps)
    assert str(refused.value) == (
        f"{tmp_path}/tiny.yaml:4: pairs[0].dataset: dataset digits: class '3' has a single training image, which "
        "cannot be both trained on and held out (validation: 0.2); add images, or leave out what has no more."
    )
