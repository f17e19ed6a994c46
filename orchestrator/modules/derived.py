"""A derived network as a saved module: what a study of one class set found, with its base and its rivals."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nemo.deployed import Deployed
from nemo.deriving.derive import untouched
from nemo.errors import UserError
from nemo.flops import count_flops, count_parameters
from nemo.image_size import input_shape
from nemo.module_file import SavedModule, load_module
from orchestrator.computing import compute
from orchestrator.computing.data import as_dataset, dataset_arrays
from orchestrator.computing.networks import artifact_of, params_of, result_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.record import Data, ModuleRecord, Origin
from orchestrator.modules.save import command_line, made_with, measure_latency
from orchestrator.plan.step import PRIORITY, Step
from orchestrator.storage.layout import DERIVED

_KEPT = tuple(f"kept_{name}" for name in ("flops", "parameters", "units", "milliseconds"))
_OWN = ("accuracy", "accuracy_before_finetuning", "flops", "parameters", *_KEPT)


@dataclass(frozen=True)
class DerivedModule:
    """A derived network of a study's storage, and its record."""

    saved: SavedModule
    record: ModuleRecord


def read_derived(ledger: Ledger, step: Step, rivals: Mapping[str, Step], study: str) -> DerivedModule:
    """Reads a network that a study has kept, and measures it beside the untouched one.

    Args:
        ledger: The study's; the steps are finished.
        step: Which one.
        rivals: By name the steps of other methods at the same budget, for their figures.
        study: The study's name.

    Raises:
        UserError: Its file is damaged or missing.
    """
    with artifact_of(ledger, step.key, DERIVED) as path:
        saved = load_module(path)
    dataset = as_dataset(dataset_arrays(step.where))
    train, figures, classes = (
        params_of(ledger, step.parents["train"]),
        result_of(ledger, step.key),
        step.params["classes"],
    )
    whole = untouched(compute.network_in(compute.network_arrays(step.parents["train"], ledger)), dataset, classes)
    base = Deployed.of(whole, dataset)
    latency = measure_latency({"module": saved.network, "base": base}, dataset.image_size)
    where = {name: value for name, value in step.where.items() if name not in ("resources", "keep", PRIORITY)}
    image = input_shape(dataset.image_size)
    record = ModuleRecord(
        classes=saved.classes,
        image_size=dataset.image_size,
        seed=step.params["seed"],
        origins=[_origin(step, train, figures, saved, ledger, study)],
        data=[Data(dataset.name, train["dataset"]["options"], dataset.mean, dataset.std, where)],
        finetune=step.params["finetune"],
        figures={name: figures[name] for name in _OWN if name in figures},
        whole={
            "base": {
                "accuracy": figures["base_accuracy"],
                "flops": count_flops(whole, image),
                "parameters": count_parameters(whole),
                "kept_units": 1.0,
            }
        },
        latency=latency,
        command=command_line(),
        made_with=made_with(),
        controls={name: _accuracies(result_of(ledger, each.key)) for name, each in rivals.items()},
    )
    return DerivedModule(saved, record)


def _accuracies(figures: Mapping[str, Any]) -> dict[str, float]:
    return {name: figures[name] for name in ("accuracy_before_finetuning", "accuracy")}


def _origin(
    step: Step, train: Mapping[str, Any], figures: Mapping[str, Any], saved: SavedModule, ledger: Ledger, study: str
) -> Origin:
    trained = ledger.get(step.parents["train"], "train")
    if trained is None:
        raise UserError(f"study {study!r}: its training {step.parents['train']} is missing, run it again.")
    return Origin(
        study=study,
        run=trained["key"],
        label=trained["label"],
        step=step.key,
        backbone=train["backbone"],
        width=train["width"],
        method=step.params["derivation"],
        settings=step.params["settings"],
        seed=step.params["seed"],
        threshold=None,
        mask_values="drop",
        head="slice",
        surgery="exact",
        classes=saved.classes,
        numbers=step.params["classes"],
        krr=figures["kept_units"],
        accuracy=figures["accuracy"],
        finetune=step.params["finetune"],
        validation=train["recipe"]["validation"],
        budget=step.params["budget"],
        compensate=step.params["compensate"],
        attention=step.params.get("attention", "keep"),
    )
