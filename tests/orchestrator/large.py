"""A sweep of 50 trials and 500 sub-tasks with invented numbers that look like real ones, and real relevance files."""

from __future__ import annotations

import math
import random
from typing import Any

from nemo.modularizing import save_relevance
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.storage import Where
from orchestrator.study.study import Study
from tests.orchestrator import invented

WIDTHS = (8, 16, 16, 32, 32, 64, 64)

STUDY = """
name: large
pairs: [{backbone: rescnn, dataset: digits, width: 0.125}]
methods: {standard: {}, mwt: {}, nemo: {temperature: 0.2}}
recipe: {epochs: 40, batch_size: 32, validation: 0.1}
sweep:
  mwt: {grid: {lambda_coh: [0.3, 0.5, 0.7, 0.9, 1.1], lambda_coup: [1.0, 1.5, 2.0, 2.5, 3.0]}}
  nemo: {grid: {alpha: [0.8, 1.0, 1.2, 1.4, 1.6], temperature: [0.1, 0.2, 0.3, 0.4, 0.5]}}
thresholds: [0.5, 0.7, 0.9]
subtasks: {from: every, sizes: [2, 3, 4, 5, 6], samples: 2}
"""


def large_study(storage: Where, text: str = STUDY) -> tuple[Study, Ledger]:
    """The study, finished."""
    return invented.invented_study(storage, text, by=_finish)


def _finish(ledger: Ledger, step: Step) -> dict[str, Any]:
    draw = random.Random(step.key)
    if step.kind == "modularize":
        with ledger.writing(step.key, "relevance.safetensors") as path:
            save_relevance(invented.relevance(step.key, WIDTHS), path)
        return ledger.put(step, {"widths": WIDTHS, "samples": [100] * 10}, seconds=1.5)
    result = _RESULTS[step.kind](step, draw)
    seconds = {"train": 60.0, "measure": 0.5, "reuse": 4.0}[step.kind] * (0.8 + 0.4 * draw.random())
    return ledger.put(step, result, seconds=seconds, environment=ENVIRONMENT, device="cpu", workers=1)


def _pull(step: Step) -> float:
    """How strongly a training is drawn apart into modules, from 0."""
    settings = step.params.get("settings", {})
    return float(
        settings.get("lambda_coup", 0.0) + 0.3 * settings.get("lambda_coh", 0.0) + 2 * settings.get("alpha", 0.0)
    )


def _train(step: Step, draw: random.Random) -> dict[str, Any]:
    pull = _pull(step)
    top, rate = 0.985 - 0.006 * pull**1.5 + 0.006 * draw.random(), 5 + draw.random()
    history = [
        {
            "epoch": float(epoch),
            "time": 1_790_000_000_000.0 + 1000 * epoch,
            "seconds": 1.5,
            "train/loss": 2.3 * math.exp(-epoch / rate) + 0.2 * pull + 0.02 * draw.random(),
            "test/accuracy": top - 0.88 * math.exp(-epoch / rate) * (1 + 0.1 * draw.random()),
        }
        for epoch in range(step.params["recipe"]["epochs"])
    ]
    accuracy = history[-1]["test/accuracy"]
    sizes = {"flops": 6_931_072.0, "parameters": 251_386, "epochs": len(history)}
    return {"accuracy": accuracy, "validation_accuracy": accuracy - 0.01 * draw.random(), "history": history, **sizes}


def _measure(step: Step, draw: random.Random) -> dict[str, Any]:
    krr = 0.75 * math.exp(-draw.random()) * (1.5 - step.params["threshold"])
    coupling = {"cohesion": 0.9 + 0.08 * draw.random(), "coupling": 0.15 + 0.5 * krr, "class_krr": [krr] * 10}
    return {"threshold": step.params["threshold"], "krr": krr, **coupling}


def _reuse(step: Step, draw: random.Random) -> dict[str, Any]:
    classes = step.params["classes"]
    krr = min(1.0, 0.25 + 0.11 * len(classes) * (0.8 + 0.4 * draw.random()))
    accuracy = 1 - 0.004 * len(classes) * draw.random()
    return {
        "threshold": step.params["threshold"],
        "classes": classes,
        "accuracy": accuracy,
        "accuracy_before_finetuning": accuracy - 0.2 * draw.random(),
        "modular_accuracy": accuracy - 0.01,
        "standard_accuracy": 0.997 - 0.001 * len(classes),
        "krr": krr,
        "weight_retention": None,
        "flops": 6_931_072.0 * krr**1.3,
        "flops_reduction": 1 - krr**1.3,
        "parameters": 20_000,
    }


_RESULTS = {"train": _train, "measure": _measure, "reuse": _reuse}

ENVIRONMENT = {
    "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "changed": False},
    "python": "3.12.3",
    "packages": {"torch": "2.11.0", "ray": "2.55.0"},
    "hardware": {"cpu": "Some CPU", "cores": 8, "memory_gb": 31.2, "gpus": []},
}
