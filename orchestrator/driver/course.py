"""How far a study is: its plan against its ledger, kept up to date while it runs; without Ray, torch or MLflow."""

from __future__ import annotations

from collections import Counter

from orchestrator.driver.limits import LimitReached
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.spending import reached, read_spent
from orchestrator.plan.frontier import Frontier, Outcome
from orchestrator.plan.intake import More
from orchestrator.plan.planner import Plan, Planner
from orchestrator.plan.step import KINDS, Step
from orchestrator.study.data import DescribedStudy
from orchestrator.study.study import Study


class Course:
    """A study on its way to its end.

    Args:
        study: What is wanted.
        ledger: What is finished.
        planner: Of the study, against the ledger.

    Attributes:
        searches: The adaptive searches that it began with.
        frontier: How far the work on the plan is.
    """

    def __init__(self, study: Study, ledger: Ledger, planner: Planner) -> None:
        self.study, self.ledger, self.planner = study, ledger, planner
        planned = planner.plan
        self.searches = planned.searches
        self.frontier = Frontier(planned.steps, ledger.finished(), ledger.failures())
        self._counts = Counter[str](step.kind for step in planned.steps)

    @property
    def outcome(self) -> Outcome:
        """What became of the study so far."""
        return self.frontier.outcome(self.planner.up_to)

    @property
    def unfinished(self) -> bool:
        """Whether a step is still to run, or an adaptive search may still suggest one."""
        return self.outcome == "unfinished"

    @property
    def trains(self) -> bool:
        """Whether a training is still to run, or a search may suggest one."""
        return self.planner.up_to["train"] > 0 or any(step.kind == "train" for step in self.frontier.pending)

    @property
    def totals(self) -> dict[str, int]:
        """How many steps of each kind there are, and may come."""
        up_to = self.planner.up_to
        return {kind: self._counts[kind] + up_to[kind] for kind in KINDS}

    def check_limits(self) -> None:
        """Looks whether anything may still be spent.

        Raises:
            LimitReached: Steps are left, and a limit is reached already.
        """
        limit = reached(self.study.limits, read_spent(self.ledger.store))
        if self.unfinished and limit:
            raise LimitReached(limit, self.frontier.pending)

    def to_train(self, planned: Plan) -> More:
        """The trainings of a plan without a result, and its searches."""
        done = self.frontier.finished | self.frontier.failed
        trainings = [step for step in planned.steps if step.kind == "train" and step.key not in done]
        return More(trainings, planned.searches)

    def follow(self, step: Step) -> list[Step]:
        """What may run after a step ended: those of its children, and of the steps that the plan adds only now."""
        new = self.planner.follow(step)
        self.frontier.adopt(new)
        self._counts.update(each.kind for each in new)
        return self.frontier.release([*self.frontier.children(step), *new])

    def renew(self, study: Study, planner: Planner, planned: Plan) -> None:
        """Goes on as a study that has grown."""
        self.study, self.planner = study, planner
        self.frontier.renew(planned.steps)
        self._counts = Counter(step.kind for step in self.frontier.steps.values())


def sound_course(described: DescribedStudy, ledger: Ledger) -> Course:
    """A course whose pending steps have intact inputs: damaged ones are quarantined and become pending themselves."""
    while True:
        course = Course(described.study, ledger, Planner(described, ledger))
        if ledger.sound(course.frontier.parents):
            return course
