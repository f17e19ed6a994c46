"""The frontier: which steps of a plan may run now, which are lost, and which are still to run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Literal

from orchestrator.plan.step import Step

Outcome = Literal["unfinished", "failed", "finished"]
"""What became of a study: `failed` is one of which nothing is left to run but what failed."""


class Frontier:
    """How far the work on a plan is: updated with results and failures, and with steps that the plan adds later.

    Args:
        steps: Those of the plan that are known, parents before children.
        finished: The keys of all results, those of no step of the plan among them.
        failed: The keys of the steps that failed for good.

    Attributes:
        steps: Key -> step of the plan.
        finished, failed: As in the arguments, kept up to date.
    """

    def __init__(self, steps: Iterable[Step], finished: Set[str], failed: Iterable[str]) -> None:
        self.finished, self.failed = set(finished), set(failed) - finished
        self.steps: dict[str, Step] = {}
        self._children: dict[str, list[Step]] = {}
        self._released: set[str] = set()
        self.adopt(steps)

    def adopt(self, steps: Iterable[Step]) -> None:
        """Adds steps that the plan now includes, parents before children."""
        for step in steps:
            self.steps[step.key] = step
            for parent in step.parents.values():
                self._children.setdefault(parent, []).append(step)

    def renew(self, steps: Iterable[Step]) -> None:
        """Takes the steps of a plan that has grown: those that are known may have another priority, others are added.

        Args:
            steps: All of the plan, parents before children.
        """
        known = {**self.steps, **{step.key: step for step in steps}}
        self._children.clear()
        self.adopt(known.values())

    def finish(self, step: Step) -> None:
        """The step has its result."""
        self.finished.add(step.key)

    def fail(self, step: Step) -> None:
        """The step failed for good."""
        self.failed.add(step.key)

    @property
    def lost(self) -> set[str]:
        """The keys of the steps that can never run, because a step that they depend on failed."""
        unreachable, done = set(self.failed), self.finished | self.failed
        for key, step in self.steps.items():  # parents come first
            if key not in done and not unreachable.isdisjoint(step.parents.values()):
                unreachable.add(key)
        return unreachable - self.failed

    @property
    def pending(self) -> list[Step]:
        """The steps that are still to run: without a result, and with no failure of their own or above them."""
        done = self.finished | self.failed | self.lost
        return [step for key, step in self.steps.items() if key not in done]

    @property
    def parents(self) -> list[Step]:
        """The steps whose results the pending ones read."""
        keys = {parent for step in self.pending for parent in step.parents.values()}
        return [step for key, step in self.steps.items() if key in keys]

    @property
    def broken(self) -> bool:
        """Whether a step of the plan failed for good; one that the plan no longer has does not count."""
        return not self.failed.isdisjoint(self.steps)

    def outcome(self, up_to: Mapping[str, int]) -> Outcome:
        """What became of the study.

        It is finished, or has failed, when no step is pending and no search may suggest one. Other steps that may come
        do not count: they come of pending ones, or never, where the training of a point that they choose from is lost.

        Args:
            up_to: See `orchestrator.plan.planner.Plan`.
        """
        if self.pending or up_to["train"] > 0:
            return "unfinished"
        return "failed" if self.broken else "finished"

    def children(self, step: Step) -> list[Step]:
        """The steps that read a step's result."""
        return self._children.get(step.key, [])

    def release(self, steps: Iterable[Step]) -> list[Step]:
        """The steps that may run now, because all of their parents are finished; each once, and no trainings.

        Trainings wait in a `TrainingQueue`.
        """
        ready = []
        for step in steps:
            done = step.key in self.finished or step.key in self.failed or step.key in self._released
            if step.kind != "train" and not done and self.finished.issuperset(step.parents.values()):
                self._released.add(step.key)
                ready.append(step)
        return ready
