"""A report or a comparison, written as a person or a program wants it; the command line's own work."""

from __future__ import annotations

from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from typing import TextIO

from nemo.errors import UserError
from orchestrator.report.rendering import as_json, as_markdown, print_report
from orchestrator.report.study_report import gather, read_report
from orchestrator.storage import Where
from orchestrator.storage.studies import study_at


def write_report(where: Where, form: str, file: TextIO) -> None:
    """Writes a study's report as `terminal`, `md`, `json` or `html`."""
    if form == "html":
        from orchestrator.report.page import read_page

        file.write(read_page(where))
        return
    frames, tables = read_report(where)
    if form == "terminal":
        print_report(frames.study, tables, file)
    else:
        file.write(as_json(frames) + "\n" if form == "json" else as_markdown(frames.study, tables))


def write_comparison(names: Sequence[str], runs: Sequence[str], storage: Where | None, form: str, file: TextIO) -> None:
    """Writes a comparison of studies, or of trainings of one study, as `terminal`, `md` or `json`.

    Args:
        names: Studies, by name or by place.
        runs: Keys of trainings of the only study, or none.
        storage: Where the studies lie that are given by name.
        form: The format.
        file: Where it goes.

    Raises:
        UserError: There is nothing to compare, or something does not exist.
    """
    from orchestrator.report.comparison.comparison import compare, side_of, training_side
    from orchestrator.report.comparison.tables import comparison_json, comparison_tables
    from orchestrator.report.notebook import training_key

    if runs and len(names) != 1:
        raise UserError("--run: names trainings of one study, give that study alone.")
    given = list(runs or names)
    if len(set(given)) < max(2, len(given)):
        raise UserError("compare: needs two or more studies, or one and two or more --run, no two of them alike.")
    if runs:
        report = gather(study_at(names[0], storage))
        keys = [training_key(report.frames.trainings, key) for key in runs]
        brief = [key[:8] for key in keys]
        shown = brief if len(set(brief)) == len(keys) else keys
        comparison = compare([training_side(name, report, key) for name, key in zip(shown, keys, strict=True)])
    else:
        reports = [gather(study_at(name, storage)) for name in names]
        plain = [report.frames.study for report in reports]
        shown = plain if len(set(plain)) == len(plain) else list(names)  # studies of one name in two storages
        comparison = compare([side_of(name, report) for name, report in zip(shown, reports, strict=True)])
    tables, title = comparison_tables(comparison), " against ".join(comparison.names)
    if form == "terminal":
        print_report(title, tables, file)
    else:
        file.write(comparison_json(comparison) + "\n" if form == "json" else as_markdown(title, tables))


def write_text(text: StringIO, out: Path) -> None:
    """Writes what was written so far to a file.

    Raises:
        UserError: It cannot be written.
    """
    try:
        out.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise UserError(f"--out: {out} cannot be written ({error.strerror}), choose another file.") from error
