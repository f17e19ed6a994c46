"""The step: a pure description of one piece of work, named by its content."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict, get_args

from orchestrator.storage.keys import content_key

Kind = Literal["train", "modularize", "measure", "reuse", "derive"]
KINDS: tuple[Kind, ...] = get_args(Kind)
CUTTING: tuple[Kind, ...] = ("reuse", "derive")
"""The kinds of steps that cut a trained network."""
PRIORITY = "priority"
"""In a step's `where`: its priority, if it is not 0."""
NOUNS = {
    "train": "trainings",
    "modularize": "modularizations",
    "measure": "measurements",
    "reuse": "sub-tasks",
    "derive": "derived networks",
}


@dataclass(frozen=True, slots=True)  # there may be a hundred thousand
class Step:
    """One piece of work.

    Attributes:
        kind: `train` one network; `modularize` it: one relevance pass; `measure` its modules at one threshold;
            `reuse` one of them: a sub-task at one threshold; `derive` a small network of one for a class set.
        params: Everything that changes the numbers, as JSON.
        parents: Role -> key of the step whose result this one reads.
        where: What it runs on and where its data lies; never part of the key.
        key: See `make_step`.
        label: What a person reads.
    """

    kind: Kind
    params: Mapping[str, Any]
    parents: Mapping[str, str]
    where: Mapping[str, Any]
    key: str
    label: str

    @property
    def priority(self) -> int:
        """Of the steps that may run now, those of the highest are next."""
        return int(self.where.get(PRIORITY, 0))


def make_step(
    kind: Kind, params: Mapping[str, Any], parents: Mapping[str, str], where: Mapping[str, Any], label: str
) -> Step:
    """Describes a step; its key is a hash of the kind, the params and the parents' keys."""
    key = content_key({"kind": kind, "params": dict(params), "parents": dict(parents)})
    return Step(kind, params, parents, where, key, label)


class Described(TypedDict):
    """A step as the ledger describes it: all but where it runs."""

    key: str
    kind: Kind
    label: str
    params: Mapping[str, Any]
    parents: Mapping[str, str]


def describe_step(step: Step) -> Described:
    """What the ledger keeps of a step: all but where it runs."""
    return {"key": step.key, "kind": step.kind, "label": step.label, "params": step.params, "parents": step.parents}


def step_of(described: Described | Mapping[str, Any]) -> Step:
    """The step that was described."""
    return Step(described["kind"], described["params"], described["parents"], {}, described["key"], described["label"])


def counted(steps: Iterable[Step]) -> str:
    """`1 training, 2 measurements and 4 sub-tasks`; empty of none."""
    counts = Counter(step.kind for step in steps)
    parts = [f"{number} {NOUNS[kind] if number > 1 else NOUNS[kind][:-1]}" for kind, number in counts.items()]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
