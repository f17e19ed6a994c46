"""The queue of a study's trainings: which one starts next, and which can never start."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from orchestrator.plan.combination_plan import Search
from orchestrator.plan.search import Adaptive, Memory
from orchestrator.plan.step import Step


@dataclass(frozen=True)
class Training:
    """What starts next.

    Attributes:
        steps: The training, and what a search needs measured of it.
        search: The search that suggested it; None of a training that was known beforehand.
        number: Its number among that search's trials.
    """

    steps: list[Step]
    search: Search | None = None
    number: int | None = None


class TrainingQueue:
    """The trainings that are to run: known ones first, then those that searches suggest, which take turns.

    Of those that may start, the ones of the highest priority are next; what others wait for has theirs if it is higher.
    A training waits until its parents, such as its teacher, are trained, and is dropped if one of them failed; a search
    with constraints waits for the standard network likewise. Two of the same key never run at the same time.

    Args:
        steps: Trainings to run; those that a search has suggested are left to it.
        searches: The study's adaptive searches.
        results: What is finished, and the searches' memory.
    """

    def __init__(self, steps: Iterable[Step], searches: Sequence[Search], results: Memory) -> None:
        self._results = results
        self._searches = {search.key: Adaptive(search, results) for search in searches}
        suggested = self._suggested_keys()
        self._steps = [step for step in steps if step.key not in suggested]
        self._turns = list(self._searches.values())
        self._running: set[str] = set()
        self._missing: set[str] = set()  # what was not trained yet when a training last ended
        self.examples = [*self._steps, *(search.combination.train({}) for search in searches)]
        self._arrange()
        self._drop_lost()

    @property
    def waiting(self) -> int:
        """How many trainings are still to start."""
        return len(self._steps) + sum(adaptive.remaining for adaptive in self._turns)

    def next(self) -> Training | None:
        """The training to start now; None where none may."""
        step = next((step for step in self._steps if self._ready(step.parents.values())), None)
        for urgency in sorted({self._urgency[adaptive.search.key] for adaptive in self._turns}, reverse=True):
            if step is not None and urgency <= self._urgency[step.key]:
                break
            turns = [adaptive for adaptive in self._turns if self._urgency[adaptive.search.key] == urgency]
            suggested = self._suggested(turns)
            if suggested is not None:
                return self._start(suggested)
        if step is None:
            return None
        self._steps.remove(step)
        return self._start(Training([step]))

    def _suggested(self, turns: list[Adaptive]) -> Training | None:
        """What one of these searches suggests, which take turns; None where none may."""
        for adaptive in turns:
            self._turns.remove(adaptive)
            self._turns.append(adaptive)
            if not self._ready(adaptive.search.after):
                continue
            suggestion = adaptive.next()
            if suggestion is None:
                self._turns.remove(adaptive)
                continue
            number, steps = suggestion
            if steps[0].key not in self._running:
                return Training(steps, adaptive.search, number)
            adaptive.hold(number)
        return None

    def _arrange(self) -> None:
        """Brings the known ones into order: by their priority, or that of what waits for them, if that is higher."""
        searches = [adaptive.search for adaptive in self._turns]
        self._urgency = {search.key: search.combination.train({}).priority for search in searches}
        self._urgency |= {step.key: step.priority for step in self._steps}
        after = {search.key: search.after for search in searches}
        after |= {step.key: frozenset(step.parents.values()) for step in self._steps}
        for key, parents in after.items():
            for parent in parents:
                if parent in self._urgency:
                    self._urgency[parent] = max(self._urgency[parent], self._urgency[key])
        self._steps.sort(key=lambda step: -self._urgency[step.key])

    def _suggested_keys(self) -> set[str]:
        return {
            adaptive.steps(dict(trial.settings))[0].key
            for adaptive in self._searches.values()
            for trial in self._results.suggestions(adaptive.search.key)
        }

    def extend(self, steps: Iterable[Step], searches: Iterable[Search]) -> int:
        """Takes a plan that has grown: more trainings, trials and searches, and other priorities.

        Args:
            steps: All trainings that are pending, those that run or were suggested among them.
            searches: All of the plan's.

        Returns:
            How many more trainings are still to start.
        """
        before = self.waiting
        for search in searches:
            if search.key in self._searches:
                adaptive = self._searches[search.key]
                adaptive.search = search
            else:
                adaptive = self._searches[search.key] = Adaptive(search, self._results)
            if adaptive not in self._turns:
                self._turns.append(adaptive)
        given, left_out = {step.key: step for step in steps}, self._running | self._suggested_keys()
        self._steps = [given.pop(step.key, step) for step in self._steps]
        for key, step in given.items():
            ended = self._results.get(key, "train") is not None or self._results.failure(key) is not None
            if key not in left_out and not ended:
                self._steps.append(step)
        self._missing.clear()
        self._arrange()
        self._drop_lost()
        return self.waiting - before

    @property
    def exhausted(self) -> bool:
        """Whether nothing will start any more, whatever ends."""
        return not self._steps and not self._turns

    def ended(self, step: Step, search: str | None = None, number: int | None = None) -> int:
        """Updates the queue when a training has ended; its outcome is read from the results.

        Args:
            step: The training.
            search: The key of the search that suggested it, if one did.
            number: Its number there.

        Returns:
            How many waiting trainings can no longer run, because it failed.
        """
        self._running.discard(step.key)
        self._missing.clear()
        if search is not None and number is not None:
            self._searches[search].tell(number)
        return self._drop_lost()

    def _start(self, training: Training) -> Training:
        self._running.add(training.steps[0].key)
        return training

    def _ready(self, parents: Collection[str]) -> bool:
        """Whether all of these trainings have a result."""
        for parent in parents:
            if parent not in self._missing and self._results.get(parent, "train") is None:
                self._missing.add(parent)
        return self._missing.isdisjoint(parents)

    def _drop_lost(self) -> int:
        """Drops the trainings that depend on a failed one, and returns how many these are."""
        before = self.waiting
        parents = {parent for step in self._steps for parent in step.parents.values()}
        parents |= {parent for adaptive in self._turns for parent in adaptive.search.after}
        failed = {parent for parent in parents if self._results.failure(parent) is not None}
        if failed:
            self._steps = [step for step in self._steps if failed.isdisjoint(step.parents.values())]
            self._turns = [adaptive for adaptive in self._turns if failed.isdisjoint(adaptive.search.after)]
        return before - self.waiting
