"""An adaptive search: Optuna suggests, the ledger remembers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from nemo.methods import Setting
from orchestrator.plan.combination_plan import Search
from orchestrator.plan.results import Results, Trial
from orchestrator.plan.samplers import as_generation, generation_of, remember_parents, sampler_of
from orchestrator.plan.step import Step
from orchestrator.study.sweep import Point, Range
from orchestrator.study.swept import is_whole


class Memory(Results, Protocol):
    """What a search needs of a ledger."""

    def suggest(self, search: str, number: int, settings: Mapping[str, Setting], generation: int | None = None) -> None:
        """Records a suggestion."""


class Adaptive:
    """Asks Optuna for the settings of one search's trials and tells it how they went.

    The ledger is the memory: a suggestion is written there before it is given out, and on a resume the study is
    rebuilt from it. Finished trials are added again, those in flight are handed out first, under their old numbers.

    Args:
        search: The search.
        ledger: Holds its suggestions, and the results that they led to.
    """

    def __init__(self, search: Search, ledger: Memory) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.search = search
        self._ledger = ledger
        self._space = _distributions(search)
        self._study = optuna.create_study(directions=[*search.directions.values()])  # type: ignore[list-item]
        self._trials: dict[int, int] = {}  # our number -> Optuna's
        self._waiting: list[tuple[int, Point]] = []
        self._warm = False
        suggested = ledger.suggestions(search.key)
        if suggested:
            self._warm_up()
        for trial in suggested:
            settings = dict(trial.settings)
            values = self.values(settings)
            if trial.outcome is not None:
                self._add(trial, TrialState.PRUNED)
            elif values is not None:
                self._add(trial, TrialState.COMPLETE, values)
            elif any(ledger.failure(step.key) for step in self.steps(settings)):
                self._add(trial, TrialState.FAIL)
            elif len(self._trials) < self._wanted:
                self._add(trial, TrialState.RUNNING)
                self._waiting.append((trial.number, settings))

    @property
    def remaining(self) -> int:
        """How many trials `next` will still hand out."""
        return len(self._waiting) + max(0, self._wanted - len(self._trials))

    def next(self) -> tuple[int, list[Step]] | None:
        """The number and the steps of the next trial, the training first; None when there are enough."""
        if not self._waiting:
            if len(self._trials) >= self._wanted:
                return None
            self._waiting.append(self._ask())
        number, settings = self._waiting.pop(0)
        return number, self.steps(settings)

    def hold(self, number: int) -> None:
        """Takes a trial back, to hand it out again later."""
        trial = self._study.get_trials(deepcopy=False)[self._trials[number]]
        self._waiting.insert(0, (number, dict(trial.params)))

    def tell(self, number: int) -> None:
        """Reports to Optuna that a trial ended; its outcome is read from the ledger."""
        trial = self._study.get_trials(deepcopy=False)[self._trials[number]]
        values = self.values(dict(trial.params))
        for name, excess in self.constraints(dict(trial.params)).items():
            # Optuna's own way, once a trial was asked for; direct use of the constructor is all that a resume has.
            optuna.trial.Trial(self._study, trial._trial_id).set_constraint(name, excess)
        stopped = any(each.number == number and each.outcome for each in self._ledger.suggestions(self.search.key))
        if values is not None:
            self._study.tell(self._trials[number], values)
        else:
            self._study.tell(self._trials[number], state=TrialState.PRUNED if stopped else TrialState.FAIL)

    def front(self) -> list[tuple[int, Point, list[float]]]:
        """The finished trials that no other one beats in every objective: number, settings and values of each.

        Where there are constraints, of those that keep to them.
        """
        own = optuna.create_study(directions=self._study.directions)
        own.add_trials(self._own)
        numbers = sorted(self._trials, key=lambda number: self._trials[number])
        return [(numbers[trial.number], dict(trial.params), list(trial.values)) for trial in own.best_trials]

    def counts(self) -> tuple[int, int]:
        """How many trials are finished, and how many were stopped early."""
        states = [trial.state for trial in self._own]
        return states.count(TrialState.COMPLETE), states.count(TrialState.PRUNED)

    def steps(self, settings: Point) -> list[Step]:
        """The training at these settings, and what the objectives need measured of it."""
        return steps_of(self.search, settings)

    def values(self, settings: Point) -> list[float] | None:
        """The objectives' values at these settings, in their order; None unless all are known."""
        return values_of(self.search, settings, self._ledger)

    def constraints(self, settings: Point) -> dict[str, float]:
        """Name -> by how much these settings break each constraint, at most 0 where they keep to it.

        Empty where there is none, and before the training at these settings has finished.
        """
        return constraints_of(self.search, settings, self._ledger)

    @property
    def feasible(self) -> int:
        """How many of the finished trials keep to all constraints."""
        finished = [trial for trial in self._own if trial.state is TrialState.COMPLETE]
        return sum(all(excess <= 0 for excess in trial.constraints.values()) for trial in finished)

    @property
    def optuna(self) -> optuna.Study:
        """Optuna's study, with every trial."""
        return self._study

    @property
    def _wanted(self) -> int:
        return self.search.sweep.trials or 0

    def _ask(self) -> tuple[int, Point]:
        self._warm_up()
        number = max(self._trials, default=-1) + 1
        # A sampler's random state is not in the ledger: a new one per number makes a resumed search go the same way.
        self._study.sampler = sampler_of(self.search.sweep, (int(self.search.key[:8], 16) + number) % 2**32)
        remember_parents(self._study)
        trial = self._study.ask(self._space)
        generation = generation_of(self.search.sweep, self._study.get_trials(deepcopy=False)[trial.number])
        self._ledger.suggest(self.search.key, number, trial.params, generation)
        self._trials[number] = trial.number
        return number, dict(trial.params)

    def _warm_up(self) -> None:
        """Adds the points of another study, once, before all trials: constraints need the standard network by then."""
        start = None if self._warm or not self.search.sweep.warm_start else self._ledger.warm_start(self.search.key)
        self._warm = True
        for point in () if start is None else start.points:
            trial = create_trial(
                params=dict(point.settings),
                distributions=self._space,
                values=[point.values[name] for name in self.search.directions],
                user_attrs={"warm_start": f"{start.study} {point.training}"} if start else {},
                system_attrs=as_generation(self.search.sweep, 0),
                constraints=excess_of(self.search, point.accuracy, self._ledger),
            )
            self._study.add_trial(trial)

    @property
    def _own(self) -> list[FrozenTrial]:
        """The search's trials, without those that it was started with, by Optuna's numbers."""
        warm = len(self._study.get_trials(deepcopy=False)) - len(self._trials)
        return self._study.get_trials(deepcopy=False)[warm:]

    def _add(self, told: Trial, state: TrialState, values: Sequence[float] | None = None) -> None:
        settings = dict(told.settings)
        trial = create_trial(
            state=state,
            params=settings,
            distributions=self._space,
            values=values,
            system_attrs=as_generation(self.search.sweep, told.generation),
            constraints=self.constraints(settings),
        )
        self._trials[told.number] = len(self._study.get_trials(deepcopy=False))
        self._study.add_trial(trial)


def _distributions(search: Search) -> dict[str, BaseDistribution]:
    method = search.combination.method
    return {
        name: _between(dimension, whole=is_whole(method, name))
        if isinstance(dimension, Range)
        else CategoricalDistribution(dimension.choices)
        for name, dimension in (search.sweep.space or {}).items()
    }


def _between(ends: Range, *, whole: bool) -> BaseDistribution:
    if whole:
        return IntDistribution(int(ends.low), int(ends.high), log=ends.log)
    return FloatDistribution(ends.low, ends.high, log=ends.log)


def steps_of(search: Search, settings: Point) -> list[Step]:
    """The training of a search at these settings, and what its objectives need measured of it."""
    combination = search.combination
    train = combination.train(settings)
    if set(search.directions) == {"accuracy"}:
        return [train]
    modularize = combination.modularize(train)
    return [train, modularize, combination.measure(train, modularize, search.threshold)]


def values_of(search: Search, settings: Point, results: Results) -> list[float] | None:
    """The values of a search's objectives at these settings, in their order; None unless all are known."""
    train, *others = steps_of(search, settings)
    documents = [results.get(step.key, step.kind) for step in (train, *others)]
    if any(document is None for document in documents):
        return None
    known = {name: value for document in documents[1:] if document for name, value in document["result"].items()}
    known["accuracy"] = documents[0]["result"]["validation_accuracy"] if documents[0] else None
    return [float(known[name]) for name in search.directions]


def constraints_of(search: Search, settings: Point, results: Results) -> dict[str, float]:
    """Name -> by how much the settings break each constraint of a search, at most 0 where they keep to it.

    Empty where it has none, and before the trainings that they compare have finished.
    """
    if search.sweep.constraints is None:
        return {}
    trained = results.get(search.combination.train(settings).key, "train")
    return {} if trained is None else excess_of(search, trained["result"]["validation_accuracy"], results)


def excess_of(search: Search, accuracy: float, results: Results) -> dict[str, float]:
    """The same of a network with this accuracy on validation images."""
    if search.sweep.constraints is None or search.standard is None:
        return {}
    standard = results.get(search.standard.key, "train")
    if standard is None:
        return {}
    excess = float(standard["result"]["validation_accuracy"] - accuracy) - search.sweep.constraints.accuracy_drop
    return {"accuracy_drop": round(excess, 9)}  # 0.97 - 0.95 is not above 0.02
