"""What a worker computes, without Ray: a tiny study from training to sub-task modules, with and without generators."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from nemo import reuse as reuse_module
from nemo.control import CONTROLS
from nemo.datasets.dataset import Split, select_classes
from nemo.training import Trainer, training_images
from orchestrator.computing import compute as compute_module
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.study.data import describe
from orchestrator.study.study import Study
from tests.orchestrator.in_process import compute, dataset_of
from tests.orchestrator.study_examples import study

pytestmark = pytest.mark.heavy

PAIR = {"backbone": "rescnn", "dataset": "digits", "width": 0.0625}


def results_of(wanted: Study, folder: Path) -> dict[str, dict[str, object]]:
    """Every step's result, computed here in the plan's order, by kind and method."""
    ledger = Ledger(folder / wanted.name)
    results: dict[str, dict[str, object]] = {}
    while pending := plan(describe(wanted), ledger).pending(ledger):
        step = pending[0]
        result = compute(step, ledger)
        ledger.put(step, result, seconds=1.0, environment={}, device="cpu", workers=1)
        results[f"{step.kind} {step.params.get('method', '')}".strip()] = result
    return results


@pytest.mark.parametrize("method", ["mwt", "moda"])
def test_a_study_from_training_to_modules(tmp_path: Path, method: str) -> None:
    wanted = study(
        pairs=[{**PAIR, "dataset_options": {"train_images": 120, "test_images": 60}}],
        methods=["standard", method],
        recipe={"epochs": 1, "batch_size": 32},
        subtasks={"classes": [[3, 5]], "finetune": {"epochs": 1, "batch_size": 32}},
    )
    results = results_of(wanted, tmp_path)
    assert set(results) == {"train standard", f"train {method}", "modularize", "measure", "reuse"}
    trained, reused = results[f"train {method}"], results["reuse"]
    assert trained["sample_krr"] == trained["history"][-1]["test/sample_krr"]  # type: ignore[index]
    assert 0 <= trained["sample_cohesion"] <= 1  # type: ignore[operator]
    assert "sample_cohesion" not in results["train standard"]
    assert 0 < results["measure"]["krr"] <= 1  # type: ignore[operator]
    assert reused["classes"] == [3, 5]
    told: list[tuple[int, int]] = []
    ledger = Ledger(tmp_path / wanted.name)
    (measure,) = (step for step in plan(describe(wanted), ledger).steps if step.kind == "measure")
    again = compute_module.measure_modules([measure], ledger, torch.device("cpu"), lambda *counts: told.append(counts))
    assert again == [results["measure"]] and told == [(number, 10) for number in range(1, 11)]
    assert {"accuracy", "accuracy_before_finetuning", "standard_accuracy", "flops_reduction"} <= reused.keys()
    if method == "moda":
        assert trained["flops"] == trained["standard_flops"]  # recording is no part of the network's work
        assert results["modularize"]["unmasked"] == 0


def test_controls_are_computed_and_nothing_of_validation_reaches_a_fine_tuning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = study(
        pairs=[{**PAIR, "dataset_options": {"train_images": 200, "test_images": 60}}],
        methods=["standard", "mwt"],
        recipe={"epochs": 1, "batch_size": 32, "validation": 0.3},
        subtasks={"classes": [[3, 5]], "controls": [*CONTROLS], "finetune": {"epochs": 1, "batch_size": 32}},
    )
    seen: list[tuple[str, Split]] = []

    class Watched(Trainer):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            seen.append((self.method.name, self.images))
            if self.validation is not None:
                seen.append(("validation", self.validation))

    for module in (compute_module, reuse_module):
        monkeypatch.setattr(module, "Trainer", Watched)
    ledger = Ledger(tmp_path / wanted.name)
    results_of(wanted, tmp_path)
    found = [document["result"] for _, document in ledger.results("reuse")]
    assert {result["control"] for result in found} == {None, *CONTROLS}
    assert len({result["krr"] for result in found}) == 1
    held_out = {image.numpy().tobytes() for name, split in seen if name == "validation" for image in split.images}
    tuned = [split for name, split in seen if name == "standard" and len(split.labels.unique()) == 2]
    assert len(tuned) == 1 + len(CONTROLS)
    assert held_out
    for split in tuned:
        assert not held_out & {image.numpy().tobytes() for image in split.images}


class Copies(TorchDispatchMode):
    """The largest number of images, as they are kept, that an operation in its block made a copy of."""

    largest = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        result = func(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and result.dtype == torch.uint8 and result.ndim == 4:
            shares = {each.untyped_storage().data_ptr() for each in args if isinstance(each, torch.Tensor)}
            if result.untyped_storage().data_ptr() not in shares:
                self.largest = max(self.largest, len(result))
        return result


@pytest.mark.parametrize("validation", [0.0, 0.3])
def test_a_sub_task_copies_the_images_of_its_own_classes_alone(tmp_path: Path, validation: float) -> None:
    wanted = study(
        pairs=[{**PAIR, "dataset_options": {"train_images": 200, "test_images": 60}}],
        methods=["mwt"],
        recipe={"epochs": 1, "batch_size": 32, "validation": validation},
        subtasks={"classes": [[3, 5]], "finetune": {"epochs": 1, "batch_size": 32}},
    )
    results_of(wanted, tmp_path)
    ledger = Ledger(tmp_path / wanted.name)
    (step,) = [step for step in plan(describe(wanted), ledger).steps if step.kind == "reuse"]
    dataset, model = dataset_of(step.where), compute_module.model_arrays(step.parents, ledger)
    kept, _ = training_images(dataset, validation, model["params"]["seed"])
    expected = select_classes(kept, [3, 5])
    tuned = select_classes(compute_module.fine_tuning_images(dataset, model["params"], [3, 5]).train, [3, 5])
    assert torch.equal(tuned.images, expected.images) and torch.equal(tuned.labels, expected.labels)
    with Copies() as copies:
        compute_module.reuse(step, dataset, model, torch.device("cpu"))
    assert copies.largest == len(expected) < len(kept) / 3


def test_a_transformer_with_some_roles_and_the_published_surgery(tmp_path: Path) -> None:
    sizes = {"hidden_size": 24, "intermediate_size": 48, "num_hidden_layers": 3, "num_attention_heads": 2}
    (tmp_path / "tiny.json").write_text(json.dumps({"model_type": "vit", "patch_size": 8, **sizes}))
    pair = {"backbone": f"vit:{tmp_path / 'tiny.json'}", "dataset": "digits", "roles": ["fc1", "output"]}
    wanted = study(
        pairs=[{**pair, "dataset_options": {"train_images": 120, "test_images": 60}}],
        methods=["nemo"],
        recipe={"epochs": 1, "batch_size": 32},
        subtasks={"classes": [[3, 5]], "surgery": "paper", "finetune": {"epochs": 1, "batch_size": 32}},
    )
    results = results_of(wanted, tmp_path / "runs")
    assert results["modularize"]["widths"] == [24, 48] * 2  # of every block but the first
    assert 0 < results["reuse"]["weight_retention"] < 1  # type: ignore[operator]
