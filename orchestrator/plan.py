"""The plan: a study and what is finished give the steps, purely; the same arguments give the same plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from nemo.backbones.vit_config import short_name
from orchestrator.family import Family
from orchestrator.keys import content_key
from orchestrator.pair import Pair
from orchestrator.selection import Candidate, best_point
from orchestrator.space import OBJECTIVES, Point, Sweep
from orchestrator.step import KINDS, Step
from orchestrator.study import Study

if TYPE_CHECKING:
    from nemo.datasets.description import Description
    from orchestrator.ledger import Trial


class Results(Protocol):
    """What a plan reads of a ledger."""

    def get(self, key: str) -> Mapping[str, Any] | None:
        """The result document of a step."""

    def failure(self, key: str) -> Mapping[str, Any] | None:
        """Why a step failed."""

    def suggestions(self, search: str) -> list[Trial]:
        """The trials of an adaptive search."""


@dataclass(frozen=True)
class Nothing:
    """The results of a study that was never started, or those given as a mapping of key to document."""

    documents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def get(self, key: str) -> Mapping[str, Any] | None:
        """See `Results`."""
        return self.documents.get(key)

    def failure(self, key: str) -> None:
        """See `Results`."""

    def suggestions(self, search: str) -> list[Trial]:
        """See `Results`."""
        return []


@dataclass(frozen=True)
class Search:
    """An adaptive search over one pair, method and seed.

    Attributes:
        key: Names its suggestions in the ledger; more trials do not change it.
        label: What a person reads.
        sweep: Its space, number of trials, objectives and early stopping.
        directions: Objective -> `maximize` or `minimize`.
        threshold: Where KRR, cohesion, coupling and FLOPs reduction are measured.
    """

    key: str
    label: str
    sweep: Sweep
    directions: Mapping[str, str]
    threshold: float
    family: Family

    def steps(self, settings: Point) -> list[Step]:
        """The steps of one trial: its training, relevance pass and measures."""
        return self.family.point_steps(settings)


@dataclass(frozen=True)
class Plan:
    """The steps of a study as far as they are known.

    Attributes:
        steps: Each once, parents before children.
        up_to: Kind -> how many more there may be, depending on results that are still missing.
        searches: The adaptive searches.
        best: `Family.label` -> key of the training that was chosen on the validation images, where something chose.
    """

    steps: list[Step]
    up_to: Mapping[str, int]
    searches: list[Search]
    best: Mapping[str, str]

    def pending(self, results: Results) -> list[Step]:
        """The steps without a result."""
        return [step for step in self.steps if results.get(step.key) is None]

    def counts(self) -> dict[str, int]:
        """Kind -> number of known steps."""
        counted = Counter(step.kind for step in self.steps)
        return {kind: counted[kind] for kind in KINDS}


def plan(
    study: Study, results: Results | Mapping[str, Mapping[str, Any]], descriptions: Mapping[str, Description]
) -> Plan:
    """Plans a study: pure in its arguments.

    Args:
        study: What is wanted.
        results: A ledger, or key -> result document.
        descriptions: `Pair.data` -> description, from `describe(study)`.
    """
    known: Results = Nothing(results) if isinstance(results, Mapping) else results
    return _Planner(study, known, descriptions).plan()


class _Planner:
    def __init__(self, study: Study, results: Results, descriptions: Mapping[str, Description]) -> None:
        self._study = study
        self._results = results
        self._descriptions = descriptions
        self._steps: dict[str, Step] = {}
        self._up_to: Counter[str] = Counter()
        self._searches: list[Search] = []
        self._best: dict[str, str] = {}

    def plan(self) -> Plan:
        names = _pair_names(self._study, self._descriptions)
        for pair, name in zip(self._study.pairs, names, strict=True):
            for seed in self._study.seeds:
                standard: Step | None = None
                for method in sorted(self._study.methods, key=lambda method: method != "standard"):
                    family = Family(self._study, pair, method, seed, self._descriptions[pair.data], name)
                    if method == "standard":
                        standard = family.train({})
                    self._add_family(family, standard)
        order = {kind: position for position, kind in enumerate(KINDS)}
        steps = sorted(self._steps.values(), key=lambda step: order[step.kind])
        return Plan(steps, {kind: self._up_to[kind] for kind in KINDS}, self._searches, self._best)

    def _add_family(self, family: Family, standard: Step | None) -> None:
        self._add(list(family.before().values()))
        points, missing = self._points(family)
        for point in points:
            self._add(family.point_steps(point))
        tasks = len(family.subtask_classes()) * len(family.subtask_thresholds) if family.modular else 0
        self._up_to["train"] += missing
        self._up_to["modularize"] += missing * family.modular
        self._up_to["measure"] += missing * family.modular * len(family.thresholds)
        if self._study.subtasks is None or self._study.subtasks.source == "every":
            for point in points:
                self._add(family.reuse_steps(point, standard))
            self._up_to["reuse"] += missing * tasks
        elif family.modular:
            known, best = self._choose(family, points, standard) if not missing else (False, None)
            if best is not None:
                self._best[family.label] = family.train(best).key
                self._add(family.reuse_steps(best, standard))
            self._up_to["reuse"] += 0 if known else tasks

    def _add(self, steps: list[Step]) -> None:
        for step in steps:
            self._steps.setdefault(step.key, step)

    def _points(self, family: Family) -> tuple[list[Point], int]:
        """The points to train, and how many more a search may still suggest."""
        sweep = self._study.sweep.get(family.method)
        if sweep is None or not sweep.search:
            return self._study.points(family.method), 0
        if any(self._results.failure(step.key) for step in family.before().values()):
            return [], 0
        search = _search(family, sweep)
        self._searches.append(search)
        trials = self._results.suggestions(search.key)[: sweep.trials]
        points = [dict(trial.settings) for trial in trials if trial.outcome is None or self._trained(family, trial)]
        return points, (sweep.trials or 0) - len(trials)

    def _trained(self, family: Family, trial: Trial) -> bool:
        """Whether a trial has a result although it was stopped: another study trained the same to the end."""
        return self._results.get(family.train(dict(trial.settings)).key) is not None

    def _choose(self, family: Family, points: list[Point], standard: Step | None) -> tuple[bool, Point | None]:
        """Whether everything is known that the choice depends on, and the best point; failed points do not count."""
        threshold = max(self._study.thresholds)
        candidates: dict[str, tuple[Candidate, Point]] = {}
        for point in points:
            train = family.train(point)
            modularize = family.modularize(train)
            measure = family.measure(train, modularize, threshold)
            trained, measured = self._results.get(train.key), self._results.get(measure.key)
            if trained is not None and measured is not None:
                candidate = Candidate(train.key, trained["result"]["validation_accuracy"], measured["result"]["krr"])
                candidates[train.key] = candidate, point
            elif not any(self._results.failure(step.key) for step in (train, modularize, measure)):
                return False, None
        reference: float | None = None
        if standard is not None:
            trained = self._results.get(standard.key)
            if trained is not None:
                reference = trained["result"]["validation_accuracy"]
            elif not self._results.failure(standard.key):
                return False, None
        best = best_point([candidate for candidate, _ in candidates.values()], reference, self._study.select.tolerance)
        return True, None if best is None else candidates[best.key][1]


def _search(family: Family, sweep: Sweep) -> Search:
    threshold = sweep.threshold or max(family.study.thresholds)
    train = family.train({})
    space = {name: dimension.model_dump() for name, dimension in (sweep.space or {}).items()}
    directions = {objective: OBJECTIVES[objective] for objective in sweep.objectives}
    described = {"train": train.params, "search": sweep.search, "space": space, "objectives": directions}
    if train.parents:
        described["parents"] = train.parents
    key = content_key({**described, "threshold": threshold, "early_stopping": sweep.early_stopping})
    return Search(key, f"{sweep.search} {family.label}", sweep, directions, threshold, family)


def _pair_names(study: Study, descriptions: Mapping[str, Description]) -> list[str]:
    """`vgg16/digits` for every pair, with what tells pairs apart where that is not enough."""

    def plain(pair: Pair) -> str:
        return f"{short_name(pair.backbone)}/{descriptions[pair.data].name}"

    def full(pair: Pair) -> str:
        return f"{plain(pair)} width {pair.width:g} image {descriptions[pair.data].image_size}"

    names = []
    for position, pair in enumerate(study.pairs):
        same = [other for other in study.pairs if plain(other) == plain(pair)]
        alike = [other for other in same if full(other) == full(pair)]
        if len(same) == 1:
            names.append(plain(pair))
        else:
            names.append(full(pair) if len(alike) == 1 else f"{full(pair)} pair {position + 1}")
    return names
