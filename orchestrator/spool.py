"""The spool: the curves that MLflow could not be sent, of trainings that may never have a result to hold them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nemo.errors import UserError
from orchestrator.step import Step, describe_step, step_of

_log = logging.getLogger(__name__)

Row = Mapping[str, float]


class Spool:
    """Lines of JSON in `spool/mlflow.jsonl` of a study's folder, each on the disk before `append` returns.

    What a crash left of a line is passed over. One process writes: the driver, or `nemo sync` in its place.

    Args:
        folder: The study's folder.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "spool" / "mlflow.jsonl"

    def append(self, step: Step, rows: Sequence[Row]) -> None:
        """Keeps entries of a training's history.

        Raises:
            UserError: The folder cannot be written, or is full.
        """
        line = json.dumps({**describe_step(step), "rows": [dict(row) for row in rows]})
        try:
            self._file.parent.mkdir(exist_ok=True)
            with open(self._file, "ab") as file:
                # The line break comes first, so that half a line before it spoils nothing.
                file.write(f"\n{line}".encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise UserError(
                f"{self._file.parent}: cannot be written ({error.strerror}), make it writable with room to spare."
            ) from error

    def curves(self) -> list[tuple[Step, list[Row]]]:
        """The trainings, in the order in which they came, and the entries of each."""
        if not self._file.exists():
            return []
        found: dict[str, tuple[Step, list[Row]]] = {}
        damaged = 0
        for line in filter(None, self._file.read_bytes().split(b"\n")):
            try:
                step, rows = _read(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged += 1
                continue
            found.setdefault(step.key, (step, []))[1].extend(rows)
        if damaged:
            _log.warning("%s: %d damaged lines are left out.", self._file, damaged)
        return list(found.values())

    def clear(self) -> None:
        """Forgets everything: it was sent."""
        self._file.unlink(missing_ok=True)


def _read(document: dict[str, Any]) -> tuple[Step, list[Row]]:
    rows: list[Row] = [{str(name): float(value) for name, value in row.items()} for row in document["rows"]]
    if any("epoch" not in row or "time" not in row for row in rows):
        raise ValueError("a row is no entry of a history")
    return step_of(document), rows
