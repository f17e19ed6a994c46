"""The spool: the curves that MLflow could not be sent, of trainings that may never have a result to hold them."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.plan.step import Step, describe_step, step_of
from orchestrator.storage import Where, store_at
from orchestrator.storage.layout import SPOOL

_log = logging.getLogger(__name__)

Row = Mapping[str, float]


class Spool:
    """Lines of JSON in `spool/mlflow.jsonl` of a study's store, each on the disk before `append` returns.

    A line that a crash cut short is skipped. One process writes: the driver, or `nemo sync` in its place.

    Args:
        where: Where the study lies.
    """

    def __init__(self, where: Where) -> None:
        self._store = store_at(where)

    def append(self, step: Step, rows: Sequence[Row]) -> None:
        """Keeps entries of a training's history.

        Raises:
            Unwritable: The store cannot be written, or is full.
        """
        self._store.append(SPOOL, json.dumps({**describe_step(step), "rows": [dict(row) for row in rows]}).encode())

    def curves(self) -> list[tuple[Step, list[Row]]]:
        """The trainings, in the order in which they came, and the entries of each."""
        curves: dict[str, tuple[Step, list[Row]]] = {}
        damaged = 0
        for line in self._store.lines(SPOOL):
            try:
                step, rows = _read(json.loads(line))
            except (ValueError, KeyError, TypeError, RecursionError):
                damaged += 1
                continue
            curves.setdefault(step.key, (step, []))[1].extend(rows)
        if damaged:
            _log.warning("%s: %d damaged lines are left out.", self._store.where(SPOOL), damaged)
        return list(curves.values())

    def clear(self) -> None:
        """Forgets everything: it was sent."""
        self._store.delete_all(SPOOL)


def _read(document: dict[str, Any]) -> tuple[Step, list[Row]]:
    rows: list[Row] = [{str(name): float(value) for name, value in row.items()} for row in document["rows"]]
    if any("epoch" not in row or "time" not in row for row in rows):
        raise ValueError("a row is no entry of a history")
    return step_of(document), rows
