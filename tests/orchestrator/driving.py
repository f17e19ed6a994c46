"""Drives the tiny study's steps through Ray without the driver around them, and collects the events."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from orchestrator.cluster.capacity import Slots
from orchestrator.cluster.cluster import Cluster
from orchestrator.cluster.orphan import MARKER
from orchestrator.execution.context import Context, Event
from orchestrator.execution.fanout import FanOut, Shared
from orchestrator.execution.scheduler import run_trainings
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Plan, plan
from orchestrator.plan.step import Step
from orchestrator.study.data import describe
from orchestrator.study.file import load_study_file
from tests import tiny


@dataclass
class Drive:
    """One study in its own folder, on a cluster that may serve several."""

    folder: Path
    cluster: Cluster
    changes: dict[str, Any] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.study = load_study_file(tiny.write_study(self.folder, **self.changes), [])
        self.described = describe(self.study)
        self.ledger = Ledger(self.folder)
        self.context = Context(self.ledger.store, self.study.resources)
        self.slots = Slots(self.cluster)
        self.shared = Shared(self.context)

    @property
    def plan(self) -> Plan:
        return plan(self.described, self.ledger)

    def steps(self, kind: str) -> list[Step]:
        return [step for step in self.plan.steps if step.kind == kind]

    def train(self, steps: list[Step] | None = None, on_event: Callable[[Event], None] = lambda event: None) -> None:
        def tell(event: Event) -> None:
            self.events.append(event)
            on_event(event)

        wanted = self.steps("train") if steps is None else steps
        searches = self.plan.searches
        run_trainings(wanted, searches, self.context, self.cluster, self.slots, self.shared, tell)

    def train_killing(self, head: Path, title: str | None) -> None:
        """Trains; a worker that runs `title` is killed once, after the first checkpoint; see `kill_one`."""
        left = [title] if title else []

        def kill(event: Event) -> None:
            if event.kind == "epochs" and left:
                kill_one(head, left.pop())

        self.train(on_event=kill)
        assert not left

    def fan_out(
        self, steps: list[Step], on_event: Callable[[FanOut, Event], None] = lambda fanout, event: None
    ) -> None:
        def tell(event: Event) -> None:
            self.events.append(event)
            on_event(fanout, event)

        with FanOut(self.context, self.slots, self.shared, tell) as fanout:
            fanout.submit(steps)

    def told(self, kind: str, step: Step | None = None) -> list[Event]:
        return [event for event in self.events if event.kind == kind and step in (None, event.step)]


def kill_one(head: Path, title: str, there: bool = True) -> bool:
    """Kills one worker of the head that `head` records, by what `ps` shows that it runs; says whether there was one.

    Args:
        head: The folder of the study that the head was started for.
        title: What `ps` shows after `ray::`.
        there: Whether there must be one.
    """
    marker = json.loads((head / "ray" / "head.json").read_text())["marker"]
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARKER) == marker and process.cmdline()[0].startswith(f"ray::{title}"):
                process.kill()
                process.wait(30)
                return True
    assert not there, f"no process runs {title}"
    return False
