"""A result as MLflow's entities: metrics with steps and time stamps, parameters and tags."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric

from orchestrator.plan.frontier import Outcome
from orchestrator.plan.step import Step

STATUS: Mapping[Outcome, str] = {"unfinished": "KILLED", "failed": "FAILED", "finished": "FINISHED"}
"""MLflow's word for what became of a study that nobody runs."""

NAME_LENGTH = 500  # of a data set
DIGEST_LENGTH = 16  # of a fingerprint's 64 digits; MLflow has room for 36 and shows eight


def threshold_text(threshold: float | None) -> str:
    """`0.90`, and `0.975` where two digits do not hold it; `none` of modules that a search found."""
    if threshold is None:
        return "none"
    return f"{threshold:.2f}" if round(threshold, 2) == threshold else f"{threshold:g}"


def identity_tags(params: Mapping[str, Any]) -> dict[str, str]:
    """The tags by which a training's run, and the runs below it, can be filtered."""
    return {name: flat_params(params)[name] for name in ("backbone", "dataset", "method", "seed")}


def subtask_tags(step: Step) -> dict[str, str]:
    """The tags by which sub-tasks and derived networks of one training are told apart."""
    if step.kind == "derive":
        ((measure, share),) = step.params["budget"].items()
        own = {name: str(step.params[name]) for name in ("derivation", "compensate")}
        own["attention"] = step.params.get("attention", "keep")
        return {**own, "budget": f"{measure}={share:g}"}
    control = {"control": step.params["control"]} if "control" in step.params else {}
    return {"threshold": threshold_text(step.params["threshold"]), **control}


def machine_tags(record: Mapping[str, Any]) -> dict[str, str]:
    """The machine that computed a result, and the code's commit."""
    names = ("device", "threads", "workers", "compiled")
    tags = {name: str(record[name]) for name in names if record.get(name) is not None}
    commit = (record.get("environment", {}).get("git") or {}).get("commit")
    return {**tags, "mlflow.source.git.commit": commit} if commit else tags


def flat_params(params: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested parameters as MLflow's strings; a setting of the method goes by its own name."""
    flat: dict[str, str] = {}
    for name, value in params.items():
        if name == "dataset" and isinstance(value, Mapping):
            flat["dataset"] = str(value["name"])
            flat.update(flat_params({key: option for key, option in value.items() if key != "name"}, "dataset."))
        elif isinstance(value, Mapping):
            flat.update(flat_params(value, "" if name == "settings" else f"{prefix}{name}."))
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value)
    return flat


def dataset_input(params: Mapping[str, Any]) -> DatasetInput:
    """The data set of a training as MLflow's: its name, the beginning of its fingerprint, and what tells it apart."""
    named = params["dataset"] if isinstance(params["dataset"], Mapping) else {"name": params["dataset"]}
    source = {**named, "image_size": params.get("image_size")}
    profile = {"num_classes": params.get("num_classes"), "validation": params.get("recipe", {}).get("validation")}
    dataset = Dataset(
        name=str(named["name"])[:NAME_LENGTH],
        digest=str(params.get("fingerprint", ""))[:DIGEST_LENGTH],
        source_type="nemo",
        source=json.dumps(source, sort_keys=True),
        profile=json.dumps(profile, sort_keys=True),
    )
    return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])


def epoch_points(epoch: Mapping[str, float]) -> list[Metric]:
    """One entry of a training's history; its time stamp travels with it, so the same entry is the same points."""
    named = {name: value for name, value in epoch.items() if name not in ("epoch", "time")}
    return [
        Metric(name, float(value), int(epoch["time"]), int(epoch["epoch"]))
        for name, value in named.items()
        if is_number(value)
    ]


def result_points(result: Mapping[str, Any], when: int, step: int = 0) -> list[Metric]:
    """Every number at the top of a result, at the time (unix ms) when it was finished."""
    return [Metric(name, float(value), when, step) for name, value in result.items() if is_number(value)]


def threshold_points(result: Mapping[str, Any], when: int) -> list[Metric]:
    """The module-level metrics of one threshold, twice: as columns of their own, and as curves over the threshold.

    MLflow shows a metric's highest step as its value: with the threshold in per mille as the step, `krr` is the one
    of the highest threshold, whatever order the thresholds come in.
    """
    threshold = result["threshold"]
    points = []
    for name in ("krr", "cohesion", "coupling"):
        if is_number(result.get(name)):
            points.append(Metric(name, float(result[name]), when, round(1000 * (threshold or 0))))
            points.append(Metric(f"{name}/{threshold_text(threshold)}", float(result[name]), when, 0))
    return points


def is_number(value: Any) -> bool:
    """Whether MLflow can draw it: absent values, flags, NaN and infinities are left out."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def milliseconds(moment: str) -> int:
    """An ISO time as unix milliseconds."""
    return int(datetime.fromisoformat(moment).timestamp() * 1000)
