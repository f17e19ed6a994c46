"""What Ray's workers share around their computation: their device, their messages to Tune, and recording a result."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, cast

import ray
import torch

from nemo.datasets.dataset import Dataset
from orchestrator.computing import compute
from orchestrator.computing.compute import ModelArrays, NetworkArrays
from orchestrator.computing.data import DatasetArrays, as_dataset
from orchestrator.computing.deriving import derive_network
from orchestrator.execution.context import Context
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.ongoing import MeasureProgress
from orchestrator.plan.results import Result
from orchestrator.plan.step import Step
from orchestrator.system.environment import environment


def compute_and_put(steps: Sequence[Step], context: Context, dataset: ray.ObjectRef[DatasetArrays]) -> list[Result]:
    """Runs one modularize step, or measure steps of one training, in this process and puts their results."""
    started, ledger, device = time.monotonic(), context.ledger, own_device()
    if steps[0].kind == "modularize":
        results = [compute.modularize(steps[0], as_dataset(ray.get(dataset)), ledger, device)]
    else:
        tell = MeasureProgress(context.store, steps[0].parents["train"])
        results = compute.measure_modules(steps, ledger, device, tell)
    seconds = (time.monotonic() - started) / len(steps)  # what they share is none's alone
    return [put(ledger, step, result, seconds, device) for step, result in zip(steps, results, strict=True)]


def cut_and_put(step: Step, context: Context, dataset: Dataset, model: ModelArrays | NetworkArrays) -> Result:
    """Runs one reuse or derive step in this process and puts its result."""
    started, device, ledger = time.monotonic(), own_device(), context.ledger
    if step.kind == "derive":
        result = derive_network(step, dataset, model, ledger, device)
    else:
        result = compute.reuse(step, dataset, cast("ModelArrays", model), device)
    return put(ledger, step, result, time.monotonic() - started, device)


def own_device() -> torch.device:
    """The GPU that Ray gave to this process, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() and ray.get_gpu_ids() else "cpu")


def put(
    ledger: Ledger,
    step: Step,
    result: Mapping[str, Any],
    seconds: float,
    device: torch.device,
    workers: int = 1,
    **ran: Any,
) -> Result:
    """Records a result together with the device, threads, workers and environment that computed it.

    With the same device, threads and workers it is bit-identical on a CPU; a GPU's libraries may add in another
    order from run to run.

    Raises:
        Unwritable: The store cannot be written, or is full.
    """
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    where = {"device": name, "threads": torch.get_num_threads(), "workers": workers}
    return ledger.put(step, result, seconds=seconds, environment=environment(), **where, **ran)


def message(rows: list[dict[str, float]], damage: str = "") -> dict[str, Any]:
    """A report to Tune: all new rows, and the last one's metrics by name for a scheduler, which counts epochs from 1.

    Args:
        rows: The new entries of the history; none when the training has started.
        damage: Why the checkpoint that the training found could not be used.
    """
    last = {**rows[-1], "epoch": int(rows[-1]["epoch"]) + 1} if rows else {}
    return {"rows": rows, "damage": damage, **last}
