"""The results of a ledger as polars frames: one row per training, per epoch, per threshold and per sub-task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from nemo.attack import ATTACKS
from nemo.deriving.methods import DERIVATIONS
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Kind
from orchestrator.report.distinctions import (
    Record,
    dataset_name,
    differences_of,
    finetunings_of,
    settings_text,
    variants_of,
)

Row = dict[str, Any]

IDENTITY: dict[str, Any] = {
    "key": pl.String,
    "method": pl.String,
    "backbone": pl.String,
    "dataset": pl.String,
    "width": pl.Float64,
    "variant": pl.String,
    "settings": pl.String,
    "seed": pl.Int64,
    "accuracy": pl.Float64,
}
"""`variant` distinguishes pairs of one backbone, data set and width, such as `image_size=64`, or is empty.
`settings` are the method's, and what else its trainings of one pair differ in, such as swept learning rates, as text
such as `alpha=1 temperature=0.2`; a sub-task's end with what its fine-tuning differs in from others of the pair."""

TRAINING: dict[str, Any] = {
    **IDENTITY,
    "validation_accuracy": pl.Float64,
    "parameters": pl.Int64,
    "flops": pl.Float64,
    "epochs": pl.Int64,
    "seconds": pl.Float64,
    "parent_seconds": pl.Float64,
    "modularizing_seconds": pl.Float64,
    "device": pl.String,
    "workers": pl.Int64,
}
"""`parent_seconds` are those of the trainings that this one starts or learns from, 0 without any;
`modularizing_seconds` those of its relevance pass and of its measures at all thresholds."""

MODULARIZATION: dict[str, Any] = {
    **IDENTITY,
    "training": pl.String,
    "validation_accuracy": pl.Float64,
    "threshold": pl.Float64,
    "krr": pl.Float64,
    "cohesion": pl.Float64,
    "coupling": pl.Float64,
}
"""`accuracy` is the whole modular network's, on the test images; `training` is its key."""

FLIPPED: dict[str, Any] = {f"{whose}flipped_{attack}": pl.Float64 for attack in ATTACKS for whose in ("", "base_")}
"""Shares of what was told right that an attack on the network that was cut from flips: of the one that was cut out, and
(`base_`) of the attacked one itself; None where nobody asked."""

SUBTASK: dict[str, Any] = {
    **IDENTITY,
    "training": pl.String,
    "threshold": pl.Float64,
    "classes": pl.List(pl.Int64),
    "control": pl.String,
    "accuracy_before_finetuning": pl.Float64,
    "accuracy_recalibrated": pl.Float64,
    "modular_accuracy": pl.Float64,
    "standard_accuracy": pl.Float64,
    "krr": pl.Float64,
    "weight_retention": pl.Float64,
    "flops": pl.Float64,
    "flops_reduction": pl.Float64,
    "seconds": pl.Float64,
    **FLIPPED,
}
"""`accuracy` is the module's after fine-tuning, on the test images of its classes, as all accuracies are:
`modular_accuracy` and `standard_accuracy` are the whole networks'. `control` is None for a module, else what stands
beside it at its size, see `nemo.control`; its `settings` end with it."""

DERIVED: dict[str, Any] = {
    **IDENTITY,
    "training": pl.String,
    "derivation": pl.String,
    "compensate": pl.String,
    "finetune": pl.String,
    "measure": pl.String,
    "share": pl.Float64,
    "classes": pl.List(pl.Int64),
    "accuracy_before_finetuning": pl.Float64,
    "base_accuracy": pl.Float64,
    "flops": pl.Float64,
    "parameters": pl.Int64,
    "kept_flops": pl.Float64,
    "kept_parameters": pl.Float64,
    "kept_units": pl.Float64,
    "kept_milliseconds": pl.Float64,
    "deriving_seconds": pl.Float64,
    "seconds": pl.Float64,
    **FLIPPED,
}
"""`method` and `settings` are the training's; `derivation` is the method of deriving with its settings where they are
not the defaults, how it was compensated, what became of its attention, and in what its fine-tuning differs from others
of the pair, which is in `finetune` alone, too. `measure` and `share` are the budget; the `kept_` columns are shares of
the untouched network with the rows of the same classes, whose accuracy is `base_accuracy`; `deriving_seconds` is the
part of `seconds` before fine-tuning."""


EPOCH: dict[str, Any] = {
    **{name: kind for name, kind in IDENTITY.items() if name not in ("key", "accuracy")},
    "training": pl.String,
    "epoch": pl.Int64,
    "train_loss": pl.Float64,
    "test_accuracy": pl.Float64,
}
"""An epoch of a training, counted from 1; a search for modules has none."""

_OF_EPOCH = ("epoch", "train_loss", "test_accuracy")


_BELOW: tuple[Kind, ...] = ("modularize", "measure", "reuse", "derive")


@dataclass(frozen=True)
class Frames:
    """A study's results; columns as `TRAINING`, `MODULARIZATION`, `SUBTASK`, `DERIVED` and `EPOCH` name them."""

    study: str
    trainings: pl.DataFrame
    modularizations: pl.DataFrame
    subtasks: pl.DataFrame
    derived: pl.DataFrame
    epochs: pl.DataFrame


def read_frames(ledger: Ledger, study: str, wanted: set[str] | None = None) -> Frames:
    """Read the finished results of a study once; a result whose training has been lost is left out.

    Args:
        ledger: Holds them.
        study: The study's name.
        wanted: Keys of the steps to show; None shows everything.
    """
    records = {key: record for key, record in ledger.results("train") if wanted is None or key in wanted}
    variants = variants_of(list(records.values()))
    changed = differences_of(records, variants)
    below = {
        kind: [
            record
            for key, record in ledger.results(kind)
            if record["parents"]["train"] in records and (wanted is None or key in wanted)
        ]
        for kind in _BELOW
    }
    trainings = {
        key: {**_training(record, records, changed[key]), "variant": variants[key]} for key, record in records.items()
    }
    for record in (*below["modularize"], *below["measure"]):
        training = trainings[record["parents"]["train"]]
        training["modularizing_seconds"] = (training["modularizing_seconds"] or 0.0) + record["seconds"]
    modularizations, subtasks, derived = (
        [_below(record, trainings[record["parents"]["train"]], schema) for record in found]
        for found, schema in (
            (below["measure"], MODULARIZATION),
            (below["reuse"], SUBTASK),
            (below["derive"], DERIVED),
        )
    )
    tuned = finetunings_of(below["reuse"], trainings) | finetunings_of(below["derive"], trainings)
    for row, record in zip(derived, below["derive"], strict=True):
        row |= derivation_of(record["params"], tuned[record["key"]])
    for row in subtasks:
        control = "" if row.get("control") is None else f"control={row['control']}"
        row["settings"] = " ".join(filter(None, (row["settings"], tuned[row["key"]], control)))
    order = ["backbone", "dataset", "width", "variant", "method", "settings", "seed"]
    return Frames(
        study,
        _frame(list(trainings.values()), TRAINING).sort(order),
        _frame(modularizations, MODULARIZATION).sort([*order, "threshold"]),
        _frame(subtasks, SUBTASK).sort([*order, "threshold", pl.col("classes").list.len(), "key"]),
        _frame(derived, DERIVED).sort([*order, "measure", "share", pl.col("classes").list.len(), "derivation", "key"]),
        pl.concat([_frame([], EPOCH), *(_epochs(records[key], each) for key, each in trainings.items())]).sort(
            [*order, "training", "epoch"]
        ),
    )


def _training(record: Record, records: Mapping[str, Record], changed: Mapping[str, Any]) -> Row:
    params, result = record["params"], record["result"]
    settings = {**params["settings"], **changed}
    return {
        **{name: params.get(name) for name in ("method", "backbone", "width", "seed")},
        **{name: result.get(name) for name in ("accuracy", "validation_accuracy", "parameters", "flops", "epochs")},
        **{name: record.get(name) for name in ("seconds", "device", "workers")},
        "parent_seconds": _parent_seconds(record, records),
        "modularizing_seconds": None,
        "key": record["key"],
        "dataset": dataset_name(params),
        "settings": settings_text(settings, settings),
    }


def _epochs(record: Record, training: Row) -> pl.DataFrame:
    """A frame of `EPOCH` for one training."""
    own = {**training, "training": record["key"]}
    shared = [pl.lit(own.get(name), kind).alias(name) for name, kind in EPOCH.items() if name not in _OF_EPOCH]
    # The generations of a search have no loss, and are no epochs.
    history = [each for each in record["result"].get("history", ()) if "train/loss" in each]
    values = {
        "epoch": [int(each["epoch"]) + 1 for each in history],
        "train_loss": [each.get("train/loss") for each in history],
        "test_accuracy": [each.get("test/accuracy") for each in history],
    }
    return pl.DataFrame(values, {name: EPOCH[name] for name in _OF_EPOCH}).with_columns(shared).select(*EPOCH)


def _parent_seconds(record: Record, records: Mapping[str, Record]) -> float | None:
    """What the trainings took that one starts or learns from; None if one of them is not known."""
    parents = record["parents"].values()
    return sum(records[key]["seconds"] for key in parents) if all(key in records for key in parents) else None


def _below(record: Record, training: Row, schema: Mapping[str, Any]) -> Row:
    """A row of a step below a training: what it measured, and the rest as its training has it."""
    result = record["result"]
    shared = {name: training[name] for name in (*IDENTITY, "validation_accuracy")}
    measured = {name: result[name] for name in schema if name in result and name not in ("method", "seed")}
    if record["kind"] == "measure":
        measured["accuracy"] = training["accuracy"]
    own = {"key": record["key"], "training": training["key"], "seconds": record["seconds"]}
    return {**shared, **measured, **own}


def derivation_of(params: Mapping[str, Any], tuned: str) -> Row:
    """The columns that say how a network was derived."""
    ((measure, share),) = params["budget"].items()
    compensate = params["compensate"]
    unusual = DERIVATIONS[params["derivation"]].method.unusual(params["settings"])
    words = [params["derivation"], settings_text(unusual, unusual)]
    words += [] if compensate == "none" else [compensate]
    words += [params["attention"]] if "attention" in params else []
    told = " ".join(filter(None, [*words, tuned]))
    return {"derivation": told, "compensate": compensate, "finetune": tuned, "measure": measure, "share": share}


def _frame(rows: list[Row], schema: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame([{name: row.get(name) for name in schema} for row in rows], schema=dict(schema))
