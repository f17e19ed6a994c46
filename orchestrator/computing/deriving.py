"""What a worker computes for a step that derives a small network of one that is trained already."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import torch

from nemo.datasets.dataset import Dataset
from nemo.deployed import Deployed
from nemo.deriving.derive import Derived, derive
from nemo.flops import count_parameters
from nemo.inheritance import inherited
from nemo.module_file import SavedModule
from nemo.recipe import Finetune
from nemo.reuse import subtask_dataset
from orchestrator.computing.compute import NetworkArrays, fine_tuning_images, flipped, network_in
from orchestrator.computing.networks import blueprint_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.storage.layout import DERIVED


def derive_network(
    step: Step, dataset: Dataset, model: NetworkArrays, ledger: Ledger, device: torch.device
) -> dict[str, Any]:
    """Derives the network of one class set from a trained one, within a budget.

    Returns:
        `accuracy` and `accuracy_before_finetuning` on the test images of the classes, and `base_accuracy`: the
        untouched network's, with the rows of these classes; `flops` per image and `parameters`; `kept_flops`,
        `kept_parameters` and `kept_units`: shares of the base's; `deriving_seconds`, without fine-tuning; `classes`;
        what `flipped` tells of attacks on the base; and the fine-tuning's `history`. Where the study keeps networks,
        the artifact `derived.safetensors`, which `nemo.load_module` reads.
    """
    params = step.params
    made = derived(step, dataset, model, device)
    if step.where.get("keep"):
        with ledger.writing(step.key, DERIVED) as path:
            path.write_bytes(as_saved(made, dataset, model["params"], params).to_bytes())
    found = {
        attack: inherited(
            made.network,
            made.base,
            subtask_dataset(dataset, params["classes"]),
            attack,
            seed=params["seed"],
            device=device,
        )
        for attack in params.get("attacks", ())
    }
    return {
        "classes": params["classes"],
        "accuracy": made.accuracy["network"],
        "accuracy_before_finetuning": made.accuracy.get("network_before_finetuning", made.accuracy["network"]),
        "base_accuracy": made.accuracy["base"],
        "flops": made.flops["network"],
        "parameters": count_parameters(made.network),
        **{f"kept_{name}": share for name, share in made.kept.items()},
        "deriving_seconds": made.seconds,
        **flipped(found),
        "history": made.history,
    }


def derived(step: Step, dataset: Dataset, model: NetworkArrays, device: torch.device) -> Derived:
    """What `nemo.derive` gives for a step; no image that the training held out is looked at."""
    params, train = step.params, model["params"]
    finetune = Finetune(**params["finetune"])
    return derive(
        network_in(model),
        fine_tuning_images(dataset, train, params["classes"]),
        params["classes"],
        budget=params["budget"],
        method=params["derivation"],
        settings=params["settings"],
        compensate=params["compensate"],
        attention=params.get("attention", "keep"),
        finetune=finetune if finetune.epochs > 0 else None,
        seed=params["seed"],
        sites=params.get("sites", ()),
        controls=(),
        recalibration=params.get("recalibration"),
        device=device,
    )


def as_saved(made: Derived, dataset: Dataset, train: Mapping[str, Any], cut: Mapping[str, Any]) -> SavedModule:
    """A derived network as a file of its own, which normalises its images itself.

    Args:
        made: The network.
        dataset: Of its classes.
        train: Params of the training.
        cut: Params of the step.
    """
    network = deepcopy(made.network).cpu()
    blueprint = blueprint_of(train, cut, network)
    names = [dataset.classes[number] for number in cut["classes"]]
    deployed = Deployed.of(network, dataset)
    return SavedModule(deployed, names, dataset.image_size, [blueprint], [made.masks], dataset.paired)
