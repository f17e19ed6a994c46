from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.driver.course import Course
from orchestrator.ledger.lease import Lease, hold, read_owner
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.spending import Spent, amount_text, record_spent
from orchestrator.plan.planner import Planner
from orchestrator.report.status import Status, print_overview, study_overview, study_status
from orchestrator.study.data import describe
from orchestrator.system.process import Process
from orchestrator.tracking import sync
from tests.orchestrator.invented import STUDY, invented_study, plan_of

GONE = replace(Process.this(), started=0.0)
ELSEWHERE = Process("elsewhere", "elsewhere 1b2c pid:[1]", 7, 1.0)


def status(ledger: Ledger, later: timedelta = timedelta(0)) -> Status:
    return study_status(study_overview(ledger.folder), read_owner(ledger.folder), datetime.now(UTC) + later)


def failed_study(storage: Path) -> Ledger:
    """Nothing is left but what failed: the only training, and what is lost below it."""
    study, ledger = invented_study(storage, STUDY.replace("standard: {}, mwt: {}, ", "").partition("sweep")[0], 0)
    (step, *_) = plan_of(study, ledger).steps
    ledger.fail(step, "the loss is NaN")
    return ledger


def test_a_study_whose_teacher_failed_has_failed_for_all_who_ask(storage: Path) -> None:
    """Its sub-tasks are cut from the best point, which is never known: what may come of that is nothing to wait for."""
    text = STUDY.replace("simcnn, dataset: digits, width: 0.125", "deit_s, dataset: digits, width: 0.25")
    study, ledger = invented_study(storage, text, until=0)
    teacher = next(step for step in plan_of(study, ledger).steps if step.params["backbone"] == "resnet18")
    ledger.fail(teacher, "the loss is NaN")
    assert plan_of(study, ledger).up_to["reuse"] > 0
    course = Course(study, ledger, Planner(describe(study), ledger))
    assert (course.outcome, course.unfinished) == ("failed", False)
    assert study_overview(ledger.folder).outcome == "failed"
    assert status(ledger).state == "failed"
    assert sync._status(ledger) == "FAILED"


def test_a_running_study(storage: Path) -> None:
    _, ledger = invented_study(storage, until=0)
    with hold(ledger.store):
        shown = status(ledger)
    assert shown.state == "running"
    assert f"process {Process.this().pid} on {Process.this().host} since 20" in shown.text


def test_a_stopped_study(storage: Path) -> None:
    _, ledger = invented_study(storage, until=2)
    with hold(ledger.store):
        pass
    assert status(ledger).state == "stopped"


def test_a_killed_study(storage: Path) -> None:
    _, ledger = invented_study(storage, until=2)
    Lease(ledger.folder, GONE).take()
    shown = status(ledger)
    assert shown.state == "killed"
    assert f"process {GONE.pid} on" in shown.text


def test_a_study_that_runs_elsewhere_until_it_is_silent(storage: Path) -> None:
    _, ledger = invented_study(storage, until=2)
    Lease(ledger.folder, ELSEWHERE).take()
    assert status(ledger).state == "running"
    assert status(ledger, timedelta(minutes=-9)).state == "running"  # its clock is ahead of ours
    shown = status(ledger, timedelta(seconds=61))
    assert shown.state == "silent"
    assert "process 7 on elsewhere" in shown.text


@pytest.mark.parametrize("process", [None, GONE, ELSEWHERE], ids=["released", "killed", "elsewhere"])
def test_a_finished_and_a_failed_study_whatever_became_of_their_drivers(storage: Path, process: Process | None) -> None:
    for ledger, state in ((failed_study(storage), "failed"), (invented_study(storage / "other")[1], "finished")):
        if process is not None:
            Lease(ledger.folder, process).take()
        assert status(ledger, timedelta(seconds=61)).state == state


def test_a_failed_study_runs_again_with_retry_failed(storage: Path) -> None:
    ledger = failed_study(storage)
    with hold(ledger.store):
        assert status(ledger).state == "running"
    assert "--retry-failed" in status(ledger).text


def test_what_the_rest_costs_is_told_and_what_was_spent(storage: Path) -> None:
    limits = "\nlimits: {hours: 3, cost: 1, prices: {cpu: 0.5}}\n"
    _, ledger = invented_study(storage, STUDY.replace("from: best", "from: every") + limits, until=20)
    record_spent(ledger.store, Spent(1.5, 1.0, 0.0))
    shown, console = study_overview(ledger.folder), Console(file=StringIO(), width=200)
    assert not shown.done and shown.hours_left is not None
    cost = 0.5 * shown.hours_left[0]
    print_overview(shown, console)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"one step after the other, for about {amount_text(cost)}" in text
    assert "Spent: 1.50 of 3 hours, 0.50 of a cost of 1.\n" in text


def test_a_study_that_reached_its_limit_says_so(storage: Path) -> None:
    _, ledger = invented_study(storage, STUDY + "\nlimits: {hours: 1}\n", until=2)
    record_spent(ledger.store, Spent(1.0))
    assert status(ledger).state == "stopped"
    assert status(ledger).text.startswith("it has reached limits.hours (1.00 of 1 hours are spent)")
