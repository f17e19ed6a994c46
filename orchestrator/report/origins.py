"""What a study's trainings were made with: code, packages and machines."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from typing import Any

from orchestrator.ledger.ledger import Ledger
from orchestrator.report.tables import Table


def origin_table(ledger: Ledger, keys: Set[str]) -> Table:
    """The trainings by commit, packages and machine, the most frequent first."""
    counted = Counter(origin_of(document) for key, document in ledger.results("train") if key in keys)
    return Table(
        "What it was made with",
        ("Commit", "Software", "Machine", "Ran on", "Trainings"),
        [(*origin, str(number)) for origin, number in counted.most_common()],
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
