"""Splitting a trained network into modules: a search whose generations are its epochs and its candidates Ray tasks."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import ray
import ray.tune
import torch
from torch import Tensor

from nemo import baselines
from nemo.baselines import Candidate, class_logit, composed_logits, fitness_images
from nemo.datasets.dataset import Dataset, Split
from nemo.flops import count_flops, count_parameters
from nemo.methods import METHODS
from nemo.metrics import subtask_accuracy
from nemo.modular import ModularNetwork
from nemo.surgery import extract_module
from nemo.training import training_images
from orchestrator.cluster.capacity import MAX_RETRIES
from orchestrator.computing.compute import image_shape, relevance_of, standard_flops
from orchestrator.computing.data import DatasetArrays, as_dataset
from orchestrator.computing.networks import network_of, save_tensors, searched_state
from orchestrator.execution.checkpoint import Checkpoint
from orchestrator.execution.context import Context
from orchestrator.execution.worker import message, own_device, put
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.storage.layout import LOGITS, MODULES

SearchedNetwork = tuple[ModularNetwork, Dataset]
"""What every task of a search reads: the network, and the fitness images as a data set's training images."""

CHUNKS = 4
"""A generation is cut into so many tasks for each that runs at a time, so that a slow one holds up little."""


def search_modules(step: Step, context: Context, dataset: ray.ObjectRef[DatasetArrays]) -> None:
    """Runs a search to its end from its last finished generation, and puts its result.

    The task that calls this needs a placement group with a bundle for each task that may run at a time. It computes
    little itself: what it must know of the network, and the composed modules at the end.

    Raises:
        UserError: The settings or the network that it starts from can't be used.
    """
    search_started, ledger, device = time.monotonic(), context.ledger, own_device()
    torch.set_num_threads(max(1, int(context.resources.subtask.cpus)))
    params, data = step.params, as_dataset(ray.get(dataset))
    start = step.parents[str(METHODS[params["method"]].starts_from)]
    network = network_of(params, searched_state(ledger, start))
    assert isinstance(network, ModularNetwork)
    trained_on, held_out = training_images(data, params["recipe"]["validation"], params["seed"])
    images = fitness_images(trained_on, held_out, int(params["settings"]["images"]))
    importances = relevance_of(params, network.to(device), data, device).mean_masks
    search = baselines.module_search(importances, images.labels, params["settings"], params["seed"])
    checkpoint, rows = Checkpoint(context, step), []
    saved = checkpoint.load()
    if saved is not None:
        search.load_state_dict(saved["search"])
        rows = saved["rows"]
    ray.tune.report(message([], checkpoint.damage))
    shared = ray.put((network.cpu(), dataclasses.replace(data, train=images, test=images)))  # all that a task reads
    while not search.done:
        started, generation = time.monotonic(), None
        while generation is None:  # what a search must know before its first generation is part of it
            generation = search.tell(_logits(search.ask(), shared, context))
        rows.append(_epoch(generation, time.monotonic() - started, "train" if held_out is None else "validation"))
        checkpoint.save({"search": search.state_dict(), "rows": rows})
        ray.tune.report(message(rows[-1:]))
    result = _finish(step, network.to(device), search.modules(), data, held_out, ledger, device)
    seconds = max(time.monotonic() - search_started, sum(row["seconds"] for row in rows))
    put(ledger, step, {**result, "history": rows}, seconds, device, len(_bundles()))


def _bundles() -> list[dict[str, float]]:
    group = ray.util.get_current_placement_group()
    return [] if group is None else list(group.bundle_specs)


def _logits(candidates: Sequence[Candidate], shared: ray.ObjectRef[SearchedNetwork], context: Context) -> Tensor:
    """Every candidate's logit of its own class, `[candidates, n]`, computed by tasks."""
    resources = context.resources.subtask
    size = -(-len(candidates) // (CHUNKS * max(1, len(_bundles()))))
    task = _run_candidates.options(num_cpus=resources.cpus, num_gpus=resources.gpus, retry_exceptions=[OSError])
    chunks = [candidates[start : start + size] for start in range(0, len(candidates), size)]
    return torch.cat(ray.get([task.remote(chunk, shared, int(resources.cpus)) for chunk in chunks]))


@ray.remote(max_retries=MAX_RETRIES)
def _run_candidates(candidates: Sequence[Candidate], shared: SearchedNetwork, cpus: int) -> Tensor:
    torch.set_num_threads(max(1, cpus))
    device = own_device()
    network, data = shared[0].to(device), shared[1]
    return torch.stack([class_logit(network, each.label, each.masks, data.train, data, device) for each in candidates])


def _epoch(generation: dict[str, float], seconds: float, split: str) -> dict[str, float]:
    """A generation as an entry of a training's history."""
    return {
        "epoch": generation["generation"],
        "time": int(time.time() * 1000),
        "seconds": seconds,
        f"{split}/accuracy": generation["accuracy"],
        **{f"search/{name}": generation[name] for name in ("fitness", "krr", "coupling")},
    }


def _finish(
    step: Step,
    network: ModularNetwork,
    masks: list[Tensor],
    data: Dataset,
    held_out: Split | None,
    ledger: Ledger,
    device: torch.device,
) -> dict[str, Any]:
    """Writes the artifacts of a search and returns its result: figures of the classifier that its modules compose.

    Artifacts: `modules.safetensors`, per layer bool `[N, K_l]` by its number; `logits.safetensors` as of a training.
    """
    splits = {"test": data.test, "validation": held_out}
    logits = {
        name: composed_logits(network, masks, images, data, device)
        for name, images in splits.items()
        if images is not None
    }
    classes = range(step.params["num_classes"])
    accuracy = {
        name: subtask_accuracy(logits[name], images.labels, classes)
        for name, images in splits.items()
        if images is not None
    }
    save_tensors(ledger, step.key, LOGITS, logits)
    save_tensors(ledger, step.key, MODULES, {str(n): mask for n, mask in enumerate(masks)})
    modules = [extract_module(network, masks, [label], head="slice") for label in classes]
    shape = image_shape(step.params)
    return {
        "accuracy": accuracy["test"],
        "validation_accuracy": accuracy.get("validation"),
        "epochs": step.params["recipe"]["epochs"],
        "flops": sum(count_flops(module, shape) for module in modules),
        "flops_train_mode": sum(count_flops(module, shape, "train") for module in modules),
        "standard_flops": standard_flops(step.params),
        "parameters": sum(count_parameters(module) for module in modules),
    }
