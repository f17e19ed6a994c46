"""A report in the formats that people and programs read: terminal, Markdown and JSON."""

from __future__ import annotations

import json
from typing import Any, TextIO

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from orchestrator.report.frames import Frames
from orchestrator.report.tables import Table, report_tables

SHARED = ("key", "method", "backbone", "dataset", "width", "settings", "seed", "accuracy")
TRAINING = (*SHARED, "validation_accuracy")
MODULARIZATION = (*SHARED, "training", "validation_accuracy", "threshold", "krr", "cohesion", "coupling")
SUBTASK = (*SHARED, "training", "threshold", "classes", "accuracy_before_finetuning", "standard_accuracy", "krr")
SUBTASK_COST = ("flops", "flops_reduction")


def as_json(frames: Frames) -> str:
    """One JSON object: `study`, and a list of rows each for `trainings`, `modularizations` and `subtasks`.

    Rates are fractions; what is not known is null. A row names its training by key (`training`).
    """
    document: dict[str, Any] = {
        "study": frames.study,
        "trainings": frames.trainings.select(TRAINING).to_dicts(),
        "modularizations": frames.modularizations.select(MODULARIZATION).to_dicts(),
        "subtasks": frames.subtasks.select(*SUBTASK, *SUBTASK_COST).to_dicts(),
    }
    return json.dumps(document, indent=1, allow_nan=False)


def as_markdown(frames: Frames) -> str:
    """The tables as GitHub's Markdown."""
    parts = [f"# {frames.study}"]
    for table in report_tables(frames):
        rules = [":--" if index < table.left else "--:" for index in range(len(table.columns))]
        lines = [table.columns, tuple(rules), *table.rows]
        body = "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)
        parts.append(f"## {table.title}\n\n{table.note}\n\n{body}")
    return "\n\n".join(parts) + "\n"


def print_report(frames: Frames, file: TextIO) -> None:
    """The tables for a terminal, as wide as it is; in a file, as wide as they need."""
    console = Console(file=file, highlight=False)
    tables = [_rich(table) for table in report_tables(frames)]
    if not console.is_terminal:
        console.width = max((console.measure(table).maximum for table in tables), default=80)
    if not tables:
        console.print(f"{frames.study}: nothing has finished yet")
    for table in tables:
        console.print(table)
        console.print()


def _rich(table: Table) -> RichTable:
    shown = RichTable(title=table.title, caption=table.note, title_justify="left", caption_justify="left")
    for index, column in enumerate(table.columns):
        shown.add_column(column, justify="left" if index < table.left else "right", overflow="fold")
    for row in table.rows:
        shown.add_row(*(escape(cell) for cell in row))
    return shown


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
