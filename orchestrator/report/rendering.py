"""A report in the formats that people and programs read: terminal, Markdown and JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from orchestrator.report.accepted import Accepted
from orchestrator.report.accepted_tables import read_document
from orchestrator.report.frames import Frames
from orchestrator.report.tables import Table
from orchestrator.system.terminal import new_table
from orchestrator.system.text import one_line, printable

_TERMINAL_ROWS = 100
"""So many rows of a table a terminal shows."""


def as_json(frames: Frames, accepted: Accepted | None = None) -> str:
    """One JSON object: `study`, and a list of rows each for `trainings`, `modularizations`, `subtasks`, `derived` and
    `epochs`; where it is known what was read, that as `accepted`, see `read_document`.

    Rates are fractions; what is not known is null. A row names its training by key (`training`). The fields are
    those of `orchestrator.report.frames`.
    """
    topics = {name: getattr(frames, name) for name in ("trainings", "modularizations", "subtasks", "derived", "epochs")}
    # A line for each row, and never all rows as Python's objects: a large study has half a million.
    parts = [f'"study": {json.dumps(frames.study)}']
    if accepted is not None:
        parts.append(f'"accepted": {json.dumps(read_document(accepted), allow_nan=False)}')
    for name, frame in topics.items():
        lines = (json.dumps(row, allow_nan=False) for row in frame.iter_rows(named=True))
        parts.append(f'"{name}": [\n' + ",\n".join(lines) + "\n]")
    return "{" + ",\n".join(parts) + "}"


def as_markdown(study: str, tables: Sequence[Table], notes: Sequence[str] = ()) -> str:
    """The notes and the tables as GitHub's Markdown."""
    parts = [f"# {study}", *(f"> {_cell(note)}" for note in notes)]
    for table in tables:
        body = markdown_table(table.columns, table.rows, table.words)
        parts.append(f"## {table.title}\n\n{table.note}\n\n{body}")
    return printable("\n\n".join(parts) + "\n")


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]], words: int) -> str:
    """A table in GitHub's Markdown, of which the first `words` columns are text."""
    rules = [":--" if place < words else "--:" for place in range(len(columns))]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in (columns, rules, *rows))


def print_report(
    study: str, tables: Sequence[Table], file: TextIO, notes: Sequence[str] = (), read: Sequence[Table] = ()
) -> None:
    """The notes and the heads of the tables for a terminal, as wide as it is; in a file, as wide as they need.

    Args:
        study: Its name.
        tables: What was found.
        file: Where to.
        notes: What a reader must know of the data.
        read: What was read of the data, shown first.
    """
    console = Console(file=file, highlight=False)
    for note in notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    if not tables:
        console.print(f"{study}: nothing has finished yet")
    for table in (each.head(_TERMINAL_ROWS) for each in (*read, *tables)):
        shown = _rich(table)
        if not console.is_terminal:
            console.width = max(Console(width=10_000).measure(shown).maximum, len(table.note))
        for part in (f"[bold]{escape(table.title)}[/bold]", shown, f"[dim]{escape(table.note)}[/dim]"):
            console.print(part)
        console.print()


def _rich(table: Table) -> RichTable:
    shown = new_table(None, table.columns, range(table.words))
    shown.pad_edge = False
    shown.columns[0].min_width = 14
    for row in table.rows:
        shown.add_row(*(escape(one_line(cell)) for cell in row))
    return shown


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
