"""What a report shows before its results: the study's settings, what ran, what it took, and what failed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from typing import Any

from orchestrator.ledger.ledger import Ledger
from orchestrator.report.number import Number
from orchestrator.report.status import Overview, count
from orchestrator.report.study_report import StudyReport
from orchestrator.report.tables import Table
from orchestrator.study.class_sets import ClassSets
from orchestrator.study.deriving import Deriving
from orchestrator.study.subtasks import Subtasks
from orchestrator.system.terminal import duration


def overview_of(report: StudyReport) -> Overview | None:
    """The steps by kind; None of a study that cannot be planned here."""
    return None if report.planned is None else count(report.frames.study, report.planned.plan, report.ledger)


def asked(report: StudyReport) -> list[tuple[str, str]]:
    """The study's main settings, in a few lines; none where it cannot be planned here."""
    if report.planned is None:
        return []
    study = report.planned.study
    pairs = dict.fromkeys(
        f"{pair.backbone}{'' if pair.width == 1 else f' x{pair.width:g}'} on {pair.dataset}" for pair in study.pairs
    )
    lines = {
        "Networks": ", ".join(pairs),
        "Methods": ", ".join(study.methods),
        "Sweep": "; ".join(
            f"{method}: {_sweep(sweep.model_dump(by_alias=True, exclude_unset=True))}"
            for method, sweep in study.sweep.items()
        ),
        "Seeds": ", ".join(map(str, study.seeds)),
        "Thresholds": ", ".join(f"{threshold:g}" for threshold in study.thresholds),
        "Sub-tasks": "" if study.subtasks is None else _subtasks(study.subtasks),
        "Derived": "" if study.derive is None else _derived(study.derive),
    }
    return [(name, text) for name, text in lines.items() if text]


def _sweep(sweep: Mapping[str, Any]) -> str:
    kind = next((name for name in ("grid", "list", "search") if sweep.get(name)), "")
    if kind == "search":
        search = sweep["search"]
        told = search if isinstance(search, str) else " ".join(f"{name}={value}" for name, value in search.items())
        return f"{told}, {sweep.get('trials')} trials over {', '.join(sweep.get('space') or {})}"
    if kind == "list":
        return f"{len(sweep['list'])} points"
    return " × ".join(f"{name} in {', '.join(map(str, values))}" for name, values in sweep.get("grid", {}).items())


def _subtasks(wanted: Subtasks) -> str:
    return f"{_sets(wanted)}, cut from {'the best' if wanted.source == 'best' else 'every'} sweep point"


def _derived(wanted: Deriving) -> str:
    budgets = ", ".join(f"{measure} {share:g}" for budget in wanted.budgets for measure, share in budget.items())
    methods = ", ".join(dict.fromkeys(each.method for each in wanted.methods))
    return f"{_sets(wanted)}, by {methods}, within {budgets}"


def _sets(wanted: ClassSets) -> str:
    sizes = ", ".join(map(str, wanted.sizes))
    parts = [f"of {sizes} classes ({wanted.samples} of each size)"] if sizes else []
    parts += [f"{len(wanted.classes)} given by their classes"] if wanted.classes else []
    parts += [f"groups {', '.join(wanted.named)}"] if wanted.named else []
    return " and ".join(parts)


def facts(report: StudyReport, overview: Overview | None) -> list[tuple[str, str]]:
    """What a reader sees first: label and number."""
    frames = report.frames
    seconds = sum(_seconds(report).values())
    failed = len(report.ledger.failures()) if overview is None else len(overview.failures)
    numbers = [
        ("trainings", f"{len(frames.trainings)}"),
        ("sub-tasks", f"{len(frames.subtasks)}"),
        *([("derived", f"{len(frames.derived)}")] if len(frames.derived) else []),
        ("steps' time", duration(seconds)),
        ("failed", f"{failed}"),
    ]
    left = 0 if overview is None else sum(each.left for each in overview.counts)
    return [*numbers, ("steps left", str(left))] if left else numbers


def _seconds(report: StudyReport) -> dict[str, float]:
    frames = report.frames
    return {
        "Trainings": float(frames.trainings["seconds"].sum()),
        "Modularizing": float(frames.trainings["modularizing_seconds"].sum()),
        "Sub-tasks": float(frames.subtasks["seconds"].sum()),
        **({"Deriving": float(frames.derived["seconds"].sum())} if len(frames.derived) else {}),
    }


def ran_tables(report: StudyReport, shown: Overview | None) -> list[Table]:
    """What ran and what it took, and what it was made with."""
    tables = [cost_table(report, shown), origin_table(report.ledger, set(report.frames.trainings["key"]))]
    return [table for table in tables if table.rows]


def cost_table(report: StudyReport, shown: Overview | None) -> Table:
    """The steps and their time; how many were planned is not known of a study that cannot be planned here."""
    kinds = {
        "Trainings": ("train",),
        "Modularizing": ("modularize", "measure"),
        "Sub-tasks": ("reuse",),
        "Deriving": ("derive",),
    }
    rows = []
    for name, seconds in _seconds(report).items():
        parts = [] if shown is None else [each for each in shown.counts if each.kind in kinds[name]]
        finished = sum(each.finished for each in parts)
        numbers = ("", "", "", "")
        if parts:
            planned, failed = sum(each.known + each.up_to for each in parts), sum(each.failed for each in parts)
            mean = Number(seconds / finished, 1) if finished else ""
            numbers = (Number(planned), Number(finished), Number(failed), mean)
        rows.append((name, *numbers, Number(seconds / 60, 1)))
    return Table(
        "What ran and what it took",
        ("Steps", "Planned", "Finished", "Failed", "Seconds each", "Minutes"),
        rows,
        "Wall time of the steps, one after the other; they may have run side by side, and a training with several "
        "workers counts once. Modularizing: relevance passes and measures.",
    )


def failures(report: StudyReport, shown: Overview | None) -> list[Mapping[str, Any]]:
    """The failed steps of the study, each with `label` and `reason`."""
    return list(report.ledger.failures().values() if shown is None else shown.failures)


def origin_table(ledger: Ledger, keys: Set[str]) -> Table:
    """The trainings by commit, packages and machine, the most frequent first."""
    counted = Counter(origin_of(document) for key, document in ledger.results("train") if key in keys)
    return Table(
        "What it was made with",
        ("Commit", "Software", "Machine", "Ran on", "Trainings"),
        [(*origin, Number(number)) for origin, number in counted.most_common()],
        "As each training recorded it; a commit with changes was not all that ran.",
        words=4,
    )


def origin_of(document: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Commit, software, machine, and what a training ran on."""
    environment = document.get("environment") or {}
    git, hardware = environment.get("git") or {}, environment.get("hardware") or {}
    commit = str(git.get("commit") or "unknown")[:12] + (" with changes" if git.get("changed") else "")
    packages = {"python": environment.get("python"), **(environment.get("packages") or {})}
    software = ", ".join(f"{name} {packages[name]}" for name in ("python", "torch", "ray") if packages.get(name))
    machine = [hardware.get("cpu"), *(hardware.get("gpus") or ())]
    machine += [f"{hardware['cores']} cores"] if "cores" in hardware else []
    machine += [f"{hardware['memory_gb']} GB"] if "memory_gb" in hardware else []
    workers = document.get("workers") or 1
    ran = f"{document.get('device') or 'unknown'}, {workers} worker{'s' * (workers != 1)}"
    return commit, software, ", ".join(str(part) for part in machine if part), ran
