"""Imagined results: made-up results of steps that did not run, on top of a ledger's real ones."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import cast

from nemo.methods import Setting
from orchestrator.plan.results import Failure, Result, Results, Trial, WarmStart
from orchestrator.plan.step import Kind, Step, describe_step


class Imagined:
    """A ledger that goes on in memory; the real one is only read.

    Every imagined network is as accurate as the others, so any of them may be the best: their KRR is drawn.
    """

    def __init__(self, ledger: Results, seed: int) -> None:
        self._ledger, self._seed = ledger.snapshot(), seed
        self._results: dict[str, Result] = {}
        self._failures: dict[str, Failure] = {}
        self._trials: dict[str, list[Trial]] = {}

    def get(self, key: str, kind: Kind) -> Result | None:
        """See `Results`."""
        return self._results.get(key) or self._ledger.get(key, kind)

    def snapshot(self) -> Results:
        """See `Results`; what is in memory is asked as fast as a copy of it."""
        return self

    def failure(self, key: str) -> Failure | None:
        """See `Results`."""
        return self._failures.get(key) or self._ledger.failure(key)

    def suggestions(self, search: str) -> list[Trial]:
        """See `Results`."""
        return [*self._ledger.suggestions(search), *self._trials.get(search, [])]

    def warm_start(self, search: str) -> WarmStart | None:
        """See `Results`."""
        return self._ledger.warm_start(search)

    def suggest(self, search: str, number: int, settings: Mapping[str, Setting], generation: int | None = None) -> None:
        """Records a suggestion."""
        self._trials.setdefault(search, []).append(Trial(number, dict(settings), generation=generation))

    def finish(self, step: Step) -> None:
        """Imagines the result of a step."""
        draw = Random(f"{self._seed} {step.key}")
        result: dict[str, float] = {}
        match step.kind:
            case "train":
                result = {"accuracy": 1.0, "validation_accuracy": 1.0}
            case "measure":
                result = {name: draw.random() for name in ("krr", "cohesion", "coupling", "flops_reduction")}
            case "reuse" | "derive":
                return  # nothing is planned by it
        self._results[step.key] = cast("Result", {**describe_step(step), "result": result})

    def fail(self, step: Step) -> None:
        """Imagines that a step failed for good."""
        self._failures[step.key] = {**describe_step(step), "reason": "", "failed": ""}
