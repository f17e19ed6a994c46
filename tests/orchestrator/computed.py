"""A study that is really computed, in this process and without Ray."""

from __future__ import annotations

from typing import Any

import torch

from nemo.distributed import Workers
from orchestrator import steps as work
from orchestrator.ledger import Ledger
from orchestrator.step import Step
from orchestrator.stores import Where
from orchestrator.study import Study
from tests.orchestrator.invented import invented_study

CPU = torch.device("cpu")


def computed_study(storage: Where, text: str) -> tuple[Study, Ledger]:
    """The study, finished."""
    return invented_study(storage, text, by=_finish)


def _finish(ledger: Ledger, step: Step) -> dict[str, Any]:
    result = compute(step, ledger)
    return ledger.put(step, result, seconds=1.0, environment={}, device="cpu", workers=1)


def compute(step: Step, ledger: Ledger) -> dict[str, object]:
    dataset = work.as_dataset(work.dataset_arrays(step.where))
    if step.kind == "train":
        trainer = work.make_trainer(step, dataset, ledger, CPU, Workers())
        while not trainer.done:
            trainer.run_epoch()
        return work.finish_training(step, trainer, ledger)
    if step.kind == "modularize":
        return work.modularize(step, dataset, ledger, CPU)
    if step.kind == "measure":
        return work.measure_modules([step], ledger, CPU)[0]
    return work.reuse(step, dataset, work.model_arrays(step.parents, ledger), CPU)
