"""Studies whose steps are computed in this process, one after the other and without Ray."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch

from nemo.datasets.dataset import Dataset
from nemo.distributed import Workers
from orchestrator.computing.compute import (
    finish_training,
    make_trainer,
    measure_modules,
    model_arrays,
    modularize,
    network_arrays,
    reuse,
)
from orchestrator.computing.data import as_dataset, dataset_arrays
from orchestrator.computing.deriving import derive_network
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.plan.step import Step
from orchestrator.storage import Where, store_at
from orchestrator.study.data import describe
from orchestrator.study.study import Study

CPU = torch.device("cpu")


def compute(step: Step, ledger: Ledger) -> dict[str, Any]:
    """What a worker computes for a step."""
    dataset = dataset_of(step.where)
    if step.kind == "train":
        trainer = make_trainer(step, dataset, ledger, CPU, Workers())
        while not trainer.done:
            trainer.run_epoch()
        return finish_training(step, trainer, ledger, trainer.figures)
    if step.kind == "modularize":
        return modularize(step, dataset, ledger, CPU)
    if step.kind == "measure":
        return measure_modules([step], ledger, CPU)[0]
    if step.kind == "derive":
        return derive_network(step, dataset, network_arrays(step.parents["train"], ledger), ledger, CPU)
    return reuse(step, dataset, model_arrays(step.parents, ledger), CPU)


def dataset_of(where: Mapping[str, Any]) -> Dataset:
    """The data set of a step's `where`, loaded once for all steps, as a run does."""
    return _loaded(json.dumps({name: value for name, value in where.items() if name != "resources"}, sort_keys=True))


@cache
def _loaded(where: str) -> Dataset:
    return as_dataset(dataset_arrays(json.loads(where)))


def finish_study(study: Study, storage: Where, until: int | None = None) -> Ledger:
    """Computes the first `until` steps of a study in the plan's order, or all of them."""
    ledger = Ledger(store_at(storage) / study.name)
    ledger.record_study(study.text)
    done = 0
    while until is None or done < until:
        pending = plan(describe(study), ledger).pending(ledger)
        if not pending:
            break
        step = pending[0]
        ledger.put(step, compute(step, ledger), seconds=1.0, environment={}, device="cpu", workers=1)
        done += 1
    return ledger
