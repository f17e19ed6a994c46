"""The settings in which the trainings of a report differ: only seeds are averaged over."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from nemo.image_size import size_text
from nemo.recipe import LATER, Recipe, augmentation
from orchestrator.storage.keys import canonical

Record = Mapping[str, Any]


def dataset_name(params: Mapping[str, Any]) -> str:
    """The data set of a training's parameters as the study file names it."""
    dataset = params["dataset"]
    return str(dataset["name"] if isinstance(dataset, Mapping) else dataset)


def variants_of(records: list[Record]) -> dict[str, str]:
    """Key -> the options that distinguish its pair from others of the same backbone, data set and width, as text.

    Data of one name whose content differs are told apart by the beginning of their fingerprints, as `data=1a2b3c4d`.
    """

    def fields(params: Mapping[str, Any]) -> dict[str, Any]:
        options = params["dataset"].get("options", {}) if isinstance(params["dataset"], Mapping) else {}
        own = {name: params[name] for name in ("image_size", "config", "norm") if name in params}
        weights = params.get("foreign", {}).get("weights")
        if isinstance(own.get("image_size"), list | tuple):
            own["image_size"] = size_text(own["image_size"])
        return {**own, **({"pretrained": weights[:8]} if weights else {}), **options}

    groups = defaultdict(list)
    for record in records:
        params = record["params"]
        groups[params["backbone"], dataset_name(params), params.get("width")].append((record["key"], fields(params)))
    _tell_data_apart({record["key"]: str(record["params"].get("fingerprint")) for record in records}, groups.values())
    return {
        key: settings_text(own, _changed([each for _, each in group]))
        for group in groups.values()
        for key, own in group
    }


def _tell_data_apart(marks: Mapping[str, str], groups: Iterable[list[tuple[str, dict[str, Any]]]]) -> None:
    """Adds the beginning of the fingerprint where nothing else distinguishes the data of records in a group."""
    for group in groups:
        alike = defaultdict(list)
        for key, own in group:
            alike[canonical(own)].append(marks[key])
        if any(len(set(same)) > 1 for same in alike.values()):
            for key, own in group:
                own["data"] = marks[key][:8]


def differences_of(records: Mapping[str, Record], variants: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Key -> the fields of its recipe, roles and teacher in which the trainings of its pair and method differ."""

    def details(record: Record) -> dict[str, Any]:
        params, teacher = record["params"], records.get(record["parents"].get("teacher", ""))
        taught = None if teacher is None else f"{teacher['params']['backbone']}x{teacher['params'].get('width') or 1:g}"
        recipe = {name: getattr(Recipe, name) for name in LATER} | params["recipe"]
        if "augment" in recipe:  # stored under the older words
            recipe["augment"] = augmentation(recipe["augment"])
        return {**recipe, "roles": params.get("roles"), "teacher": taught}

    groups = defaultdict(list)
    for key, record in records.items():
        params = record["params"]
        pair = params["backbone"], dataset_name(params), params.get("width"), variants[key]
        groups[*pair, params["method"]].append((key, details(record)))
    differences = {}
    for group in groups.values():
        group_details = [each for _, each in group]
        names = _changed(group_details)
        if all(each.get("lr_mask") == each.get("lr") for each in group_details):
            names = [name for name in names if name != "lr_mask"]
        if len({each.get("as_cut_from") for each in group_details if each["as_cut"]}) <= 1:
            names = [name for name in names if name != "as_cut_from"]  # nothing to those that do not rehearse
        differences.update({key: {name: own.get(name) for name in names} for key, own in group})
    return differences


def finetunings_of(subtasks: Iterable[Record], trainings: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Key -> the settings in which the fine-tunings of its pair and method differ, as in `finetune.epochs=3`.

    Args:
        subtasks: Records of sub-tasks.
        trainings: Key -> row of each training, with its pair and method.
    """
    groups = defaultdict(list)
    for record in subtasks:
        training = trainings[record["parents"]["train"]]
        pair = tuple(training[name] for name in ("backbone", "dataset", "width", "variant", "method"))
        tuning = {f"finetune.{name}": value for name, value in record["params"].get("finetune", {}).items()}
        groups[pair].append((record["key"], tuning))
    return {
        key: settings_text(own, names)
        for group in groups.values()
        for names in [_changed([each for _, each in group])]
        for key, own in group
    }


def _changed(records: list[dict[str, Any]]) -> list[str]:
    """The fields in which some of them differ."""
    names = dict.fromkeys(name for each in records for name in each)
    return [name for name in names if any(each.get(name) != records[0].get(name) for each in records)]


def settings_text(values: Mapping[str, Any], names: Iterable[str]) -> str:
    """Some of the values, as `alpha=1 temperature=0.2`."""
    return " ".join(f"{name}={_brief(values.get(name))}" for name in names)


def _brief(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
