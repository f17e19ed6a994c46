"""What the adaptive searches of a study found: the trials that no other one beats."""

from __future__ import annotations

from nemo.methods.method import Setting
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.combination_plan import Search
from orchestrator.report.number import Number
from orchestrator.report.tables import Table

PERCENT = {"accuracy": "Validation accuracy %", "krr": "KRR %", "flops_reduction": "FLOPs reduction %"}


def front_table(search: Search, ledger: Ledger) -> Table | None:
    """The Pareto front of a search, or its best trial where it has one objective; None before its first trial."""
    from orchestrator.plan.search import Adaptive

    adaptive = Adaptive(search, ledger)
    finished, stopped = adaptive.counts()
    front = sorted(adaptive.front(), key=lambda trial: trial[2])
    if not finished:
        return None
    names = list(search.sweep.space or {})
    objectives = list(search.directions)
    rows = [
        (
            f"trial {number}",
            *(_setting(settings[name]) for name in names),
            *(_shown(name, value) for name, value in zip(objectives, values, strict=True)),
        )
        for number, settings, values in front
    ]
    title = "Pareto front" if len(objectives) > 1 else "Best trial"
    measured = "" if objectives == ["accuracy"] else f" Modules at threshold {search.threshold:g}."
    allowed = search.sweep.constraints
    kept = "" if allowed is None else f" {adaptive.feasible} of the finished ones are {_within(allowed.accuracy_drop)}."
    start = ledger.warm_start(search.key) if search.sweep.warm_start else None
    began = "" if start is None else f" It was started with {len(start.points)} of the points of {start.study}."
    return Table(
        f"{title}: {search.label}",
        ("Trial", *names, *(PERCENT.get(name, name.capitalize()) for name in objectives)),
        rows,
        f"Of {finished} finished trials and {stopped} that were stopped early.{began}{kept}{measured}",
    )


def _within(drop: float) -> str:
    return f"at most {Number(100 * drop, 2)} points below the standard network's accuracy on validation images"


def _setting(value: Setting) -> str:
    return value if isinstance(value, str) else Number.significant(value, 4)


def _shown(objective: str, value: float) -> str:
    return Number(100 * value, 2) if objective in PERCENT else Number(value, 4)
