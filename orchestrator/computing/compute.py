"""What a worker computes for each kind of step; knows networks and the ledger's artifacts, and nothing of Ray."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypedDict, cast

import numpy as np
import torch
from safetensors.numpy import load_file as load_numpy
from torch import nn

from nemo.attack import Attack
from nemo.datasets.dataset import Dataset, Split
from nemo.distributed import Workers
from nemo.evaluation import BATCH, forward, predict
from nemo.example import noise
from nemo.flops import count_flops, count_parameters
from nemo.graph.program import Program
from nemo.image_size import input_shape
from nemo.inheritance import inherited
from nemo.loader import Loader
from nemo.metrics import subtask_accuracy
from nemo.modular import ModularNetwork, unmasked_kernels
from nemo.modularizing import (
    Relevance,
    load_relevance,
    measure_all,
    measure_masks,
    module_masks,
    relevance,
    save_relevance,
)
from nemo.recipe import Finetune, Recipe
from nemo.reuse import Reuse, reuse_module, subtask_dataset
from nemo.surgery import extract_module
from nemo.training import Trainer, training_images, training_places
from orchestrator.computing.networks import (
    artifact_of,
    build,
    found_masks,
    modular_network,
    network_of,
    params_of,
    program_of,
    result_of,
    save_tensors,
    state_of,
    weights_of,
)
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.storage.layout import LOGITS, NETWORK, PROGRAM, RELEVANCE

_SAMPLE_LEVEL = ("sample_krr", "sample_cohesion", "sample_coupling", "dead_layers")
"""What a training's history tells of its masks."""

Array = np.ndarray[Any, Any]


class NetworkArrays(TypedDict):
    """A trained network, as numpy arrays like those of a data set.

    Attributes:
        params: The training's.
        state: The weights by name.
    """

    params: Mapping[str, Any]
    state: dict[str, Array]


class ModelArrays(NetworkArrays):
    """What all sub-tasks of one trained network share.

    Attributes:
        standard_flops: FLOPs of the standard network.
        masks: Per layer bool `[N, K_l]`: the modules that a search found; None for a training.
        frequencies, mean_masks: Per layer `[N, K_l]`, of the relevance pass.
        logits: Float32 `[n, N]` of the test images, of the network (`train`) and of the `standard` one.
        program: How a network from elsewhere is followed, see `program_of`.
        pruned: The standard network that controls are cut from; None where there is none.
    """

    standard_flops: float
    masks: list[Array] | None
    frequencies: list[Array]
    mean_masks: list[Array]
    logits: dict[str, Array]
    program: bytes | None
    pruned: NetworkArrays | None


def make_trainer(step: Step, dataset: Dataset, ledger: Ledger, device: torch.device, workers: Workers) -> Trainer:
    """A trainer at the beginning of a training; its teacher, if it has one, comes from the ledger."""
    params = step.params
    taught_by = step.parents.get("teacher")
    teacher = None if taught_by is None else network_of(params_of(ledger, taught_by), state_of(ledger, taught_by))
    with weights_of(step, ledger) as weights:
        network = build(params, weights=weights)
    if params["recipe"]["epochs"] == 0 and "rows" not in params.get("foreign", {}):
        network = _with_fitted_classifier(network, params, dataset, device)
    return Trainer(
        network,
        dataset,
        params["method"],
        params["settings"],
        Recipe(**params["recipe"], compile=step.where.get("resources", {}).get("compile")),
        seed=params["seed"],
        device=device,
        workers=workers,
        teacher=teacher,
    )


def _with_fitted_classifier(
    network: nn.Module, params: Mapping[str, Any], dataset: Dataset, device: torch.device
) -> nn.Module:
    """A network that nobody trains, with a classifier for the classes of its data set (method.md 9.1)."""
    from nemo.deriving.head import fitted

    images, _ = training_images(dataset, params["recipe"]["validation"], params["seed"])
    example = noise(params["image_size"]).to(device)
    return fitted(network.to(device), example, replace(dataset, train=images), device, as_built=True)


def finish_training(step: Step, trainer: Trainer, ledger: Ledger, last: Mapping[str, float]) -> dict[str, Any]:
    """Writes the artifacts of a trained network and returns the result; the first worker does it alone.

    Args:
        step: The training.
        trainer: At its end.
        ledger: Takes the artifacts.
        last: `trainer.figures`, which take all workers.

    Artifacts: `network.safetensors`, its state; `logits.safetensors`, float32 `[n, N]` of the test images under `test`
    and of the validation images under `validation`.
    """
    params = step.params
    shape = image_shape(params)
    splits = {"test": trainer.dataset.test, "validation": trainer.validation}
    precision = trainer.recipe.precision
    logits = {
        name: predict(trainer.network, split, trainer.dataset, device=trainer.device, precision=precision)
        for name, split in splits.items()
        if split is not None
    }
    save_tensors(ledger, step.key, LOGITS, logits)
    state = {name: tensor.detach().cpu() for name, tensor in trainer.network.state_dict().items()}
    save_tensors(ledger, step.key, NETWORK, state)
    return {
        "accuracy": last["test/accuracy"],
        "validation_accuracy": last.get("validation/accuracy"),
        "epochs": len(trainer.history),
        "flops": count_flops(trainer.network, shape),
        "flops_train_mode": count_flops(trainer.network, shape, "train"),
        "standard_flops": standard_flops(params),
        "parameters": count_parameters(trainer.network),
        **{name: last[f"test/{name}"] for name in _SAMPLE_LEVEL if f"test/{name}" in last},
        "history": trainer.history,
    }


def image_shape(train: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of one of a training's inputs: `(3, H, W)`, or `(T,)` of texts."""
    return input_shape(train["image_size"])


def standard_flops(train: Mapping[str, Any]) -> float:
    """FLOPs of the standard network of a training's backbone, per image."""
    return count_flops(build(train, "standard"), image_shape(train))


def relevance_of(
    train: Mapping[str, Any], network: ModularNetwork, dataset: Dataset, device: torch.device
) -> Relevance:
    """The relevance pass over the images that a network was trained on."""
    split, _ = training_images(dataset, train["recipe"]["validation"], train["seed"])
    batches = Loader(split, dataset=dataset, batch_size=BATCH, train=False, device=device).epoch()
    return relevance(network, ((batch.images, batch.labels) for batch in batches), train["num_classes"])


def modularize(step: Step, dataset: Dataset, ledger: Ledger, device: torch.device) -> dict[str, Any]:
    """Runs the relevance pass over the images that a network was trained on.

    Returns:
        `widths` per masked layer, `samples` per class, `unmasked` kernels. Artifacts: `relevance.safetensors`, and
        of a network from elsewhere `program.safetensors`, so that no sub-task follows it again.
    """
    parent = step.parents["train"]
    network = modular_network(ledger, parent).to(device)
    stats = relevance_of(params_of(ledger, parent), network, dataset, device)
    with ledger.writing(step.key, RELEVANCE) as path:
        save_relevance(stats, path)
    if network.example is not None:
        with ledger.writing(step.key, PROGRAM) as path:
            path.write_bytes(Program.of(network).to_bytes())
    return {"widths": stats.widths, "samples": stats.samples.tolist(), "unmasked": unmasked_kernels(network)}


def measure_modules(
    steps: Sequence[Step],
    ledger: Ledger,
    device: torch.device,
    tell: Callable[[int, int], None] = lambda done, of: None,
) -> list[dict[str, Any]]:
    """Module-level KRR, cohesion and coupling (method.md 5.3), at thresholds or of the modules that a search found.

    Args:
        steps: Measure steps of one training; several thresholds cost little more than the lowest alone.
        ledger: Where its artifacts are.
        device: Where to multiply.
        tell: Is told after each module how many of how many are cut: every class has one at every threshold.

    Returns:
        For each step, see `nemo.modularizing.measure`; besides, `flops_reduction`: the share of the standard network's
        FLOPs that the modules of single classes save, their mean.
    """
    parent, thresholds = steps[0].parents["train"], [step.params["threshold"] for step in steps]
    program = program_of(ledger, steps[0].parents["modularize"])
    train, network = params_of(ledger, parent), modular_network(ledger, parent, program)
    with artifact_of(ledger, steps[0].parents["modularize"], RELEVANCE) as path:
        stats = load_relevance(path)
    unmasked, masks = unmasked_kernels(network), found_masks(ledger, parent)
    if masks is None:
        modules = [module_masks(stats.frequencies, threshold) for threshold in thresholds]
        figures = measure_all(stats, thresholds, unmasked, device)
    else:
        modules = [masks] * len(steps)
        figures = [{"threshold": None, **measure_masks(stats, masks, unmasked, device)}] * len(steps)
    shape, standard = image_shape(train), result_of(ledger, parent)["standard_flops"]

    classes, done = train["num_classes"], itertools.count(1)

    def saved(masks: Sequence[torch.Tensor]) -> float:
        flops = []
        for label in range(classes):
            # Only its operations are counted: that such a network is cut exactly, the first one shows, and each that is
            # used is looked at again.
            flops.append(count_flops(extract_module(network, masks, [label], head="slice", check=label == 0), shape))
            tell(next(done), classes * len(steps))
        return 1 - sum(flops) / classes / standard

    return [{**each, "flops_reduction": saved(kept)} for each, kept in zip(figures, modules, strict=True)]


def model_arrays(parents: Mapping[str, str], ledger: Ledger) -> ModelArrays:
    """What all sub-tasks of one trained network share: weights, frequencies, mean masks, and logits of both networks.

    Args:
        parents: Of a reuse step: `train`, `modularize` and, where the study trains one, `standard`; `pruned` too, if it
            is a control that is cut from that.
        ledger: Where their artifacts are.
    """
    with artifact_of(ledger, parents["modularize"], RELEVANCE) as path:
        stats = load_relevance(path)
    masks = found_masks(ledger, parents["train"])
    logits = {}
    for role in (role for role in ("train", "standard") if role in parents):
        with artifact_of(ledger, parents[role], LOGITS) as path:
            logits[role] = load_numpy(path)["test"]
    return {
        **network_arrays(parents["train"], ledger),
        "standard_flops": result_of(ledger, parents["train"])["standard_flops"],
        "masks": None if masks is None else [each.numpy() for each in masks],
        "frequencies": [each.numpy() for each in stats.frequencies],
        "mean_masks": [each.numpy() for each in stats.mean_masks],
        "logits": logits,
        "program": program_of(ledger, parents["modularize"]),
        "pruned": network_arrays(parents["pruned"], ledger) if "pruned" in parents else None,
    }


def network_arrays(key: str, ledger: Ledger) -> NetworkArrays:
    """The network of a finished training."""
    state = {name: each.numpy() for name, each in state_of(ledger, key).items()}
    return {"params": params_of(ledger, key), "state": state}


def reuse(step: Step, dataset: Dataset, model: ModelArrays, device: torch.device) -> dict[str, Any]:
    """Cuts out and fine-tunes the module of one sub-task, and compares it with the networks it could replace.

    Returns:
        The figures of `nemo.reuse.Reuse` with `threshold` and `classes`; `standard_accuracy` (None without a standard
        network) and `modular_accuracy`: the whole networks' on the sub-task; `flops_reduction` against the whole
        standard network; and what `flipped` tells of attacks on the modular network.
    """
    return reused(step, dataset, model, device)[1]


def reused(step: Step, dataset: Dataset, model: ModelArrays, device: torch.device) -> tuple[Reuse, dict[str, Any]]:
    """The module of a sub-task, and the figures that `reuse` returns."""
    params, train = step.params, model["params"]
    built = reuse_module(
        whole_network(model),
        masks_at(model, params["threshold"]),
        fine_tuning_images(dataset, train, params["classes"]),
        params["classes"],
        finetune=Finetune(**params["finetune"]),
        seed=params["seed"],
        mask_values=params["mask_values"],
        head=params["head"],
        surgery=params.get("surgery", "exact"),
        recalibration=params.get("recalibration", 0),
        mean_masks=[torch.from_numpy(each) for each in model["mean_masks"]],
        control=params.get("control"),
        standard=None if model["pruned"] is None else network_in(model["pruned"]),
        device=device,
    )
    found = {attack: _inherited(built, dataset, model, params, attack, device) for attack in params.get("attacks", ())}
    whole = {
        role: subtask_accuracy(torch.from_numpy(logits), dataset.test.labels, params["classes"])
        for role, logits in model["logits"].items()
    }
    return built, {
        "threshold": params["threshold"],
        "classes": params["classes"],
        "control": params.get("control"),
        **built.figures,
        "standard_accuracy": whole.get("standard"),
        "modular_accuracy": whole["train"],
        "flops_reduction": 1 - built.figures["flops"] / model["standard_flops"],
        **flipped(found),
    }


def _inherited(
    built: Reuse, dataset: Dataset, model: ModelArrays, params: Mapping[str, Any], attack: Attack, device: torch.device
) -> dict[str, float]:
    """What a module, or a control, inherits of the modular network that modules are cut from."""
    network, classes = whole_network(model).to(device), params["classes"]

    def source(images: torch.Tensor) -> torch.Tensor:
        return forward(network, images, "float32")[0][:, classes]

    subtask = subtask_dataset(dataset, classes)
    return inherited(built.module, source, subtask, attack, seed=params["seed"], device=device)


def flipped(found: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """By attack, as `flipped_pgd` and `base_flipped_pgd`, what `nemo.inheritance.inherited` tells of it."""
    own = {f"flipped_{attack}": shares["module"] for attack, shares in found.items()}
    return {**own, **{f"base_flipped_{attack}": shares["source"] for attack, shares in found.items()}}


def fine_tuning_images(dataset: Dataset, train: Mapping[str, Any], classes: Sequence[int]) -> Dataset:
    """The data set without what a training held out for validation, to fine-tune a module of some classes with.

    Its training images are those of these classes alone, with their labels in the data set: the workers of a node share
    the data set's memory and run many sub-tasks, so the split is drawn among the labels, and no other image is copied.
    Where nothing was held out it is the data set itself.

    Args:
        dataset: Of all classes.
        train: Params of the training.
        classes: The sub-task's.
    """
    if not train["recipe"]["validation"]:
        return dataset
    labels = dataset.train.labels
    places = training_places(dataset, train["recipe"]["validation"], train["seed"])
    places = places[torch.isin(labels[places], torch.tensor(classes))]
    return replace(dataset, train=Split(dataset.train.images[places], labels[places]))


def whole_network(model: ModelArrays) -> ModularNetwork:
    """The network of `model_arrays`, in eval mode."""
    return cast("ModularNetwork", network_in(model, model["program"]))


def network_in(arrays: NetworkArrays, program: bytes | None = None) -> nn.Module:
    """The network of such arrays, in eval mode; see `network_of`."""
    return network_of(
        arrays["params"], {name: torch.from_numpy(each) for name, each in arrays["state"].items()}, program
    )


def masks_at(model: ModelArrays, threshold: float | None) -> list[torch.Tensor]:
    """Per layer bool `[N, K_l]`: the module masks of `model_arrays` at a threshold, or those that a search found."""
    if model["masks"] is None:
        assert threshold is not None
        return module_masks([torch.from_numpy(each) for each in model["frequencies"]], threshold)
    return [torch.from_numpy(each) for each in model["masks"]]
