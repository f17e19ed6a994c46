"""Live progress of a run: bars in a terminal, plain lines where there is none; always on standard error."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.progress import Progress as Bars

from nemo.errors import UserError
from orchestrator.ledger.ongoing import Ongoing, read_ongoing, record_ongoing
from orchestrator.plan.step import NOUNS, Step
from orchestrator.storage import Store

PLAIN_SECONDS = 10.0
"""Plain lines about epochs and counts come at most this often, so that a log stays readable."""


def tell_ongoing(store: Store, steps: Sequence[Ongoing]) -> None:
    """Says in the storage what runs, where that has changed; of a storage that cannot be written others tell."""
    with suppress(UserError):
        if read_ongoing(store) != list(steps):
            record_ongoing(store, steps)


class Progress(AbstractContextManager["Progress"]):
    """Shows how far a study is; the driver calls it for each event, from one thread.

    Args:
        totals: Kind -> steps of the study, finished ones included; `totals()` changes them later.
        finished: Kind -> steps that were finished before this run.
        console: Where to write; None is standard error, which leaves standard output to the report.
    """

    def __init__(
        self,
        totals: Mapping[str, int],
        finished: Mapping[str, int] | None = None,
        console: Console | None = None,
    ) -> None:
        self._console = console or Console(file=sys.stderr)
        self._done = Counter(finished or {})
        self._failed: Counter[str] = Counter()
        self._total = dict(totals)
        self._last_line = time.monotonic()
        self._overall: dict[str, TaskID] = {}
        self._running: dict[str, TaskID] = {}
        self._bars: Bars | None = None
        if self._console.is_terminal:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            self._bars = Bars(*columns, TextColumn("{task.fields[note]}"), console=self._console, transient=True)

    def __enter__(self) -> Progress:
        if self._bars:
            self._bars.start()
        self.totals(self._total)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bars:
            self._bars.stop()
        self._console.print(self._summary(), highlight=False, soft_wrap=True)

    def totals(self, totals: Mapping[str, int]) -> None:
        """Updates the number of steps of each kind (sub-tasks of the best point are known only late)."""
        self._total = dict(totals)
        if self._bars:
            for kind, total in self._total.items():
                if kind not in self._overall and total:
                    name = NOUNS.get(kind, kind)
                    self._overall[kind] = self._bars.add_task(f"[bold]{name}", total=total, note="")
                if kind in self._overall:
                    self._bars.update(self._overall[kind], total=total, completed=self._done[kind])

    def started(self, step: Step) -> None:
        """A step runs now; a training gets a line of its own."""
        if step.kind != "train":
            return
        if self._bars:
            if step.key not in self._running:
                label = f"  {escape(step.label)}"
                self._running[step.key] = self._bars.add_task(label, total=None, note="")
        else:
            self._line(f"{step.label}: started")

    def epoch(self, step: Step, metrics: Mapping[str, float], epochs: int) -> None:
        """A training finished an epoch: `metrics` is its entry of the history, `epochs` how many there will be."""
        number = int(metrics["epoch"]) + 1
        parts = [f"{name} {metrics[name]:.3f}" for name in ("train/loss", "search/fitness") if name in metrics]
        parts += [f"accuracy {metrics[name]:.1%}" for name in ("test/accuracy",) if name in metrics]
        note = ", ".join(parts)
        if self._bars:
            self.started(step)
            self._bars.update(self._running[step.key], total=epochs, completed=number, note=note)
        elif number == epochs or self._line_is_due():
            self._line(f"{step.label}: epoch {number}/{epochs}, {note}")

    def measuring(self, steps: Sequence[Ongoing]) -> None:
        """What runs: a measurement of many modules says how far it is."""
        for each in steps:
            if each.kind == "measure" and each.of and self._line_is_due():
                self._line(f"{each.label}: {each.done} of {each.of} modules are measured")

    def finished(self, step: Step, result: Mapping[str, Any] | None = None) -> None:
        """A step's result is in the ledger; `result` is its record's `result`."""
        self._done[step.kind] += 1
        self._close(step)
        if self._bars:
            if step.kind in self._overall:
                self._bars.update(self._overall[step.kind], completed=self._done[step.kind])
        elif step.kind == "train":
            accuracy = (result or {}).get("accuracy")
            self._line(f"{step.label}: finished" + (f", accuracy {accuracy:.1%}" if accuracy is not None else ""))
        elif self._done[step.kind] == self._total.get(step.kind) or self._line_is_due():
            self._line(self._summary())

    def failed(self, step: Step, reason: str) -> None:
        """A step failed for good in this run; the others go on."""
        self._failed[step.kind] += 1
        self._close(step)
        self._console.print(f"[red]{escape(step.label)}: failed: {escape(reason)}", highlight=False, soft_wrap=True)

    def stopped(self, step: Step, reason: str) -> None:
        """A search stopped a training early."""
        self._close(step)
        self._line(f"{step.label}: {reason}")

    def silent(self, text: str) -> None:
        """Shows a message about what is waited for while nothing happens."""
        self._console.print(f"[yellow]{escape(text)}", highlight=False, soft_wrap=True)

    def _close(self, step: Step) -> None:
        task = self._running.pop(step.key, None)
        if self._bars and task is not None:
            self._bars.remove_task(task)

    def _line_is_due(self) -> bool:
        return time.monotonic() - self._last_line >= PLAIN_SECONDS

    def _line(self, text: str) -> None:
        self._last_line = time.monotonic()
        self._console.print(escape(text), highlight=False, soft_wrap=True)

    def _summary(self) -> str:
        parts = []
        for kind, total in self._total.items():
            if total:
                failed = f" ({self._failed[kind]} failed)" if self._failed[kind] else ""
                parts.append(f"{self._done[kind]}/{total} {NOUNS.get(kind, kind)}{failed}")
        return ", ".join(parts) or "nothing to do"
