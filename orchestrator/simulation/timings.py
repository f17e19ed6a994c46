"""Timings: how long the steps of a study will take, from what was given, measured or, failing both, assumed."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice
from random import Random
from typing import Any

from nemo.image_size import size_text
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import KINDS, Step

ASSUMED = {"train": 10.0, "modularize": 30.0, "measure": 10.0, "reuse": 30.0, "derive": 120.0}
"""Kind -> seconds of a step, and of an epoch of a training, where nothing else is known."""

ENOUGH = 2000
"""At most so many results of one kind are read to estimate a study's times."""


@dataclass
class _Measured:
    seconds: list[float] = field(default_factory=list)  # of a step, or of an epoch of it
    devices: Counter[str] = field(default_factory=Counter)


class Timings:
    """How long steps take.

    Given times win. Else a time is drawn from the measured ones of steps of the same backbone, width and data set, and
    of the same method if there are such, so that the spread is that of the study. Trainings and sub-tasks of other
    lengths are scaled by their epochs.

    Args:
        ledgers: Where results are; the first that has some of a kind of step decides.
        given: Kind -> seconds of a step, of an epoch for a training.
        seed: Of the draws.
    """

    def __init__(self, ledgers: Iterable[Ledger], given: Mapping[str, float], seed: int) -> None:
        self._given, self._seed = given, seed
        self._measured: dict[tuple[Any, ...], _Measured] = {}
        self._sources: dict[str, Counter[str]] = defaultdict(Counter)
        for ledger in ledgers:
            for key, measured in _read(ledger).items():
                self._measured.setdefault(key, measured)

    def seconds(self, step: Step, train: Mapping[str, Any]) -> float:
        """How long a step will take; `train` are the parameters of the training that it is, or builds on."""
        epochs = _epochs(step.kind, step.params)
        if step.kind in self._given:
            self._sources[step.kind]["given"] += 1
            return self._given[step.kind] * (epochs if step.kind == "train" else 1)
        for key in _likeness(step.kind, train):
            if measured := self._measured.get(key):
                device = measured.devices.most_common(1)[0][0]
                self._sources[step.kind][f"measured on {device}"] += 1
                return Random(f"{self._seed} {step.key}").choice(measured.seconds) * epochs
        self._sources[step.kind]["assumed"] += 1
        return ASSUMED[step.kind] * (epochs if step.kind == "train" else 1)

    def sources(self, kind: str) -> str:
        """Where a kind of step's times came from, the most frequent first: `given`, `measured on cpu`, `assumed`."""
        return ", ".join(source for source, _ in self._sources[kind].most_common())


def _read(ledger: Ledger) -> dict[tuple[Any, ...], _Measured]:
    measured: dict[tuple[Any, ...], _Measured] = defaultdict(_Measured)
    trainings: dict[str, Mapping[str, Any]] = {}
    for kind in KINDS:
        for key, document in islice(ledger.results(kind), ENOUGH):
            if kind == "train":
                trainings[key] = document["params"]
            train = trainings.get(key if kind == "train" else document["parents"]["train"])
            if train is None:
                continue
            for likeness in _likeness(kind, train):
                measured[likeness].seconds.append(document["seconds"] / _epochs(kind, document["params"]))
                measured[likeness].devices[document.get("device", "?")] += 1
    return dict(measured)


def _likeness(kind: str, train: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """The keys under which similar steps share their measured times; the closest first."""
    network = (kind, train["backbone"], train["width"], size_text(train["image_size"]), train["dataset"]["name"])
    return [(*network, train["method"]), network]


def _epochs(kind: str, params: Mapping[str, Any]) -> int:
    """The number of epochs by which a step's time scales."""
    match kind:
        case "train":
            return max(1, int(params["recipe"]["epochs"]))
        case "reuse" | "derive":
            return max(1, int(params["finetune"]["epochs"]))
    return 1
