"""Writes a report or a comparison in the format that the command line was asked for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import TextIO

from nemo.errors import UserError
from orchestrator.ledger.data import submitted_made_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.report.rendering import as_json, as_markdown, print_report
from orchestrator.report.study_report import gather, training_key
from orchestrator.report.telling import tell
from orchestrator.storage import Where
from orchestrator.storage.studies import study_at

_log = logging.getLogger(__name__)


def write_report(where: Where, form: str, out: Path | None) -> None:
    """Writes a study's report as `terminal`, `md`, `json` or `html`, to a file or to standard output.

    Raises:
        UserError: The file cannot be written.
    """
    with _output(out) as file:
        if form == "html":
            from orchestrator.report.page import read_page

            file.write(read_page(where))
            return
        report = gather(where)
        frames, tables = report.frames, report.all_tables
        if form == "terminal":
            print_report(frames.study, tables, file, report.notes, report.read_tables)
        elif form == "md":
            file.write(as_markdown(frames.study, [*report.read_tables, *tables], report.notes))
        else:
            for note in report.notes:  # JSON has rows alone
                _log.warning("%s", note)
            file.write(as_json(frames, report.accepted) + "\n")


def show_results(where: Where) -> None:
    """Prints the tables of a study that has just run; that these cannot be shown is told, and fails no study."""
    try:
        write_report(where, "terminal", None)
    except UserError:
        raise
    except Exception as error:
        tell(_log, "the report on the terminal", error)


def write_export(where: Where, folder: Path) -> str:
    """Writes everything that a study's report has into a folder; returns the sentence about it.

    Raises:
        UserError: The folder cannot be written.
    """
    from orchestrator.report.export import export

    files = export(gather(where), folder)
    return f"{len(files)} files in {folder}; {folder / 'report.html'} shows what they are of"


def write_swept(where: Where, file: Path) -> str:
    """Writes what a study's sweeps have tried as a storage of Optuna's; returns the sentence about it.

    Raises:
        UserError: The study cannot be planned here or sweeps nothing, or the file cannot be written.
    """
    from orchestrator.report.tried import write_optuna

    ledger = Ledger(where, readonly=True)
    described, _ = submitted_made_of(ledger)
    return write_optuna(described, plan(described, ledger), ledger, file)


def write_comparison(
    names: Sequence[str], runs: Sequence[str], storage: Where | None, form: str, out: Path | None
) -> None:
    """Writes a comparison of studies, or of trainings of one study, as `terminal`, `md` or `json`.

    Args:
        names: Studies, by name or by place.
        runs: Keys of trainings of the only study, or none.
        storage: Where the studies lie that are given by name.
        form: The format.
        out: The file; None is standard output.

    Raises:
        UserError: There is nothing to compare, something does not exist, or the file cannot be written.
    """
    from orchestrator.report.comparison.comparison import compare, side_of, training_side
    from orchestrator.report.comparison.tables import comparison_json, comparison_tables

    if runs and len(names) != 1:
        raise UserError("--run: names trainings of one study, give that study alone.")
    sides = list(runs or names)
    if len(set(sides)) < max(2, len(sides)):
        raise UserError("compare: needs two or more studies, or one and two or more --run, no two of them alike.")
    if runs:
        report = gather(study_at(names[0], storage))
        keys = [training_key(report.frames.trainings, key) for key in runs]
        short_keys = [key[:8] for key in keys]
        labels = short_keys if len(set(short_keys)) == len(keys) else keys
        comparison = compare([training_side(name, report, key) for name, key in zip(labels, keys, strict=True)])
    else:
        reports = [gather(study_at(name, storage)) for name in names]
        own = [report.frames.study for report in reports]
        labels = own if len(set(own)) == len(own) else list(names)  # studies of one name in two storages
        comparison = compare([side_of(name, report) for name, report in zip(labels, reports, strict=True)])
    tables, title = comparison_tables(comparison), " against ".join(comparison.names)
    with _output(out) as file:
        if form == "terminal":
            print_report(title, tables, file)
        else:
            file.write(comparison_json(comparison) + "\n" if form == "json" else as_markdown(title, tables))


@contextmanager
def _output(out: Path | None) -> Iterator[TextIO]:
    """Standard output, or a buffer that is written to the file at the end of the block."""
    if out is None:
        yield sys.stdout
        return
    text = StringIO()
    yield text
    try:
        out.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out: {out} cannot be written ({error.strerror}), choose another file.") from error
