"""What one combination adds to a plan: its steps as far as they are known, and how many more there may be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import dataclass

from orchestrator.plan.best import TrainedPoint, best_point
from orchestrator.plan.combination import Combination
from orchestrator.plan.deriving import derive_count, derive_steps
from orchestrator.plan.results import Result, Results, Trial
from orchestrator.plan.step import Step
from orchestrator.storage.keys import content_key
from orchestrator.study.sweep import OBJECTIVES, Point, Sweep


@dataclass(frozen=True)
class Search:
    """An adaptive search over one pair, method and seed.

    Attributes:
        key: Names its suggestions in the ledger; more trials do not change it.
        label: What a person reads.
        sweep: Its space, number of trials, objectives and early stopping.
        directions: Objective -> `maximize` or `minimize`.
        threshold: Where KRR, cohesion, coupling and FLOPs reduction are measured.
        standard: The training that its constraints compare with, where it has such.
    """

    key: str
    label: str
    sweep: Sweep
    directions: Mapping[str, str]
    threshold: float
    combination: Combination
    standard: Step | None = None

    @property
    def after(self) -> frozenset[str]:
        """The trainings, by their keys, without whose results no trial starts."""
        needed = self.combination.train({}).parents.values()
        return frozenset(needed) | ({self.standard.key} if self.standard else frozenset())


@dataclass(frozen=True)
class CombinationPlan:
    """A plan of one combination; it is valid until one of the steps that it depends on finishes or fails.

    Attributes:
        steps: The combination's, and the trainings that they need of others.
        up_to: Kind -> how many more there may be.
        search: Its adaptive search, if it has one.
        best: Key of the training that was chosen on the validation images, if something was.
        dependencies: The keys of the steps whose results and failures it depends on.
    """

    steps: list[Step]
    up_to: Counter[str]
    search: Search | None
    best: str | None
    dependencies: Set[str]


def plan_combination(combination: Combination, standard: Step | None, results: Results) -> CombinationPlan:
    """Plans a combination; `standard` is the standard training of its pair and seed, where the study has it."""
    return _Planner(combination, standard, results).plan()


class _Planner:
    def __init__(self, combination: Combination, standard: Step | None, results: Results) -> None:
        self._combination, self._standard, self._results = combination, standard, results
        self._study = combination.study
        self._dependencies: set[str] = set()

    def plan(self) -> CombinationPlan:
        combination, subtasks = self._combination, self._study.subtasks
        points, missing, search = self._points()
        steps = [*combination.before.values()]
        for point in points:
            steps += combination.point_steps(point)
        up_to = Counter(train=missing)
        if combination.modular:
            up_to.update(modularize=missing, measure=missing * len(combination.thresholds))
        tasks = combination.reuse_count
        best: Point | None = None
        if subtasks is None or subtasks.source == "every":
            for point in points:
                steps += combination.reuse_steps(point, self._standard)
            up_to["reuse"] = missing * tasks
        elif combination.modular:
            decided, best = self._choose(points) if not missing else (False, None)
            if best is not None:
                steps += combination.reuse_steps(best, self._standard)
            up_to["reuse"] = 0 if decided else tasks
        for point in points:
            steps += derive_steps(combination, combination.train(point))
        up_to["derive"] = missing * derive_count(combination) if missing else 0
        return CombinationPlan(
            steps, up_to, search, None if best is None else combination.train(best).key, self._dependencies
        )

    def _points(self) -> tuple[list[Point], int, Search | None]:
        """The points to train, how many more a search may still suggest, and that search."""
        sweep = self._study.sweep.get(self._combination.method)
        searches = sweep is not None and bool(sweep.search)
        if self._combination.waits:
            points = self._study.points(self._combination.method)
            return [], sweep.trials or 0 if sweep is not None and searches else len(points), None
        if sweep is None or not searches:
            return self._study.points(self._combination.method), 0, None
        search = _search(self._combination, sweep, self._standard)
        needed = [*self._combination.before.values(), *([search.standard] if search.standard else [])]
        if any(self._failed(step) for step in needed):
            return [], 0, None
        trials = self._results.suggestions(search.key)[: sweep.trials]
        points = [dict(trial.settings) for trial in trials if trial.outcome is None or self._trained(trial)]
        return points, (sweep.trials or 0) - len(trials), search

    def _trained(self, trial: Trial) -> bool:
        """Whether a trial has a result although it was stopped: another study trained the same to the end."""
        return self._get(self._combination.train(dict(trial.settings))) is not None

    def _choose(self, points: list[Point]) -> tuple[bool, Point | None]:
        """Whether everything is known that the choice depends on, and the best point; failed points do not count."""
        combination, threshold = self._combination, max(self._study.thresholds)
        candidates: dict[str, tuple[TrainedPoint, Point]] = {}
        for point in points:
            train = combination.train(point)
            modularize = combination.modularize(train)
            measure = combination.measure(train, modularize, threshold)
            trained, measured = self._get(train), self._get(measure)
            if trained is not None and measured is not None:
                candidate = TrainedPoint(train.key, trained["result"]["validation_accuracy"], measured["result"]["krr"])
                candidates[train.key] = candidate, point
            elif not any(self._failed(step) for step in (train, modularize, measure)):
                return False, None
        reference: float | None = None
        if self._standard is not None:
            trained = self._get(self._standard)
            if trained is not None:
                reference = trained["result"]["validation_accuracy"]
            elif not self._failed(self._standard):
                return False, None
        best = best_point([candidate for candidate, _ in candidates.values()], reference, self._study.select.tolerance)
        return True, None if best is None else candidates[best.key][1]

    def _get(self, step: Step) -> Result | None:
        self._dependencies.add(step.key)
        return self._results.get(step.key, step.kind)

    def _failed(self, step: Step) -> bool:
        self._dependencies.add(step.key)
        return self._results.failure(step.key) is not None


def _search(combination: Combination, sweep: Sweep, standard: Step | None) -> Search:
    threshold = sweep.threshold or max(combination.study.thresholds)
    train = combination.train({})
    space = {name: dimension.model_dump() for name, dimension in (sweep.space or {}).items()}
    directions = {objective: OBJECTIVES[objective] for objective in sweep.objectives}
    described = {"train": train.params, "search": sweep.told_search, "space": space, "objectives": directions}
    if train.parents:
        described["parents"] = train.parents
    if sweep.constraints is None:
        standard = None
    elif standard is not None:
        described["constraints"] = {**sweep.constraints.model_dump(), "standard": standard.key}
    if sweep.warm_start is not None:
        described["warm_start"] = sweep.warm_start
    key = content_key({**described, "threshold": threshold, "early_stopping": sweep.stopping and sweep.stopping.told})
    return Search(key, f"{sweep.search_name} {combination.label}", sweep, directions, threshold, combination, standard)
