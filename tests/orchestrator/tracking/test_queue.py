"""Tracking writes in a thread of its own: in order, to the end, and what stops it is told."""

from __future__ import annotations

import logging
import threading
from pathlib import Path
from typing import Any

import pytest

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.storage.studies import artifact_root, tracking_uri
from orchestrator.system.environment import environment
from orchestrator.tracking import tracking
from orchestrator.tracking.tracking import Tracking
from tests.orchestrator.instant import drive
from tests.orchestrator.invented import invented_study, plan_of
from tests.tracked import assert_whole

pytestmark = pytest.mark.heavy

STEP: Any = object()


class Slow(Tracking):
    """A tracking whose runs stand still until they are let go, and note what they are told."""

    def __init__(self, storage: Path) -> None:
        self.told: list[Any] = []
        self.go = threading.Event()
        super().__init__(tracking_uri(storage), artifact_root(storage), "slow")

    def _ready(self) -> Any:
        return self

    def write_result(self, result: Any) -> None:
        self.go.wait()
        self.told.append(result)

    def write_end(self, step: Any, status: str, reason: str, when: int) -> None:
        self.told.append(reason)

    def open_training(self, step: Any) -> None:
        raise UserError("the folder is full")

    def attach_report(self) -> None:
        """Nothing to attach."""

    def end_study(self, status: str) -> None:
        self.told.append(status)


def result(number: int, kind: str = "train") -> Any:
    return {"number": number, "kind": kind}


@pytest.fixture
def slow(storage: Path) -> Slow:
    return Slow(storage)


def test_nobody_waits_and_the_order_is_kept(slow: Slow) -> None:
    for number in range(3):
        slow.log_result(result(number))
    slow.log_failure(STEP, "NaN")
    assert slow.told == []
    slow.go.set()
    slow.close("FAILED")
    assert slow.told == [result(0), result(1), result(2), "NaN", "FAILED"]


def test_who_waits_long_is_told_what_for(slow: Slow, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(tracking, "PATIENCE", 0.01)
    slow.log_result(result(0))
    threading.Timer(0.5, slow.go.set).start()
    with caplog.at_level(logging.WARNING):
        slow.close()
    assert "MLflow is still being written" in caplog.text
    assert slow.told == [result(0), "FINISHED"]


def test_an_error_is_raised_in_the_drivers_thread_and_the_rest_is_written(slow: Slow) -> None:
    slow.go.set()
    slow.log_epochs(STEP, [])
    with pytest.raises(UserError, match="the folder is full"):
        slow.flush()
    slow.log_result(result(2))
    slow.close()
    assert slow.told == [result(2), "FINISHED"]


def test_an_error_at_the_end_is_raised_by_close(slow: Slow) -> None:
    slow.log_epochs(STEP, [])
    with pytest.raises(UserError, match="the folder is full"):
        slow.close()


def test_a_study_is_whole_in_mlflow(storage: Path) -> None:
    """Half of it was there before, and the driver runs while that is looked up."""
    study, ledger = invented_study(storage, until=5)
    written = Tracking(tracking_uri(storage), artifact_root(storage), study.name)
    written.study_run(study.name, ledger, environment())
    drive(study, ledger.folder, tracking=written)
    written.close()
    assert plan_of(study, ledger).pending(Ledger(ledger.folder)) == []
    assert_whole(tracking_uri(storage), study, Ledger(ledger.folder))


def test_a_long_queue_of_subtasks_is_not_kept_in_memory(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "HELD", 2)
    for number in range(10):
        slow.log_result(result(number, "reuse"))
    slow.log_result(result(10))
    slow.go.set()
    slow.close()
    kept = [each for each in slow.told if each != "FINISHED" and each["kind"] == "reuse"]
    assert 2 <= len(kept) <= 4  # one may have been taken out when the next came
    assert result(10) in slow.told


def test_what_was_not_kept_is_in_mlflow_at_the_end(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking, "HELD", 0)
    study, ledger = invented_study(storage, until=5)
    written = Tracking(tracking_uri(storage), artifact_root(storage), study.name)
    written.study_run(study.name, ledger, environment())
    drive(study, ledger.folder, tracking=written)
    written.close()
    assert_whole(tracking_uri(storage), study, Ledger(ledger.folder))
