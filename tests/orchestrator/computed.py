"""A study that is really computed, in this process and without Ray."""

from __future__ import annotations

from typing import Any

from orchestrator.ledger import Ledger
from orchestrator.step import Step
from orchestrator.stores import Where
from orchestrator.study import Study
from tests.orchestrator.in_process import compute
from tests.orchestrator.invented import invented_study


def computed_study(storage: Where, text: str) -> tuple[Study, Ledger]:
    """The study, finished."""
    return invented_study(storage, text, by=_finish)


def _finish(ledger: Ledger, step: Step) -> dict[str, Any]:
    result = compute(step, ledger)
    return ledger.put(step, result, seconds=1.0, environment={}, device="cpu", workers=1)
