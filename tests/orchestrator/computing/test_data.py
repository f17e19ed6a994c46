"""Data sets are read before anything runs, and what is wrong with them is said with the study's line."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator.computing import data
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


def test_what_is_read_is_kept_for_the_workers_while_it_is_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two data sets of 400 images: both fit, one does, or none."""
    pairs = [{**STUDY["pairs"][0], "dataset_options": {"train_images": 400, "padding": padding}} for padding in (1, 2)]
    described = study_with_data(write_study(tmp_path, pairs=pairs, subtasks=None))
    steps = plan(described, {}).steps
    kept = load_once(described.study, steps)
    assert kept.keys() == {data.data_key(step) for step in steps} and len(kept) == 2
    (images, labels), *_ = [arrays["train"] for arrays in kept.values()]
    assert len(images) == len(labels) == 400
    size = sum(part.nbytes for split in ("train", "test") for part in next(iter(kept.values()))[split])
    for room, count in ((2 * size - 1, 1), (size - 1, 0)):
        monkeypatch.setattr(data, "KEPT", room)
        assert len(load_once(described.study, steps)) == count
