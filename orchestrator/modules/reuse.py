"""`nemo reuse`: one module of a study, cut out, fine-tuned and saved on demand; reads the ledger and writes none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from nemo.blueprint import kept_by
from nemo.control import CONTROLS, PRUNED
from nemo.datasets.dataset import Dataset
from nemo.deployed import Deployed
from nemo.errors import UserError
from nemo.flops import count_parameters
from nemo.module_file import SavedModule
from nemo.recipe import RECALIBRATION
from nemo.training import TrainingDiverged
from orchestrator.computing import compute
from orchestrator.computing.compute import ModelArrays
from orchestrator.computing.data import as_dataset, dataset_arrays
from orchestrator.computing.networks import blueprint_of, build, result_of
from orchestrator.ledger.data import submitted_as_recorded
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.choose import Choice, choose, threshold_of
from orchestrator.modules.folder import new_folder
from orchestrator.modules.record import Data, ModuleRecord, Origin
from orchestrator.modules.save import (
    command_line,
    here,
    made_with,
    measure_latency,
    print_figures,
    print_place,
    save_module,
)
from orchestrator.plan.step import PRIORITY, Step, make_step
from orchestrator.storage import Where
from orchestrator.study.study import Study


@dataclass(frozen=True)
class Wanted:
    """The arguments of `nemo reuse`.

    Attributes:
        classes: By name or number.
        out: The folder to save in.
        run: A training's key; None takes the best one.
        threshold: One of the study's; None takes the highest.
        force: Whether a module that lies in `out` may be replaced.
        as_cut: Whether to save it as it is cut, with the trained classifier, and not fine-tune it.
        controls: Whether to make its rivals too, of which figures are told and nothing is saved.
    """

    classes: Sequence[str | int]
    out: Path
    run: str | None = None
    threshold: float | None = None
    force: bool = False
    as_cut: bool = False
    controls: bool = False


def reuse_and_save(where: Where, wanted: Wanted, console: Console) -> ModuleRecord:
    """Builds, fine-tunes and saves one module, and shows what it kept.

    Args:
        where: The study's store, which may still be written by a driver, and is only read.
        wanted: What to cut out and where to save it.
        console: Where figures are printed.

    Raises:
        UserError: There is no such network or class, the folder may not be replaced or cannot be written, the data is
            not here, or fine-tuning diverged.
    """
    ledger = Ledger(where, readonly=True)
    described = submitted_as_recorded(ledger)  # no refusal waits for the data; changed ones are refused when read
    study = described.study
    with new_folder(wanted.out, wanted.force) as folder:
        choice = choose(described, ledger, wanted.classes, wanted.run)
        network = choice.network
        step = network.reuse(choice.classes, threshold_of(network, study, wanted.threshold))
        step = _as_cut(step) if wanted.as_cut else step
        at = "" if step.params["threshold"] is None else f", threshold {step.params['threshold']:g}"
        console.print(
            f"{network.train.label} (run {network.train.key}{at}): {choice.why}", markup=False, soft_wrap=True
        )
        epochs = step.params["finetune"]["epochs"]
        tuned = f" and fine-tunes it for {epochs} epoch{'s' * (epochs != 1)}" if epochs else ""
        console.print(
            f"Reads {step.where['dataset']}, cuts the module{tuned}: in this process, beside whatever else runs here",
            markup=False,
            soft_wrap=True,
        )
        built = _build(study, choice, step, ledger)
        record = _record(built, study, ledger)
        if wanted.controls:
            record = replace(record, controls=_controls(built, wanted, ledger, console))
        record = save_module(folder, built.saved, record)
    print_figures(record, console)
    own = ledger.get(step.key, "reuse")
    if own is not None:
        same = own["result"]["accuracy"] == record.figures["accuracy"]
        accuracy = "the same accuracy" if same else f"{100 * own['result']['accuracy']:.2f} % (on {own.get('device')})"
        console.print(f"The study's own run of this sub-task has {accuracy}.", markup=False)
    print_place(wanted.out, console)
    return record


def _as_cut(step: Step) -> Step:
    """The same module with the trained classifier, recalibrated, and no fine-tuning."""
    finetune = {**step.params["finetune"], "epochs": 0}
    recalibration = step.params.get("recalibration", RECALIBRATION)
    params = {**step.params, "head": "slice", "finetune": finetune, "recalibration": recalibration}
    return make_step(step.kind, params, step.parents, step.where, step.label)


def _controls(built: _Built, wanted: Wanted, ledger: Ledger, console: Console) -> dict[str, dict[str, float]]:
    """Control -> its accuracy before and after fine-tuning."""
    network = built.choice.network
    found: dict[str, dict[str, float]] = {}
    for control in CONTROLS:
        if control in PRUNED and network.standard is None:
            console.print(f"{control}: left out, for the study trains no standard network of this pair.", markup=False)
            continue
        step = network.reuse(built.choice.classes, built.step.params["threshold"], control)
        step = _as_cut(step) if wanted.as_cut else step
        model = compute.model_arrays(step.parents, ledger) if control in PRUNED else built.model
        figures = compute.reuse(step, built.dataset, model, here())
        found[control] = {name: figures[name] for name in ("accuracy_before_finetuning", "accuracy")}
        console.print(f"{control} control: {100 * figures['accuracy']:.2f} %", markup=False)
    return found


@dataclass(frozen=True)
class _Built:
    """A fine-tuned module, with everything that its record needs."""

    choice: Choice
    step: Step
    dataset: Dataset
    model: ModelArrays
    module: Deployed
    figures: Mapping[str, Any]

    @property
    def names(self) -> list[str]:
        return [self.dataset.classes[number] for number in self.choice.classes]

    @property
    def saved(self) -> SavedModule:
        kept = kept_by(compute.masks_at(self.model, self.step.params["threshold"]), self.choice.classes)
        blueprint = blueprint_of(self.model["params"], self.step.params, self.module.module)
        size, paired = self.dataset.image_size, self.dataset.paired
        return SavedModule(self.module, self.names, size, [blueprint], [kept], paired)


def _build(study: Study, choice: Choice, step: Step, ledger: Ledger) -> _Built:
    torch.set_num_threads(max(1, int(study.resources.subtask.cpus)))  # as the study's own sub-tasks run
    dataset = as_dataset(dataset_arrays(step.where))
    model = compute.model_arrays(step.parents, ledger)
    try:
        reuse, figures = compute.reused(step, dataset, model, here())
    except TrainingDiverged as error:
        raise UserError(f"subtasks.finetune: {error}") from error
    module = Deployed.of(reuse.module.cpu(), dataset)
    return _Built(choice, step, dataset, model, module, figures)


def _record(built: _Built, study: Study, ledger: Ledger) -> ModuleRecord:
    train, figures, step = built.model["params"], built.figures, built.step
    trained = result_of(ledger, step.parents["train"])
    standard = build(train, "standard").eval()  # its time does not depend on its weights
    whole = {
        "modular": {
            "accuracy": figures["modular_accuracy"],
            "krr": 1.0,
            "flops": trained["flops"],
            "parameters": trained["parameters"],
        },
        "standard": {
            "accuracy": figures["standard_accuracy"],
            "krr": 1.0,
            "flops": built.model["standard_flops"],
            "parameters": count_parameters(standard),
        },
    }
    timed = {"module": built.module, "modular": compute.whole_network(built.model), "standard": standard}
    mean, std = built.dataset.mean, built.dataset.std
    where = {name: value for name, value in step.where.items() if name not in ("resources", PRIORITY)}
    return ModuleRecord(
        classes=built.names,
        image_size=built.dataset.image_size,
        seed=step.params["seed"],
        origins=[_origin(built, study)],
        data=[Data(built.dataset.name, train["dataset"]["options"], mean, std, where)],
        finetune=step.params["finetune"],
        figures={name: value for name, value in figures.items() if name not in ("history", "threshold", "classes")},
        whole=whole,
        latency=measure_latency(timed, built.dataset.image_size),
        command=command_line(),
        made_with=made_with(),
    )


def _origin(built: _Built, study: Study) -> Origin:
    train, cut, figures = built.model["params"], built.step.params, built.figures
    return Origin(
        study=study.name,
        run=built.choice.network.train.key,
        label=built.choice.network.train.label,
        step=built.step.key,
        backbone=train["backbone"],
        width=train["width"],
        method=train["method"],
        settings=train["settings"],
        seed=train["seed"],
        threshold=cut["threshold"],
        mask_values=cut["mask_values"],
        head=cut["head"],
        surgery=cut.get("surgery", "exact"),
        classes=built.names,
        numbers=built.choice.classes,
        krr=figures["krr"],
        accuracy=figures["accuracy"],
        finetune=cut["finetune"],
        validation=train["recipe"]["validation"],
    )
