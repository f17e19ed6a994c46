"""What was read, as tables of the report and as JSON."""

from __future__ import annotations

from typing import Any

from orchestrator.report.accepted import NEEDS_NOTE, Accepted
from orchestrator.report.number import Number
from orchestrator.report.tables import Table

_READ = "As it is read before anything is loaded; validation is held out of the training data."
_RECORDED = "As it was when the study was last run; the data are not here."


def read_tables(accepted: Accepted) -> list[Table]:
    """A table of what was read of each data set, and one of what steps ask for."""
    note = " ".join([_RECORDED if accepted.recorded else _READ, *accepted.missing])
    tables = [
        Table(f"Data: {each.title}", ("Data", "What was read"), each.rows, note, words=2) for each in accepted.data
    ]
    note = NEEDS_NOTE if accepted.data else " ".join([NEEDS_NOTE, *accepted.missing])
    return [*tables, Table("What steps ask for", ("Steps", "Each"), accepted.needs, note, words=2)]


def class_tables(accepted: Accepted) -> list[Table]:
    """A table of the classes of each data set and their samples."""
    return [
        Table(
            f"Classes: {each.title}",
            ("Class", "Training", "Validation", "Test"),
            [
                (
                    row["name"],
                    *("" if row[part] is None else Number(row[part]) for part in ("train", "validation", "test")),
                )
                for row in each.reading.classes
            ],
            f"Its {each.reading.samples}; empty where that is known once they are loaded.",
        )
        for each in accepted.data
    ]


def read_document(accepted: Accepted) -> dict[str, Any]:
    """All of it: `data`, a list of data sets with all of their classes and class sets, `missing` and `needs`."""
    return {
        "data": [each.document for each in accepted.data],
        "missing": list(accepted.missing),
        "needs": dict(accepted.needs),
    }
