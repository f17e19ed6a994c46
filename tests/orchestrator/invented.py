"""A finished study with invented numbers: a real plan and a real ledger, and nothing trained."""

import itertools
import os
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
import torch
import yaml
from safetensors.numpy import save_file

from nemo.modularizing import Relevance, save_relevance
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Plan, plan
from orchestrator.plan.step import Step
from orchestrator.report.frames import Frames
from orchestrator.report.tables import Table, tables_by_topic
from orchestrator.storage import Where, store_at
from orchestrator.study.data import describe
from orchestrator.study.study import Study

STUDY = """
name: invented
pairs: [{backbone: simcnn, dataset: digits, width: 0.125}]
methods: {standard: {}, mwt: {}, nemo: {alpha: 1.0}}
recipe: {epochs: 3, batch_size: 32, validation: 0.1}
sweep: {mwt: {grid: {lambda_coup: [2.0, 3.0]}}}
thresholds: [0.7, 0.9]
subtasks: {from: best, sizes: [2, 3], samples: 2}
"""

DERIVING = """
name: deriving
pairs: [{backbone: simcnn, dataset: digits, width: 0.125}]
methods: [standard]
seeds: [0, 1, 2]
recipe: {epochs: 3, batch_size: 32}
derive: {methods: [magnitude, random], budgets: [{flops: 0.5}, {parameters: 0.3}], sizes: [2], samples: 3}
"""


def report_tables(frames: Frames) -> list[Table]:
    """Every table of a study's results."""
    return [table for tables in tables_by_topic(frames).values() for table in tables]


def plan_of(study: Study, ledger: Ledger) -> Plan:
    return plan(describe(study), ledger)


def invented_study(
    storage: Where,
    text: str = STUDY,
    until: int | None = None,
    by: Callable[[Ledger, Step], Any] | None = None,
) -> tuple[Study, Ledger]:
    """Finishes the first `until` steps of a study, or all of them, the sub-tasks of the best point among them."""
    study = Study.model_validate(yaml.safe_load(text))
    ledger = Ledger(store_at(storage) / study.name)
    with unflushed():
        ledger.record_study(study.text)
        for _ in itertools.count() if until is None else range(until):
            pending = plan_of(study, ledger).pending(ledger)
            if not pending:
                break
            for step in pending if until is None else pending[:1]:
                (by or finish)(ledger, step)
    return study, ledger


@contextmanager
def unflushed() -> Iterator[None]:
    """Leaves files to the system's cache, as no study does: what is invented has no crash to outlive."""
    with mock.patch.object(os, "fsync", lambda handle: None):
        yield


def finish(ledger: Ledger, step: Step) -> dict[str, Any]:
    name, result = RESULTS[step.kind](step, random.Random(step.key))
    if step.kind == "modularize":
        with ledger.writing(step.key, name) as path:
            save_relevance(relevance(step.key, result["widths"]), path)
    elif name:
        with ledger.writing(step.key, name) as path:
            save_file({"weight": np.zeros(8, np.float32)}, path)
    seconds = SECONDS[step.kind]
    return ledger.put(step, result, seconds=seconds, environment={"git": {"commit": "abc"}}, device="cpu", workers=1)


def relevance(key: str, widths: Sequence[int]) -> Relevance:
    """Kernels that are relevant to some of 10 classes more than to others; of 100 images each."""
    generator = torch.Generator().manual_seed(int(key[:8], 16))
    counts = [(101 * torch.rand(10, width, generator=generator) ** 0.4).long().clamp(0, 100) for width in widths]
    packed = torch.zeros(1000, -(-sum(widths) // 8), dtype=torch.uint8)
    labels = torch.arange(10).repeat_interleave(100)
    return Relevance(counts, torch.full((10,), 100), [count.float() / 100 for count in counts], packed, labels)


def epochs(step: Step, draw: random.Random) -> list[dict[str, float]]:
    return [
        {
            "epoch": epoch,
            "time": 1_790_000_000_000 + 1000 * epoch,
            "seconds": 1.0,
            "train/loss": 1 / (1 + epoch),
            "test/accuracy": 0.9 + 0.02 * epoch + 0.01 * draw.random(),
        }
        for epoch in range(step.params["recipe"]["epochs"])
    ]


def _train(step: Step, draw: random.Random) -> tuple[str, dict[str, Any]]:
    history = epochs(step, draw)
    accuracy = history[-1]["test/accuracy"]
    sizes = {"flops": 1_000_000, "parameters": 50_000, "epochs": len(history)}
    return "network.safetensors", {
        "accuracy": accuracy,
        "validation_accuracy": accuracy - 0.01,
        "history": history,
        **sizes,
    }


def _modularize(step: Step, draw: random.Random) -> tuple[str, dict[str, Any]]:
    return "relevance.safetensors", {"widths": [8, 16], "samples": 1437}


def _measure(step: Step, draw: random.Random) -> tuple[str, dict[str, Any]]:
    threshold = step.params["threshold"]
    krr = 1.2 - threshold + 0.05 * draw.random()
    return "", {"threshold": threshold, "krr": krr, "cohesion": 0.9, "coupling": 0.3, "class_krr": [krr] * 10}


def _reuse(step: Step, draw: random.Random) -> tuple[str, dict[str, Any]]:
    accuracy = {"accuracy": 0.99, "accuracy_before_finetuning": 0.9 + 0.05 * draw.random()}
    accuracy |= {"standard_accuracy": 0.985, "modular_accuracy": 0.97}
    krr = 0.1 + 0.1 * len(step.params["classes"]) * draw.random()
    cost = {"krr": krr, "weight_retention": None, "flops": 1.25e6 * krr, "flops_reduction": 1 - 1.25 * krr}
    cost["parameters"] = 20_000
    return "", {"threshold": step.params["threshold"], "classes": step.params["classes"], **accuracy, **cost}


def _derive(step: Step, draw: random.Random) -> tuple[str, dict[str, Any]]:
    (share,) = step.params["budget"].values()
    accuracy = 0.5 + 0.4 * share + 0.05 * draw.random()
    rates = {"accuracy": accuracy, "accuracy_before_finetuning": accuracy - 0.1, "base_accuracy": 0.96}
    kept = {"kept_flops": share, "kept_parameters": 0.9 * share, "kept_units": 0.8 * share}
    cost = {"flops": 1e6 * share, "parameters": 50_000 * share, "deriving_seconds": 2.0}
    return "", {"classes": step.params["classes"], **rates, **kept, **cost}


SECONDS = {"train": 6.0, "modularize": 1.5, "measure": 0.5, "reuse": 2.0, "derive": 3.0}
RESULTS = {"train": _train, "modularize": _modularize, "measure": _measure, "reuse": _reuse, "derive": _derive}
