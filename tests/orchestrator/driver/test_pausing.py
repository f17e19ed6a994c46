"""A running study is paused and goes on, from any machine that sees its storage."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from ray.tune.search import Searcher

from nemo.errors import UserError
from orchestrator.cluster.capacity import Slots
from orchestrator.cluster.cluster import Cluster
from orchestrator.driver.pausing import pause_study, resume_study
from orchestrator.driver.silence import Watch, Watchdog
from orchestrator.execution.scheduler import Suggestions
from orchestrator.ledger.control import pause, paused_since
from orchestrator.ledger.lease import Lease, read_owner
from orchestrator.plan.training_queue import TrainingQueue
from orchestrator.report.status import Status, study_overview, study_status
from orchestrator.storage import Where, store_at
from tests import tiny
from tests.faults.driver import Driver, checkpoints, finished
from tests.orchestrator.invented import invented_study, plan_of

CLUSTER = Cluster("", ((4.0, 0.0),))


@contextmanager
def driven(where: Where) -> Iterator[None]:
    lease = Lease(where)
    lease.take()
    try:
        yield
    finally:
        lease.release()


def test_a_study_that_nobody_runs_cannot_be_paused(storage: Path) -> None:
    _, ledger = invented_study(storage, until=1)
    with pytest.raises(UserError, match=r"^invented: nobody runs it, so there is nothing to pause"):
        pause_study(ledger.store)
    assert resume_study(ledger.store) == "invented is not paused"


def test_a_paused_study_says_so_and_goes_on(storage: Path) -> None:
    _, ledger = invented_study(storage, until=1)

    def state() -> str:
        return status().state

    def status() -> Status:
        return study_status(study_overview(ledger.folder), read_owner(ledger.folder), datetime.now(UTC))

    with driven(ledger.store):
        assert "submits nothing more in a few seconds" in pause_study(ledger.store)
        assert state() == "paused"
        assert status().text.endswith(f"nemo resume {ledger.store.name} goes on")
        assert pause_study(ledger.store).startswith("invented is paused since 20")
        assert resume_study(ledger.store) == "invented goes on in a few seconds"
        assert state() == "running"
        pause(ledger.store)
    assert state() == "stopped"  # a pause is its driver's


def test_a_study_in_a_bucket_is_paused_alike(bucket: str) -> None:
    store = store_at(bucket) / "tiny"
    with driven(store):
        pause_study(store)
        assert paused_since(store) is not None
        resume_study(store)
        assert paused_since(store) is None


def test_closed_slots_start_nothing_and_end_nothing(storage: Path) -> None:
    study, ledger = invented_study(storage, until=0)
    slots = Slots(CLUSTER)
    training = next(step for step in plan_of(study, ledger).steps if step.kind == "train")
    suggestions = Suggestions(TrainingQueue([training], [], ledger), slots)
    slots.closed = True
    assert slots.tasks(1, 0) == 0
    assert suggestions.suggest("0") is None
    slots.closed = False
    assert slots.tasks(1, 0) > 0
    suggested = suggestions.suggest("0")
    assert suggested is not None and suggested["steps"] == [training]
    assert suggestions.suggest("1") == Searcher.FINISHED


def test_a_rest_is_no_silence() -> None:
    now = [0.0]
    watch = Watch(CLUSTER, list, Watchdog(clock=lambda: now[0]))
    for _ in range(100):
        now[0] += 1
        watch.rest()
        assert watch.look() == ""


@pytest.mark.ray
@pytest.mark.slow
def test_a_real_study_is_paused_and_goes_on(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    study = tiny.write_study(tmp_path, recipe={**tiny.STUDY["recipe"], "epochs": 10}, seeds=[0, 1])
    with Driver(study, storage) as driver:
        driver.wait_until(lambda: len(checkpoints(driver.store)) > 0)
        assert tiny.nemo("pause", "tiny", "--storage", storage).returncode == 0
        driver.wait_until(lambda: "paused: nothing more is submitted before nemo resume tiny" in driver.log)
        driver.wait_until(lambda: not checkpoints(driver.store))  # what runs goes on to its end
        trained = finished(driver.store, "train")
        assert 0 < trained < 6
        time.sleep(10)
        assert (finished(driver.store, "train"), finished(driver.store, "modularize")) == (trained, 0)
        assert "tiny: paused: since " in tiny.nemo("status", "tiny", "--storage", storage).stdout
        assert tiny.nemo("resume", "tiny", "--storage", storage).returncode == 0
        assert driver.ended(400) == 0
        assert "goes on after a pause" in driver.log
    tiny.assert_complete(study, storage)
