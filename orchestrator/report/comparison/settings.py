"""The settings of studies and trainings, with every default filled in, and where they differ."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestrator.report.distinctions import dataset_name
from orchestrator.report.summary import origin_of
from orchestrator.storage.keys import canonical
from orchestrator.study.study import Study

Scope = tuple[str, str]
"""Method and pair; empty texts where a field is the whole study's."""

Fields = dict[str, dict[Scope, str]]
"""Field -> place -> its value as text."""

WHOLE: Scope = ("", "")

_WHOLE_STUDY = ("seeds", "thresholds", "sweep", "subtasks", "derive", "select")
_OF_PAIRS = {"recipe", "methods", "finetune"}  # the pairs' own are in what they resolve to


def study_fields(study: Study) -> Fields:
    """Everything that shapes a study's numbers: not where it lies, runs or is shown."""
    dumped = study.model_dump(mode="json", by_alias=True, include=set(_WHOLE_STUDY))
    pairs = study.model_dump(mode="json", by_alias=True, exclude_defaults=True)["pairs"]
    named = [" ".join(_words({k: v for k, v in pair.items() if k not in _OF_PAIRS})) for pair in pairs]
    (dumped["subtasks"] or {}).pop("finetune", None)  # of each pair, below
    study_values: Fields = {
        "pairs": {WHOLE: "; ".join(named)},
        "methods": {WHOLE: ", ".join(sorted(study.methods))},
        **{name: {WHOLE: value} for name, value in _flat({name: dumped[name] for name in _WHOLE_STUDY}).items()},
    }
    for pair, name in zip(study.pairs, named, strict=True):
        for method in study.methods:
            values = {"recipe": asdict(study.recipe_for(pair, method)), method: study.settings_for(pair, method)}
            if study.subtasks is not None:
                values["finetune"] = asdict(study.finetune_for(pair, study.subtasks))
            for field, value in _flat(values).items():
                study_values.setdefault(field, {})[method, name] = value
    return study_values


def training_fields(document: Mapping[str, Any]) -> Fields:
    """All parameters of a training, from its document in the ledger."""
    return {name: {WHOLE: value} for name, value in _flat(document["params"]).items()}


def data_fields(documents: Iterable[Mapping[str, Any]]) -> Fields:
    """The data that trainings were made with, by name and fingerprint: one name may be that of two data sets."""
    known = {(dataset_name(each["params"]), str(each["params"].get("fingerprint"))[:8]) for each in documents}
    return {"data": {WHOLE: "; ".join(f"{name} {mark}" for name, mark in sorted(known))}}


def origin_fields(documents: Iterable[Mapping[str, Any]]) -> Fields:
    """What trainings were made with: commit, software, machine, and what they ran on."""
    origins = [origin_of(document) for document in documents]
    names = ("commit", "software", "machine", "ran on")
    return {name: {WHOLE: "; ".join(sorted({origin[i] for origin in origins}))} for i, name in enumerate(names)}


def differing(sides: Sequence[Fields]) -> list[tuple[str, tuple[str, ...]]]:
    """Field and its values, one for each side, where not all say the same; nothing is said where a side has no such.

    A field that has one value all over each side has one row, another one a row for each method and pair.
    """
    rows = []
    several = any(len({pair for places in side.values() for _, pair in places if pair}) > 1 for side in sides)
    words = 2 if several else 1  # the only pair of a study need not be named, and may be called otherwise in another
    for field in dict.fromkeys(field for side in sides for field in side):
        values = [{place[:words]: value for place, value in side.get(field, {}).items()} for side in sides]
        if all(len(set(each.values())) <= 1 for each in values):
            rows.append((field, tuple(next(iter(each.values()), "") for each in values)))
            continue
        for place in sorted({place for each in values for place in each}):
            rows.append((f"{field} ({', '.join(place)})", tuple(each.get(place, "") for each in values)))
    return [row for row in rows if len(set(row[1])) > 1]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= _flat(value, f"{prefix}{name}.")
        elif value not in (None, {}, []):
            flat[f"{prefix}{name}"] = _text(value)
    return flat


def _words(pair: Mapping[str, Any]) -> list[str]:
    """`rescnn x0.125 on digits image_size=32`."""
    rest = {name: value for name, value in pair.items() if name not in ("backbone", "dataset", "width")}
    width = [f"x{pair['width']:g}"] if "width" in pair else []
    return [pair["backbone"], *width, "on", pair["dataset"], *(f"{name}={_text(rest[name])}" for name in sorted(rest))]


def _text(value: Any) -> str:
    if isinstance(value, bool | Mapping):
        return canonical(value)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_text, value))
    return str(value)
