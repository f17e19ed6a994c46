"""Tracking in a thread of its own: in order, to the end, and what stops it is told."""

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
from orchestrator.tracking import queue as tracking_queue
from orchestrator.tracking.queue import TrackingQueue
from orchestrator.tracking.tracking import Tracking
from tests.orchestrator.instant import drive
from tests.orchestrator.invented import invented_study, plan_of
from tests.tracked import assert_whole

STEP: Any = object()


class Slow:
    """A tracking that stands still until it is let go, and notes what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.go = threading.Event()

    def log_result(self, document: Any) -> None:
        self.go.wait()
        self.told.append(document)

    def log_failure(self, step: Any, reason: str) -> None:
        self.told.append(reason)

    def log_epochs(self, step: Any, rows: Any) -> None:
        raise UserError("the folder is full")

    def close(self, status: str) -> None:
        self.told.append(status)


@pytest.fixture
def slow() -> Slow:
    return Slow()


def test_nobody_waits_and_the_order_is_kept(slow: Any) -> None:
    queue = TrackingQueue(slow)
    for number in range(3):
        queue.log_result(number)
    queue.log_failure(STEP, "NaN")
    assert slow.told == []
    slow.go.set()
    queue.close("FAILED")
    assert slow.told == [0, 1, 2, "NaN", "FAILED"]


def test_who_waits_long_is_told_what_for(slow: Any, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    monkeypatch.setattr(tracking_queue, "PATIENCE", 0.01)
    queue = TrackingQueue(slow)
    queue.log_result(0)
    threading.Timer(0.5, slow.go.set).start()
    with caplog.at_level(logging.WARNING):
        queue.close()
    assert "MLflow is still being written" in caplog.text
    assert slow.told == [0, "FINISHED"]


def test_an_error_is_raised_in_the_drivers_thread_and_the_rest_is_written(slow: Any) -> None:
    slow.go.set()
    queue = TrackingQueue(slow)
    queue.log_epochs(STEP, [])
    queue._waiting.put(slow.go.clear)  # the error has happened when this runs
    while slow.go.is_set():
        pass
    with pytest.raises(UserError, match="the folder is full"):
        queue.log_result(1)
    slow.go.set()
    queue.log_result(2)
    queue.close()
    assert slow.told == [2, "FINISHED"]


def test_an_error_at_the_end_is_raised_by_close(slow: Any) -> None:
    queue = TrackingQueue(slow)
    queue.log_epochs(STEP, [])
    with pytest.raises(UserError, match="the folder is full"):
        queue.close()


def test_a_study_is_whole_in_mlflow(storage: Path) -> None:
    """Half of it was there before, and the driver runs while that is looked up."""
    study, ledger = invented_study(storage, until=5)
    tracking = TrackingQueue(Tracking(tracking_uri(storage), artifact_root(storage), study.name))
    tracking.study_run(study.name, ledger, environment())
    drive(study, ledger.folder, tracking=tracking)
    tracking.close()
    assert plan_of(study, ledger).pending(Ledger(ledger.folder)) == []
    assert_whole(tracking_uri(storage), study, Ledger(ledger.folder))


def test_a_long_queue_of_subtasks_is_not_kept_in_memory(
    storage: Path, slow: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tracking_queue, "HELD", 2)
    queue = TrackingQueue(slow)
    reuse, train = {"kind": "reuse"}, {"kind": "train"}
    for document in (reuse,) * 10:
        queue.log_result(document)
    queue.log_result(train)
    slow.go.set()
    queue.close()
    assert 2 <= slow.told.count(reuse) <= 4  # one may have been taken out when the next came
    assert train in slow.told


def test_what_was_not_kept_is_in_mlflow_at_the_end(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracking_queue, "HELD", 0)
    study, ledger = invented_study(storage, until=5)
    tracking = TrackingQueue(Tracking(tracking_uri(storage), artifact_root(storage), study.name))
    tracking.study_run(study.name, ledger, environment())
    drive(study, ledger.folder, tracking=tracking)
    tracking.close()
    assert_whole(tracking_uri(storage), study, Ledger(ledger.folder))
