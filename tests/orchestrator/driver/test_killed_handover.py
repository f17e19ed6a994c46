"""A driver that is killed with kill -9 in the middle of a hand-over: nothing is lost, and the next run takes it up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestrator.driver import driver as driving
from orchestrator.driver.changes import check_changes
from orchestrator.driver.handover import hand_over
from orchestrator.execution.context import Event, OnEvent
from orchestrator.ledger import control
from orchestrator.ledger.lease import Lease, LeaseHeld
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.storage.layout import SUBMITTED
from orchestrator.study.data import describe
from tests.orchestrator.driver.test_handover import MORE, changed, text_of
from tests.orchestrator.instant import drive
from tests.orchestrator.invented import finish

pytestmark = [pytest.mark.faults, pytest.mark.heavy]


def dying(function: Callable[..., Any], kills: Callable[[Any], bool] | None = None) -> Callable[..., Any]:
    """The function, with which this process is killed: before it, or after it has returned what `kills` waits for."""

    def called(*given: Any, **named: Any) -> Any:
        returned = None if kills is None else function(*given, **named)
        if kills is None or kills(returned):
            os.kill(os.getpid(), signal.SIGKILL)
        return returned

    return called


def driver(storage: Path, dies: str) -> None:
    """A driver that finishes two trainings, and whose other ones run until it is killed."""
    driving.BEAT = 0.05
    ledger = Ledger(storage)
    Lease(ledger.store).take()
    ledger.record_study(text_of(changed()))
    match dies:
        case "when it has seen the change":
            control.handed_text = dying(control.handed_text, lambda text: text is not None)
        case "when it has written the change down":
            Ledger.record_study = dying(Ledger.record_study, lambda nothing: True)  # type: ignore[method-assign]
        case "before it answers":
            control.answer = dying(control.answer)

    def trainings(
        steps: Sequence[Step], searches: object, ledger: Ledger, on_event: OnEvent, drain: Callable[[], None]
    ) -> None:
        for step in steps[:2]:
            on_event(Event("finished", step, result=finish(ledger, step)))
        drain()
        time.sleep(600)

    drive(changed(), storage, trainings)


def results(storage: Path) -> dict[str, bytes]:
    """Every result, by its file."""
    return {str(path): path.read_bytes() for path in (storage / "ledger").rglob("*.json") if path.parent.name in KINDS}


KINDS = ("train", "modularize", "measure", "reuse")


@pytest.mark.parametrize(
    "dies",
    [
        pytest.param("when it has seen the change", marks=pytest.mark.slow),
        pytest.param("when it has written the change down", marks=pytest.mark.slow),
        "before it answers",
    ],
)
def test_the_next_run_takes_up_the_change_of_a_driver_that_was_killed(storage: Path, dies: str) -> None:
    process = multiprocessing.get_context("spawn").Process(target=driver, args=(storage, dies))
    process.start()
    ledger, grown = Ledger(storage, readonly=True), changed(**MORE)
    try:
        while len(list(Ledger(storage, readonly=True).results("measure"))) < 2:
            assert process.is_alive()
            time.sleep(0.05)
        with pytest.raises(LeaseHeld) as held:
            Lease(ledger.store).take()
        before = results(storage)
        hand_over(describe(grown), text_of(grown), ledger, held.value)  # returns: that driver has ended
        process.join(60)
        assert process.exitcode == -signal.SIGKILL
    finally:
        process.kill()
    assert before.items() <= results(storage).items() and len(before) > 2
    written = (ledger.store.read(SUBMITTED) or b"").decode()
    assert written == text_of(changed() if dies == "when it has seen the change" else grown)

    lease = Lease(ledger.store)
    lease.take()  # what `nemo run` of the changed file does when `hand_over` has returned
    control.clear(ledger.store)
    check_changes(describe(grown), Ledger(storage))
    Ledger(storage).record_study(text_of(grown))
    assert drive(grown, storage).outcome == "finished"
    lease.release()
    assert before.items() <= results(storage).items()
    assert len(list(Ledger(storage, readonly=True).results("measure"))) == 2 * 3 * 3
    assert control.handed_text(ledger.store) is None
