"""A ViT and a distilled DeiT from training to modules, on one and on two workers, across a kill."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger.ledger import Ledger
from tests import tiny
from tests.faults.driver import carry_on, kill_when

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow]
SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 2, "patch_size": 8}
IMAGES = {"dataset": "digits", "dataset_options": {"train_images": 200, "test_images": 100}}


def write_study(folder: Path, workers: int) -> Path:
    pairs: list[dict[str, Any]] = []
    for kind in ("vit", "deit"):
        (folder / f"{kind}.json").write_text(json.dumps({"model_type": kind, **SIZES}))
        pairs.append({"backbone": f"vit:{folder / kind}.json", "width": 1.0, **IMAGES})
    pairs[1]["teacher"] = {"backbone": "rescnn", "width": 0.0625}
    return tiny.write_study(
        folder,
        pairs=pairs,
        methods={"standard": {}, "nemo": {"alpha": 0.1}},
        recipe={"epochs": 6, "batch_size": 32, "lr": 0.03, "validation": 0.2},
        sweep=None,
        thresholds=[0.9],
        subtasks={"from": "every", "sizes": [2], "samples": 2, "finetune": {"epochs": 1, "batch_size": 32}},
        resources={"training": {"workers": workers, "cpus": 1}, "subtask": {"cpus": 1}},
    )


@pytest.mark.parametrize("workers", [1, 2])
def test_transformers_from_training_to_modules(tmp_path: Path, workers: int) -> None:
    storage = tmp_path / "runs"
    study = write_study(tmp_path, workers)
    steps = tiny.planned(study, storage).steps
    students = {step.key for step in steps if "teacher" in step.parents}
    assert len(students) == 2

    def a_student_trains() -> bool:
        return any(any((storage / "tiny" / "checkpoints" / key).glob("*")) for key in students)

    kill_when(study, storage, a_student_trains)
    ledger = Ledger(storage / "tiny", readonly=True)
    [teacher] = {step.parents["teacher"] for step in steps if step.key in students}
    assert ledger.get(teacher) is not None  # trained once, and before them
    carry_on(study, storage)

    results = {step.key: ledger.get(step.key) or {} for step in steps}
    assert len([step for step in steps if step.kind == "train"]) == 5
    for step in steps:
        result = results[step.key]["result"]
        if step.kind == "train":
            assert results[step.key]["workers"] == workers
            assert ("train/loss_kl" in result["history"][-1]) == (step.key in students)
        elif step.kind == "reuse":
            assert step.params["surgery"] == "exact"
            assert 0 < result["krr"] <= 1
            assert result["flops_reduction"] < 1
