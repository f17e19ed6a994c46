"""Published weights that a study's networks start from: what was fetched is known by its content, and goes with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo.datasets.options import OPTIONS
from nemo.image_size import plain_size
from orchestrator.storage import Store
from orchestrator.storage.keys import canonical
from orchestrator.storage.layout import WEIGHTS, WEIGHTS_FOLDER, weights
from orchestrator.study.data import DescribedStudy, check_data, content_of, describe
from orchestrator.study.pair import Pair
from orchestrator.study.study import Study

Fetched = Mapping[str, Any]
"""`sha256` of weights, and how the images were prepared that they were trained on: see `nemo.zoo.preparation`."""

_PREPARED = ("mean", "std", "interpolation", "crop")


def weights_name(pair: Pair) -> str:
    """What identifies the weights that a pair asks for, before they are fetched: a folder counts by its content."""
    wanted: dict[str, Any] = {"backbone": pair.backbone, "pretrained": pair.pretrained}
    folder = Path(str(pair.backbone.removeprefix("hf:") if pair.pretrained is True else pair.pretrained))
    if pair.backbone.startswith("hf:") and folder.is_dir():
        wanted["files"] = {path.name: content_of(str(path)) for path in sorted(folder.iterdir()) if path.is_file()}
    return canonical(wanted)


def fetched_weights(store: Store) -> dict[str, Fetched]:
    """By `weights_name` what was fetched for the study in a store, and still lies there."""
    try:
        known = json.loads(store.read(WEIGHTS) or b"{}")
        there = {f"{WEIGHTS_FOLDER}/{name}" for name in store.list(WEIGHTS_FOLDER)} if known else set()
        return {name: each for name, each in known.items() if weights(each["sha256"]) in there}
    except (ValueError, KeyError, TypeError, AttributeError):  # damaged: it is fetched again, and is what it was
        return {}


def with_weights(study: Study, known: Mapping[str, Fetched]) -> Study:
    """The study with what is known of its pairs' weights, whose own preparation is taken where a pair says nothing."""
    names = [weights_name(pair) if pair.fetches else "" for pair in study.pairs]
    if not known.keys() & set(names):
        return study
    pairs = [
        _prepared(pair, known[name]) if name in known else pair for name, pair in zip(names, study.pairs, strict=True)
    ]
    return study.model_copy(update={"pairs": pairs})


def knowing_weights(described: DescribedStudy, store: Store) -> DescribedStudy:
    """The described study with what was fetched for it before.

    Raises:
        UserError: Its data do not suit what its weights want.
    """
    if not any(pair.fetches for pair in described.study.pairs):
        return described
    study = with_weights(described.study, fetched_weights(store))
    if study is described.study:
        return described
    described = describe(study)
    check_data(described)
    return described


def _prepared(pair: Pair, known: Fetched) -> Pair:
    own = {name: known[name] for name in _PREPARED if OPTIONS[name].accepts(known.get(name))}
    size = known.get("image_size") if pair.image_size is None else pair.image_size
    changed = {
        "dataset_options": {**own, **pair.dataset_options},
        "image_size": None if size is None else plain_size(size),
    }
    prepared = pair.model_copy(update=changed)
    prepared._weights = known["sha256"]
    prepared._prepared = frozenset(own.keys() - pair.dataset_options.keys())
    return prepared
