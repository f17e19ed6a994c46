"""What a study has spent: added up over its runs, and compared with its limits."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ledger.spending import Spent, reached, read_spent, record_spent, spending_text
from orchestrator.storage import store_at
from orchestrator.storage.layout import SPENT
from orchestrator.study.limits import Limits, Prices

PRICES = Prices(cpu=0.5, gpu=2.0)


def test_time_counts_once_and_what_steps_hold_as_often_as_they_hold_it() -> None:
    assert Spent(1.0).plus(1800, 4, 2) == Spent(1.5, 2.0, 1.0)


def test_what_was_spent_is_read_again(tmp_path: Path) -> None:
    store, spent = store_at(tmp_path) / "study", Spent(1.5, 2.0, 1.0)
    assert read_spent(store) == Spent()
    record_spent(store, spent)
    assert read_spent(store) == spent
    store.write(SPENT, b"{}")
    assert read_spent(store) == Spent()


@pytest.mark.parametrize(
    ("limits", "text"),
    [
        (Limits(), ""),
        (Limits(hours=9), ""),
        (Limits(hours=8), "limits.hours (8.00 of 8 hours are spent)"),
        (Limits(gpu_hours=2.5), "limits.gpu_hours (3.00 of 2.5 GPU hours are spent)"),
        (Limits(cost=20, prices=PRICES), ""),
        (Limits(cost=16, prices=PRICES), "limits.cost (16.00 of a cost of 16 are spent)"),
    ],
    ids=str,
)
def test_a_limit_that_is_reached(limits: Limits, text: str) -> None:
    assert reached(limits, Spent(8.0, 20.0, 3.0)) == text


def test_what_is_spent_of_each_limit_is_told() -> None:
    limits = Limits(hours=8, gpu_hours=100, prices=PRICES)
    text = "2.10 of 8 hours, 12.00 of 100 GPU hours, a cost of 24.02"
    assert spending_text(limits, Spent(2.1, 0.03, 12.0)) == text
    assert spending_text(Limits(), Spent(2.1, 0.03, 12.0)) == ""
