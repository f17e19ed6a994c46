"""The failures of a study: why each step failed, the end of its traceback, and the command that tries all again."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.status import study_overview
from orchestrator.storage import Store
from orchestrator.storage.layout import SUBMITTED, log
from orchestrator.storage.studies import default_storage, find_study, known_studies
from orchestrator.system.credentials import masked
from orchestrator.system.text import printable

LAST_LINES = 12
"""So many lines of a traceback say where it happened and what; the file has the others."""


def print_tracebacks(root: Store, name: str | None, console: Console) -> None:
    """The failures of a study, or of all that a storage has.

    Raises:
        UserError: There is no study of this name.
    """
    names = known_studies(root) if name is None else [name]
    if not names:
        console.print(f"no study has been run under {str(root)!r} yet", markup=False, soft_wrap=True)
    for study in [find_study(root, each) for each in names]:
        for line in failure_lines(study):
            console.print(printable(masked(line)), markup=False, soft_wrap=True)


def failure_lines(study: Store) -> list[str]:
    """What is told of a study's failures, from its store alone."""
    failures = _failures(study)
    if not failures:
        return [f"{study.name}: nothing has failed."]
    lines = []
    for failure in failures:
        lines.append(f"failed: {failure['label']}: {failure['reason']}")
        written = study.read(log(failure["key"]))
        if written is None:
            lines.append("  The reason says all: no traceback was kept.")
            continue
        text = [line.rstrip() for line in written.decode(errors="replace").splitlines() if line.strip()]
        lines += [f"  | {line}" for line in text[-LAST_LINES:]]
        lines.append(f"  The whole traceback: {study.where(log(failure['key']))}")
    return [*lines, f"Try {'it' if len(failures) == 1 else 'them'} again: {retry_command(study)}"]


def retry_command(study: Store) -> str:
    """What runs a study's failed steps again; in a bucket lies no file that `nemo run` could read."""
    file = f"{study.name}.yaml" if study.remote else study.where(SUBMITTED)
    option = [] if default_storage() == study.parent else ["--storage", str(study.parent)]
    return shlex.join(["nemo", "run", file, *option, "--retry-failed"])


def _failures(study: Store) -> Sequence[Mapping[str, Any]]:
    """The failed steps of the study as it was last submitted; all that there are where it cannot be planned here."""
    try:
        return study_overview(study).failures
    except UserError:  # such as data that this machine lacks
        return list(Ledger(study, readonly=True).failures().values())
