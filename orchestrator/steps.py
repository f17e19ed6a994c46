"""What a worker computes for each kind of step; knows networks and the ledger's artifacts, and nothing of Ray."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.numpy import load_file as load_numpy
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from nemo.backbones.vit_config import ROLES, with_config
from nemo.datasets import load_dataset
from nemo.datasets.dataset import Dataset, Split, split_validation
from nemo.distributed import Workers
from nemo.errors import UserError
from nemo.evaluation import BATCH, predict
from nemo.flops import count_flops, count_parameters
from nemo.loader import Loader
from nemo.metrics import subtask_accuracy
from nemo.modular import ModularNetwork, unmasked_kernels
from nemo.modularizing import load_relevance, measure, module_masks, relevance, save_relevance
from nemo.recipe import Finetune, Recipe
from nemo.reuse import reuse_module
from nemo.surgery import extract_module
from nemo.training import Trainer, build_network
from orchestrator.files import atomic_path
from orchestrator.ledger import Ledger
from orchestrator.step import Step

Arrays = dict[str, Any]
"""A data set or a model as numpy arrays: what Ray's object store hands to the workers of a node without a copy."""

warnings.filterwarnings("ignore", "The given NumPy array is not writable")  # true, and nothing here writes into them


def dataset_arrays(where: Mapping[str, Any]) -> Arrays:
    """Loads the data set that a step's `where` names.

    Raises:
        UserError: Its files are missing or damaged.
    """
    dataset = load_dataset(
        where["dataset"], root=where["data_root"], image_size=where["image_size"], **where["dataset_options"]
    )
    splits = {"train": dataset.train, "test": dataset.test}
    return {**vars(dataset), **{name: (part.images.numpy(), part.labels.numpy()) for name, part in splits.items()}}


def as_dataset(arrays: Arrays) -> Dataset:
    """The data set of `dataset_arrays`, on the same memory."""
    splits = {name: Split(*map(torch.from_numpy, arrays[name])) for name in ("train", "test")}
    return Dataset(**{**arrays, **splits})


def make_trainer(step: Step, dataset: Dataset, ledger: Ledger, device: torch.device, workers: Workers) -> Trainer:
    """A trainer at the beginning of a training; its teacher, if it has one, comes from the ledger."""
    params = step.params
    teacher = _trained(ledger, step.parents["teacher"]) if "teacher" in step.parents else None
    return Trainer(
        _network(params),
        dataset,
        params["method"],
        params["settings"],
        Recipe(**params["recipe"]),
        seed=params["seed"],
        device=device,
        workers=workers,
        teacher=teacher,
    )


def finish_training(step: Step, trainer: Trainer, ledger: Ledger) -> dict[str, Any]:
    """Writes the artifacts of a trained network and returns the result.

    Artifacts: `network.safetensors`, its state; `logits.safetensors`, float32 `[n, N]` of the test images under `test`
    and of the validation images under `validation`.
    """
    params, last = step.params, trainer.history[-1]
    shape = (3, params["image_size"], params["image_size"])
    splits = {"test": trainer.dataset.test, "validation": trainer.validation}
    precision = trainer.recipe.precision
    logits = {
        name: predict(trainer.network, split, trainer.dataset, device=trainer.device, precision=precision)
        for name, split in splits.items()
        if split is not None
    }
    _save(ledger.artifact(step.key, "logits.safetensors"), logits)
    state = {name: tensor.detach().cpu() for name, tensor in trainer.network.state_dict().items()}
    _save(ledger.artifact(step.key, "network.safetensors"), state)
    return {
        "accuracy": last["test/accuracy"],
        "validation_accuracy": last.get("validation/accuracy"),
        "epochs": len(trainer.history),
        "flops": count_flops(trainer.network, shape),
        "flops_train_mode": count_flops(trainer.network, shape, "train"),
        "standard_flops": count_flops(_network(params, "standard"), shape),
        "parameters": count_parameters(trainer.network),
        **{name: last[f"test/{name}"] for name in _SAMPLE_LEVEL if f"test/{name}" in last},
        "history": trainer.history,
    }


_SAMPLE_LEVEL = ("sample_krr", "sample_cohesion", "sample_coupling", "dead_layers")


def modularize(step: Step, dataset: Dataset, ledger: Ledger, device: torch.device) -> dict[str, Any]:
    """Runs the relevance pass over the images that a network was trained on.

    Returns:
        `widths` per masked layer, `samples` per class, `unmasked` kernels. Artifact: `relevance.safetensors`.
    """
    parent = step.parents["train"]
    train = _params(ledger, parent)
    network = cast("ModularNetwork", _trained(ledger, parent)).to(device)
    share = train["recipe"]["validation"]
    split = split_validation(dataset.train, share, train["seed"])[0] if share > 0 else dataset.train
    batches = Loader(split, dataset=dataset, batch_size=BATCH, train=False, device=device).epoch()
    found = relevance(network, ((batch.images, batch.labels) for batch in batches), train["num_classes"])
    with atomic_path(ledger.artifact(step.key, "relevance.safetensors")) as path:
        save_relevance(found, path)
    return {"widths": found.widths, "samples": found.samples.tolist(), "unmasked": unmasked_kernels(network)}


def measure_modules(step: Step, ledger: Ledger, device: torch.device) -> dict[str, Any]:
    """Module-level KRR, cohesion and coupling at one threshold (method.md 5.3).

    Returns:
        See `nemo.modularizing.measure`; besides, `flops_reduction`: the share of the standard network's FLOPs that the
        modules of single classes save, their mean.
    """
    train, parent = _params(ledger, step.parents["train"]), step.parents["modularize"]
    network = cast("ModularNetwork", _trained(ledger, step.parents["train"]))
    found = load_relevance(ledger.artifact(parent, "relevance.safetensors"))
    masks = module_masks(found.frequencies, step.params["threshold"])
    shape = (3, train["image_size"], train["image_size"])
    modules = (extract_module(network, masks, [label], head="slice") for label in range(train["num_classes"]))
    flops = [count_flops(module, shape) for module in modules]
    standard = _result(ledger, step.parents["train"])["standard_flops"]
    return {
        **measure(found, step.params["threshold"], unmasked=unmasked_kernels(network), device=device),
        "flops_reduction": 1 - sum(flops) / len(flops) / standard,
    }


def model_arrays(parents: Mapping[str, str], ledger: Ledger) -> Arrays:
    """What all sub-tasks of one trained network share: its weights, frequencies, mean masks and everybody's logits.

    Args:
        parents: Those of a reuse step: `train`, `modularize` and, where the study trains one, `standard`.
        ledger: Where their artifacts are.
    """
    found = load_relevance(ledger.artifact(parents["modularize"], "relevance.safetensors"))
    logits = {
        role: load_numpy(ledger.artifact(parents[role], "logits.safetensors"))["test"]
        for role in ("train", "standard")
        if role in parents
    }
    return {
        "params": _params(ledger, parents["train"]),
        "standard_flops": _result(ledger, parents["train"])["standard_flops"],
        "state": load_numpy(ledger.artifact(parents["train"], "network.safetensors")),
        "frequencies": [each.numpy() for each in found.frequencies],
        "mean_masks": [each.numpy() for each in found.mean_masks],
        "logits": logits,
    }


def reuse(step: Step, dataset: Dataset, model: Arrays, device: torch.device) -> dict[str, Any]:
    """Cuts out and fine-tunes the module of one sub-task, and compares it with the networks it could replace.

    Returns:
        The figures of `nemo.reuse.Reuse` with `threshold` and `classes`; `standard_accuracy` (None without a standard
        network) and `modular_accuracy`: the whole networks' on the sub-task; `flops_reduction` against the whole
        standard network.
    """
    params = step.params
    state = {name: torch.from_numpy(each) for name, each in model["state"].items()}
    network = cast("ModularNetwork", _with_state(model["params"], state))
    masks = module_masks([torch.from_numpy(each) for each in model["frequencies"]], params["threshold"])
    figures = reuse_module(
        network,
        masks,
        dataset,
        params["classes"],
        finetune=Finetune(**params["finetune"]),
        seed=params["seed"],
        mask_values=params["mask_values"],
        head=params["head"],
        surgery=params.get("surgery", "exact"),
        mean_masks=[torch.from_numpy(each) for each in model["mean_masks"]],
        device=device,
    ).figures
    whole = {
        role: subtask_accuracy(torch.from_numpy(logits), dataset.test.labels, params["classes"])
        for role, logits in model["logits"].items()
    }
    return {
        "threshold": params["threshold"],
        "classes": params["classes"],
        **figures,
        "standard_accuracy": whole.get("standard"),
        "modular_accuracy": whole["train"],
        "flops_reduction": 1 - figures["flops"] / model["standard_flops"],
    }


def _params(ledger: Ledger, key: str) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", _document(ledger, key)["params"])


def _result(ledger: Ledger, key: str) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", _document(ledger, key)["result"])


def _document(ledger: Ledger, key: str) -> Mapping[str, Any]:
    document = ledger.get(key)
    if document is None:
        raise UserError(f"ledger: the result {key} that a step builds on is damaged or missing, run the study again.")
    return document


def _trained(ledger: Ledger, key: str) -> nn.Module:
    """The network of a finished training, in eval mode."""
    return _with_state(_params(ledger, key), load_file(ledger.artifact(key, "network.safetensors")))


def _with_state(train: Mapping[str, Any], state: Mapping[str, Tensor]) -> nn.Module:
    """A network on the memory of `state`; nothing is initialised only to be overwritten."""
    with torch.device("meta"):
        network = _network(train)
    network.load_state_dict(state, assign=True)
    return network.eval()


def _network(train: Mapping[str, Any], method: str | None = None) -> nn.Module:
    return build_network(
        with_config(train["config"]) if "config" in train else train["backbone"],
        method or train["method"],
        train["num_classes"],
        width=train["width"],
        image_size=train["image_size"],
        seed=train["seed"],
        roles=train.get("roles", ROLES),
    )


def _save(path: Path, tensors: Mapping[str, Tensor]) -> None:
    with atomic_path(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
