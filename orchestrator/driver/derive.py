"""`nemo derive`: a study of one class set of a trained network, run, and its network saved as files of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from nemo.datasets import is_of_texts
from nemo.errors import UserError
from nemo.zoo.names import short
from orchestrator.driver.run import run_study
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.derived import read_derived
from orchestrator.modules.folder import new_folder
from orchestrator.modules.origin import Trained, pair_of_network, trained_network
from orchestrator.modules.record import ModuleRecord
from orchestrator.modules.save import print_figures, print_place, save_module
from orchestrator.plan.deriving import derive_steps
from orchestrator.plan.planner import combinations
from orchestrator.plan.step import Step
from orchestrator.storage.keys import content_key
from orchestrator.storage.studies import find_study, storage_root
from orchestrator.study.data import DescribedStudy
from orchestrator.study.file import study_of_options
from orchestrator.study.overrides import apply_overrides
from orchestrator.study.problems import Place
from orchestrator.study.weights import knowing_weights

RIVALS = ("random", "magnitude")
"""Derived beside every network, within the same budget."""

EPOCHS = 3
FINETUNE = {"batch_size": 64, "lr": 0.005, "anneal": 1.0}
"""How a network is fine-tuned unless told else: gently, for most of it is trained already."""

FINETUNE_TEXTS = {"batch_size": 32, "lr": 0.0001, "anneal": 1.0, "optimizer": "adamw"}
"""The same of a network that reads texts: as is usual for Transformers, and not measured here."""

_OPTIONS: dict[Place, str] = {
    ("pairs", 0, "backbone"): "NETWORK",
    ("pairs", 0, "dataset"): "--data",
    ("pairs", 0, "image_size"): "--image-size",
    ("pairs", 0, "pretrained"): "--pretrained or --weights",
    ("pairs", 0, "classes_of"): "--classes-of",
    ("pairs", 0, "dataset_options", "only"): "--classes",
    ("derive", "classes"): "--classes",
    ("derive", "budgets"): "--budget",
    ("derive", "methods"): "--method",
    ("derive", "compensate"): "--compensate",
    ("derive", "attention"): "--attention",
    ("derive", "finetune", "epochs"): "--epochs",
    ("seeds",): "--seed",
}


_OPTIONS_OF_DATA = "pairs.0.dataset_options."


@dataclass(frozen=True)
class Wanted:
    """The arguments of `nemo derive`.

    Attributes:
        network: A network from elsewhere by its name, or a study whose `standard` networks may be derived from.
        classes: By name or number.
        budget: Such as `{"flops": 0.3}`.
        out: The folder to save in.
        data: A data set; None takes that of the study.
        image_size: Pixels of a side; None takes what the network's library or the data set says.
        pretrained: True for the library's own weights, a file of weights, or the name of others.
        classes_of: Class -> row of the trained classifier.
        run: Of a study the training's key, or how it begins.
        method: A name of `DERIVATIONS`.
        compensate, attention: See `nemo.derive`.
        epochs: Of fine-tuning.
        seed: Of all that is drawn; None takes 0, or the training's.
        overrides: `key=value` texts that win over the study that is made of all this.
        storage: Where studies lie.
        force: Whether a module that lies in `out` may be replaced.
    """

    network: str
    classes: Sequence[str | int]
    budget: Mapping[str, Any]
    out: Path
    data: str | None = None
    image_size: int | None = None
    pretrained: bool | str | None = None
    classes_of: Mapping[str, int] = field(default_factory=dict)
    run: str | None = None
    method: str = "masksearch"
    compensate: str = "none"
    attention: str = "keep"
    epochs: int = EPOCHS
    seed: int | None = None
    overrides: Sequence[str] = ()
    storage: str | None = None
    force: bool = False


def derive_and_save(wanted: Wanted, console: Console) -> ModuleRecord:
    """Derives a network, saves it, and shows what it kept; a call that was interrupted carries on.

    Raises:
        UserError: Something is wrong with an argument, the network, its data, the budget or the folder.
        Interrupted: Ctrl-C or SIGTERM came.
    """
    with new_folder(wanted.out, wanted.force) as folder:
        trained, fields = _network(wanted)
        fields["derive"] |= {
            "methods": [{name: {}} for name in dict.fromkeys((wanted.method, *RIVALS))],
            "budgets": [dict(wanted.budget)],
            "compensate": [wanted.compensate],
            "attention": [wanted.attention],
            "finetune": {**_finetune(fields), "epochs": wanted.epochs},
            "keep": True,
        }
        made_of = content_key([fields, list(wanted.overrides), None if trained is None else trained.step.key])
        name = re.sub(r"[^A-Za-z0-9._-]+", "-", short(wanted.network) if trained is None else wanted.network)
        fields = {"name": f"derive-{name[:40]}-{made_of[:8]}", **fields}
        described = study_of_options(fields, _OPTIONS, wanted.overrides)
        _refuse_several(described)
        root = storage_root(wanted.storage or described.study.storage)
        if trained is not None:
            trained.adopt_into(Ledger(root / described.study.name), described)
        store = run_study(described, root, retry_failed=True, replace=True)  # a step's key says what it is made of
        ledger = Ledger(store, readonly=True)
        step, rivals = _derived(knowing_weights(described, store), ledger, console)
        derived = read_derived(ledger, step, rivals, described.study.name)
        record = save_module(folder, derived.saved, derived.record)
    print_figures(record, console)
    for name, figures in record.controls.items():
        console.print(f"{name}, within the same budget: {100 * figures['accuracy']:.2f} %", markup=False)
    print_place(wanted.out, console)
    return record


def _finetune(fields: dict[str, Any]) -> dict[str, Any]:
    return FINETUNE_TEXTS if is_of_texts(fields["pairs"][0]["dataset"]) else FINETUNE


def _network(wanted: Wanted) -> tuple[Trained | None, dict[str, Any]]:
    """The network to derive from, where a study trained it; and the fields of the study to run, but for the method."""
    if ":" not in wanted.network:
        trained = trained_network(find_study(storage_root(wanted.storage), wanted.network), wanted.run, wanted.classes)
        for name in ("data", "image_size", "pretrained", "classes_of", "seed"):
            if getattr(wanted, name) not in (None, False, {}):
                option = "weights" if name == "pretrained" else name.replace("_", "-")
                raise UserError(f"--{option}: is what the study {wanted.network!r} says, leave it out.")
        return trained, {**trained.fields, "derive": {"classes": [trained.classes]}}
    if wanted.run is not None:
        raise UserError(f"--run: is for networks of a study, and {wanted.network} is none, leave it out.")
    of_data = [text for text in wanted.overrides if text.startswith((_OPTIONS_OF_DATA, "data_root"))]
    set_otherwise, _ = apply_overrides({"pairs": [{"dataset_options": {}}]}, of_data)
    more = {**set_otherwise["pairs"][0]["dataset_options"]}
    more |= {name: value for name, value in set_otherwise.items() if name == "data_root"}
    pair = pair_of_network(
        wanted.network, wanted.data, wanted.image_size, wanted.pretrained, wanted.classes, wanted.classes_of, more
    )
    return None, {
        "pairs": [pair],
        "methods": {"standard": {}},
        "seeds": [wanted.seed or 0],
        "recipe": {"epochs": 0},
        "derive": {"classes": [pair["dataset_options"]["only"]]},
    }


def _refuse_several(described: DescribedStudy) -> None:
    """Refuses overrides that ask for more than one network, or for none that is kept."""
    study = described.study
    wanted = study.derive
    assert wanted is not None
    several: dict[str, list[Any]] = {
        "pairs": study.pairs,
        "seeds": study.seeds,
        "derive.budgets": wanted.budgets,
        "derive.compensate": wanted.compensate,
        "derive.attention": wanted.attention,
        "derive.classes": [*wanted.classes, *wanted.sizes, *wanted.named],
        "methods": list(study.methods),
    }
    for name, values in several.items():
        if len(values) > 1:
            raise UserError(f"--set {name}: asks for {len(values)}, this derives one network, write a study for more.")
    if not wanted.keep:
        raise UserError("--set derive.keep: is what this is for, leave it out.")


def _derived(described: DescribedStudy, ledger: Ledger, console: Console) -> tuple[Step, dict[str, Step]]:
    """The step of the network that was wanted, and by method those of its rivals, as far as they were made."""
    (combination, _), *_ = combinations(described)
    train = combination.train({})
    steps = derive_steps(combination, train)
    for step in (train, steps[0]):
        failure = ledger.failure(step.key)
        if failure is not None:
            raise UserError(re.sub(r"^(attention|budget|classes|compensate|method): ", r"--\1: ", failure["reason"]))
    rivals = {}
    for step in steps[1:]:
        failure = ledger.failure(step.key)
        if failure is None:
            rivals[step.params["derivation"]] = step
        else:
            console.print(f"{step.params['derivation']}: left out ({failure['reason']})", markup=False)
    return steps[0], rivals
