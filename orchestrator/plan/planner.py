"""The plan: a study and what is finished give the steps, purely; the same arguments give the same plan."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from nemo.backbones.vit_config import short_name
from nemo.image_size import brief_size
from orchestrator.plan.combination import Combination
from orchestrator.plan.combination_plan import CombinationPlan, Search, plan_combination
from orchestrator.plan.results import GivenResults, Result, Results
from orchestrator.plan.step import KINDS, Step
from orchestrator.study.data import DescribedStudy
from orchestrator.study.pair import Pair


@dataclass(frozen=True)
class Plan:
    """The steps of a study as far as they are known.

    Attributes:
        steps: Each once, parents before children.
        up_to: Kind -> how many more there may be, depending on results that are still missing.
        searches: The adaptive searches.
        best: `Combination.label` -> key of the training that was chosen on the validation images, where one was.
    """

    steps: list[Step]
    up_to: Mapping[str, int]
    searches: list[Search]
    best: Mapping[str, str]

    def pending(self, results: Results) -> list[Step]:
        """The steps without a result."""
        return [step for step in self.steps if results.get(step.key, step.kind) is None]

    def counts(self) -> dict[str, int]:
        """Kind -> number of known steps."""
        counted = Counter(step.kind for step in self.steps)
        return {kind: counted[kind] for kind in KINDS}


def plan(described: DescribedStudy, results: Results | Mapping[str, Result]) -> Plan:
    """Plans a study: pure in its arguments.

    Args:
        described: What is wanted, of which data.
        results: A ledger, or key -> result.
    """
    known: Results = GivenResults(results) if isinstance(results, Mapping) else results
    return Planner(described, known).plan


class Planner:
    """A plan that is updated with its results: only the combinations that depend on a step are planned again.

    Args:
        described: What is wanted, of which data.
        results: A ledger that grows.
    """

    def __init__(self, described: DescribedStudy, results: Results) -> None:
        self.described = described
        self._results = results
        self._combinations = combinations(described)
        self._dependents: dict[str, set[int]] = {}  # key of a step -> the combinations that depend on its outcome
        snapshot = results.snapshot()
        self._plans = [self._plan(index, snapshot) for index in range(len(self._combinations))]
        self._up_to = self._count()
        self._known = {step.key for part in self._plans for step in part.steps}

    @property
    def plan(self) -> Plan:
        """The plan as it is now."""
        steps = _in_order(step for part in self._plans for step in part.steps)
        searches = [part.search for part in self._plans if part.search is not None]
        labels = [combination.label for combination, _ in self._combinations]
        best = {label: part.best for label, part in zip(labels, self._plans, strict=True) if part.best is not None}
        return Plan(steps, self.up_to, searches, best)

    @property
    def up_to(self) -> dict[str, int]:
        """See `Plan`."""
        return dict(self._up_to)

    def follow(self, step: Step) -> list[Step]:
        """Plans what depends on a step that has finished, failed or was stopped; returns the steps that are new.

        A step that the plan does not know is one that a search has suggested since.
        """
        indices = set(self._dependents.get(step.key, ()))
        if step.key not in self._known:
            indices |= {index for index, part in enumerate(self._plans) if part.search is not None}
        if not indices:
            return []
        new: list[Step] = []
        for index in sorted(indices):
            self._plans[index] = self._plan(index, self._results)
            new += [each for each in self._plans[index].steps if each.key not in self._known]
        self._up_to = self._count()
        self._known.update(each.key for each in new)
        return _in_order(new)

    def _plan(self, index: int, results: Results) -> CombinationPlan:
        part = plan_combination(*self._combinations[index], results)
        for key in part.dependencies:
            self._dependents.setdefault(key, set()).add(index)
        return part

    def _count(self) -> dict[str, int]:
        return {kind: sum(part.up_to[kind] for part in self._plans) for kind in KINDS}


def combinations(described: DescribedStudy) -> list[tuple[Combination, Step | None]]:
    """Every combination of a study, each with the standard training of its pair and seed, where the study has one."""
    study = described.study
    combinations: list[tuple[Combination, Step | None]] = []
    for pair, name in zip(study.pairs, _pair_names(described), strict=True):
        for seed in study.seeds:
            standard: Step | None = None
            for method in sorted(study.methods, key=lambda method: method != "standard"):
                combination = Combination(study, pair, method, seed, described.of(pair), name)
                if method == "standard" and not combination.waits:
                    standard = combination.train({})
                combinations.append((combination, standard))
    return combinations


def _in_order(steps: Iterable[Step]) -> list[Step]:
    """Each step once, parents before children."""
    first: dict[str, Step] = {}
    for step in steps:
        first.setdefault(step.key, step)
    order = {kind: position for position, kind in enumerate(KINDS)}
    return sorted(first.values(), key=lambda step: order[step.kind])


def _pair_names(described: DescribedStudy) -> list[str]:
    """`vgg16/digits` for every pair, with what tells pairs apart where that is not enough."""

    def plain(pair: Pair) -> str:
        return f"{short_name(pair.backbone)}/{described.of(pair).name}"

    def full(pair: Pair) -> str:
        return f"{plain(pair)} width {pair.width:g} image {brief_size(described.of(pair).image_size)}"

    names = []
    for position, pair in enumerate(described.study.pairs):
        same = [other for other in described.study.pairs if plain(other) == plain(pair)]
        alike = [other for other in same if full(other) == full(pair)]
        recipes = [other for other in alike if other.recipe == pair.recipe]
        if len(same) == 1:
            names.append(plain(pair))
        elif len(alike) == 1:
            names.append(full(pair))
        elif len(recipes) == 1 and pair.recipe:
            names.append(" ".join([full(pair), *(f"{name}={value}" for name, value in pair.recipe.items())]))
        else:
            names.append(f"{full(pair)} pair {position + 1}")
    return names
