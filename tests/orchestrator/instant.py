"""A driver without Ray: what it submits is finished in the order in which it came, with invented results."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from orchestrator.cluster.cluster import Cluster
from orchestrator.driver import driver as driving
from orchestrator.driver.course import Course
from orchestrator.driver.driver import Driver
from orchestrator.driver.progress import Progress
from orchestrator.execution.context import Context, Event, OnEvent
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.combination_plan import Search
from orchestrator.plan.planner import Planner
from orchestrator.plan.step import Step
from orchestrator.study.data import describe
from orchestrator.study.study import Study
from tests.orchestrator.invented import finish

CLUSTER = Cluster("", ((2.0, 0.0),))

Trainings = Callable[[Sequence[Step], Sequence[Search], Ledger, OnEvent, Callable[[], None]], None]
"""Ends trainings and trials: told of the steps, the searches, the ledger, `on_event`, and how to drain the fan-out."""


class FanOut:
    """Stands in for `fanout.FanOut`."""

    flying: Sequence[Step] = ()

    def __init__(self, context: Context, slots: object, shared: object, on_event: OnEvent, stop: object) -> None:
        self._ledger, self._on_event = context.ledger, on_event
        self._waiting: deque[Step] = deque()

    def submit(self, steps: Sequence[Step]) -> None:
        self._waiting.extend(steps)

    def drain(self) -> None:
        while self._waiting:
            step = self._waiting.popleft()
            self._on_event(Event("finished", step, result=finish(self._ledger, step)))

    def arrange(self, steps: object) -> None:
        pass

    def kept_open(self) -> AbstractContextManager[bool]:
        return nullcontext(True)

    def __enter__(self) -> FanOut:
        return self

    def __exit__(self, *error: object) -> None:
        self.drain()


class Untracked:
    """Stands in for `tracking.Tracking`."""

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given: None


def all_finish(
    steps: Sequence[Step], searches: Sequence[Search], ledger: Ledger, on_event: OnEvent, drain: Callable[[], None]
) -> None:
    for step in steps:
        on_event(Event("finished", step, result=finish(ledger, step)))


def drive(study: Study, folder: Path, trainings: Trainings = all_finish, tracking: Any = None) -> Course:
    """Runs a study to its end; how far it is then."""
    ledger = Ledger(folder)
    course = Course(study, ledger, Planner(describe(study), ledger))
    fanouts: list[FanOut] = []

    def fan_out(*given: Any) -> FanOut:
        fanouts.append(FanOut(*given))
        return fanouts[0]

    def run_trainings(steps: Sequence[Step], searches: Sequence[Search], *given: Any, **named: Any) -> None:
        trainings(steps, searches, ledger, given[-1], fanouts[0].drain)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(driving, "FanOut", fan_out)
        patch.setattr(driving, "run_trainings", run_trainings)
        patch.setattr(driving, "Progress", lambda *given: Progress(*given, console=Console(file=StringIO())))
        Driver(course).run(CLUSTER, tracking or Untracked())
    return course
