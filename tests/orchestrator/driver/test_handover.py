"""A changed study is handed over to the driver that runs it, which takes it up without losing anything."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow.tracking import MlflowClient

from nemo.errors import UserError
from orchestrator.driver import driver as driving
from orchestrator.driver.handover import HandedOver, check_changeable, hand_over, handed_change, telling_of_changes
from orchestrator.execution.context import Event, OnEvent
from orchestrator.ledger import control
from orchestrator.ledger.lease import Lease, LeaseHeld
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.storage.layout import HANDED, SUBMITTED
from orchestrator.storage.studies import tracking_uri
from orchestrator.study.data import describe
from orchestrator.study.study import Study
from orchestrator.system.signals import Interrupted
from tests import tiny
from tests.faults.driver import Driver, checkpoints
from tests.orchestrator.instant import drive
from tests.orchestrator.invented import STUDY, finish, invented_study

FIELDS: dict[str, Any] = yaml.safe_load(STUDY)
MORE: dict[str, Any] = {"seeds": [0, 1], "thresholds": [0.5, 0.7, 0.9]}


def changed(**fields: Any) -> Study:
    return Study.model_validate({**FIELDS, **fields})


def text_of(study: Study) -> str:
    return study.text


@pytest.mark.parametrize(
    "fields",
    [
        {"seeds": [0, 5]},
        {"thresholds": [0.9]},
        {"subtasks": {**FIELDS["subtasks"], "samples": 4}},
        {"sweep": {"mwt": {"grid": {"lambda_coup": [2.0, 3.0, 4.0]}}}},
        {"limits": {"hours": 2}},
        {"methods": {**FIELDS["methods"], "mwt": {"priority": 3}}},
        {"pairs": [{**FIELDS["pairs"][0], "priority": 3, "methods": {"nemo": {"priority": 1}}}]},
    ],
    ids=str,
)
def test_what_a_running_study_may_have_otherwise(fields: dict[str, Any]) -> None:
    if "pairs" in fields:
        before = changed(pairs=[{**FIELDS["pairs"][0], "methods": {"nemo": {}}}])
        check_changeable(before, changed(**fields))
    else:
        check_changeable(changed(), changed(**fields))


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"recipe": {**FIELDS["recipe"], "epochs": 4}}, "recipe"),
        ({"resources": {"max_concurrent": 1}}, "resources"),
        ({"pairs": [{**FIELDS["pairs"][0], "width": 0.25}]}, "pairs"),
        ({"methods": {"standard": {}, "mwt": {}, "nemo": {"alpha": 2.0}}}, "methods"),
        ({"notify": {}}, "notify"),
    ],
    ids=str,
)
def test_what_a_running_study_may_not(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(UserError, match=rf"^{named}: cannot change while the study runs \(seeds, sweep, "):
        check_changeable(changed(), changed(**fields))


def test_a_refusal_shows_what_differs_as_where_an_override_was_left_out() -> None:
    with pytest.raises(UserError) as refused:
        check_changeable(changed(), changed(recipe={**FIELDS["recipe"], "epochs": 4}))
    said = str(refused.value)
    assert "give every --set again that it was started with" in said
    assert "+" in said and "epochs: 4" in said


def test_a_study_that_would_shrink_is_not_taken_up(storage: Path) -> None:
    study, ledger = invented_study(storage, until=0)
    data = describe(study).data
    ledger.store.write(HANDED, text_of(changed(thresholds=[0.9])).encode())
    told = rf"^{study.name}: a study can only grow while it runs, and 3 measurements would no longer(.|\n)*thresholds"
    with pytest.raises(UserError, match=told):
        handed_change(study, data, ledger)
    ledger.store.write(HANDED, b"name: [")
    with pytest.raises(UserError, match=r"control/study\.yaml:"):
        handed_change(study, data, ledger)


@pytest.fixture
def held(storage: Path) -> Iterator[tuple[Ledger, LeaseHeld, Lease]]:
    """A study that this process runs, and how another one is told so."""
    _, ledger = invented_study(storage, until=2)
    lease = Lease(ledger.store)
    lease.take()
    with pytest.raises(LeaseHeld) as refused:
        Lease(ledger.store).take()
    yield Ledger(ledger.store, readonly=True), refused.value, lease
    lease.release()


def handed(study: Study, ledger: Ledger, refusal: LeaseHeld, sleep: Callable[[float], object]) -> None:
    hand_over(describe(study), text_of(study), ledger, refusal, sleep)


def never(seconds: float) -> None:
    raise AssertionError("nothing is waited for")


def test_the_same_study_is_refused_as_ever(held: tuple[Ledger, LeaseHeld, Lease]) -> None:
    ledger, refusal, _ = held
    with pytest.raises(LeaseHeld, match="this study is already run by process"):
        handed(changed(), ledger, refusal, never)


@pytest.mark.parametrize(
    ("said", "error", "told"),
    [
        (control.Answer(adds="4 trainings more"), HandedOver, "which has taken it up: 4 trainings more"),
        (control.Answer(refused="no room."), UserError, "^no room.$"),
    ],
    ids=["taken up", "refused"],
)
def test_the_driver_answers(
    held: tuple[Ledger, LeaseHeld, Lease], said: control.Answer, error: type[Exception], told: str
) -> None:
    ledger, refusal, _ = held
    grown = changed(**MORE)

    def answers(seconds: float) -> None:
        assert control.handed_text(ledger.store) == text_of(grown)
        control.answer(ledger.store, text_of(grown), said)

    with pytest.raises(error, match=told):
        handed(grown, ledger, refusal, answers)
    assert control.handed_text(ledger.store) is None


def test_a_driver_that_ends_first_leaves_the_study_to_the_next(held: tuple[Ledger, LeaseHeld, Lease]) -> None:
    ledger, refusal, lease = held
    handed(changed(**MORE), ledger, refusal, lambda seconds: lease.release())
    assert control.handed_text(ledger.store) is None


def test_a_change_that_a_starting_driver_forgot_is_handed_over_again(held: tuple[Ledger, LeaseHeld, Lease]) -> None:
    ledger, refusal, lease = held
    seen: list[str | None] = []

    def starts(seconds: float) -> None:
        seen.append(control.handed_text(ledger.store))
        if len(seen) == 1:
            control.clear(ledger.store)
        elif len(seen) == 3:
            lease.release()

    handed(changed(**MORE), ledger, refusal, starts)
    assert seen == [text_of(changed(**MORE))] * 3


def test_of_two_changes_at_once_one_is_refused(held: tuple[Ledger, LeaseHeld, Lease]) -> None:
    ledger, refusal, _ = held
    assert control.hand_over(ledger.store, "another one")
    with pytest.raises(UserError, match="another change waits for the study's driver"):
        handed(changed(**MORE), ledger, refusal, never)
    assert control.handed_text(ledger.store) == "another one"


def test_a_change_that_leaves_work_behind_is_refused_before(held: tuple[Ledger, LeaseHeld, Lease]) -> None:
    ledger, refusal, _ = held
    with pytest.raises(UserError, match="was run before as another study"):
        handed(changed(seeds=[1]), ledger, refusal, never)


def test_the_driver_goes_on_with_what_was_handed_over(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings that come while others run, with thresholds for those that are finished already."""
    monkeypatch.setattr(driving, "BEAT", 0.05)
    grown, rounds = changed(**MORE, limits={"hours": 5}), list[list[Step]]()

    def trainings(
        steps: Sequence[Step], searches: object, ledger: Ledger, on_event: OnEvent, drain: Callable[[], None]
    ) -> None:
        rounds.append(list(steps))
        for step in steps[:2]:
            on_event(Event("finished", step, result=finish(ledger, step)))
        if len(rounds) == 1:
            drain()
            assert control.hand_over(ledger.store, text_of(grown))
            while control.answer_to(ledger.store, text_of(grown)) is None:
                time.sleep(0.01)
        for step in steps[2:]:
            on_event(Event("finished", step, result=finish(ledger, step)))

    assert drive(changed(), storage, trainings).outcome == "finished"
    assert [len(steps) for steps in rounds] == [4, 4]
    assert {step.params["seed"] for step in rounds[1]} == {1}
    ledger = Ledger(storage, readonly=True)
    assert len(list(ledger.results("measure"))) == 3 * 2 * 3
    assert (ledger.store.read(SUBMITTED) or b"").decode() == text_of(grown)
    said = control.answer_to(ledger.store, text_of(grown))
    assert said is not None and said.adds.startswith("4 trainings, 3 modularizations and 12 measurements"), said


@pytest.mark.parametrize("grown", [False, True])
def test_what_carries_on_after_a_change_is_the_change(storage: Path, grown: bool) -> None:
    _, ledger = invented_study(storage, until=0)
    with pytest.raises(Interrupted) as stopped, telling_of_changes(ledger.store, text_of(changed())):
        ledger.record_study(text_of(changed()))
        if grown:
            ledger.record_study(text_of(changed(**MORE)))
        raise Interrupted(signal.SIGTERM)
    assert stopped.value.carries_on.endswith("this carries on") is not grown
    assert ("every --set of the last change" in stopped.value.carries_on) is grown


def test_the_driver_says_why_it_does_not(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "BEAT", 0.05)
    wrong = text_of(changed(resources={"max_concurrent": 1}))

    def trainings(
        steps: Sequence[Step], searches: object, ledger: Ledger, on_event: OnEvent, drain: Callable[[], None]
    ) -> None:
        assert control.hand_over(ledger.store, wrong)
        while control.handed_text(ledger.store) is not None:
            time.sleep(0.01)
        for step in steps:
            on_event(Event("finished", step, result=finish(ledger, step)))

    assert drive(changed(), storage, trainings).outcome == "finished"
    said = control.answer_to(Ledger(storage).store, wrong)
    assert said is not None and "cannot change while the study runs" in said.refused


@pytest.mark.ray
@pytest.mark.slow
def test_a_real_study_is_changed_while_it_runs(tmp_path: Path) -> None:
    storage, recipe = tmp_path / "runs", {**tiny.STUDY["recipe"], "epochs": 20}
    study = tiny.write_study(tmp_path, recipe=recipe)
    with Driver(study, storage) as driver:
        driver.wait_until(lambda: len(checkpoints(driver.store)) > 0)
        methods = {"standard": {}, "mwt": {"lambda_coh": 0.5, "priority": 1}}
        subtasks = {**tiny.STUDY["subtasks"], "samples": 6}
        grown = {"recipe": recipe, "methods": methods, "subtasks": subtasks, "seeds": [0, 1], "limits": {"hours": 9}}
        study = tiny.write_study(tmp_path, thresholds=[0.5, 0.7, 0.9], **grown)
        handed_over = tiny.nemo("run", study, "--storage", storage)
        assert handed_over.returncode == 0, handed_over.stderr
        assert "which has taken it up: 3 trainings, " in handed_over.stdout
        assert (driver.store.read(SUBMITTED) or b"").decode() == study.read_text()
        before = tiny.result_files(storage)
        assert driver.ended(500) == 0, driver.log
        assert driver.log.count("seed 0: started") == 3  # nothing that ran was started again
    after = tiny.result_files(storage)
    assert {path: after[path] for path in before} == before
    tiny.assert_complete(study, storage)
    (whole,) = (run for run in tiny.mlflow_runs(storage) if run.data.tags["stage"] == "study")
    copied = MlflowClient(tracking_uri(storage)).download_artifacts(whole.info.run_id, SUBMITTED, str(tmp_path))
    assert Path(copied).read_text() == study.read_text()
