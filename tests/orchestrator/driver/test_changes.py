from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml

from nemo.errors import UserError
from orchestrator.driver.changes import check_changes, diff
from orchestrator.driver.course import Course
from orchestrator.driver.run import run_study
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Planner
from orchestrator.storage import layout
from orchestrator.study.data import describe
from orchestrator.study.file import study_with_data
from orchestrator.study.study import Study
from tests.orchestrator.invented import STUDY, finish, invented_study, plan_of

pytestmark = pytest.mark.heavy

FIELDS = yaml.safe_load(STUDY)
SEARCH = {"search": "random", "trials": 3, "space": {"lambda_coup": [1.0, 4.0]}}
LONGER = {**FIELDS["recipe"], "epochs": 4}
EVERY = {**FIELDS["subtasks"], "from": "every"}


def changed(**fields: Any) -> Study:
    """The invented study with some of its fields replaced."""
    return Study.model_validate({**FIELDS, **fields})


def check(wanted: Study, ledger: Ledger) -> None:
    check_changes(describe(wanted), ledger)


def finished(storage: Path, **fields: Any) -> Ledger:
    return invented_study(storage, yaml.safe_dump({**FIELDS, **fields}))[1]


def finish_all(study: Study, ledger: Ledger) -> None:
    while pending := plan_of(study, ledger).pending(ledger):
        finish(ledger, pending[0])


@pytest.mark.parametrize(
    "grown",
    [
        {"seeds": [1, 0]},
        {"thresholds": [0.5, 0.7, 0.9]},
        {"subtasks": {**FIELDS["subtasks"], "samples": 5}},
        {"subtasks": {**FIELDS["subtasks"], "sizes": [2, 3, 4]}},
        {"methods": {**FIELDS["methods"], "moda": {}}},
        {"pairs": [*FIELDS["pairs"], {"backbone": "rescnn", "dataset": "digits", "width": 0.125}]},
        {"sweep": {"mwt": {"list": [{"lambda_coup": value} for value in (3.0, 2.0, 1.0)]}}},
        {"select": {"tolerance": 0.5}},
        {"resources": {"training": {"cpus": 2}}, "tracking": {"experiment": "other"}},
    ],
    ids=lambda grown: ",".join(grown),
)
def test_a_study_may_grow(storage: Path, grown: dict[str, Any]) -> None:
    check(changed(**grown), finished(storage))


@pytest.mark.parametrize(
    ("shrunk", "counted"),
    [
        (
            {"recipe": LONGER},
            "4 trainings, 3 modularizations, 6 measurements and 8 sub-tasks",
        ),
        ({"thresholds": [0.9]}, "3 measurements"),
        ({"subtasks": {**FIELDS["subtasks"], "finetune": {"epochs": 2}}}, "8 sub-tasks"),
        ({"subtasks": None}, "8 sub-tasks"),
        ({"seeds": [1]}, "4 trainings, 3 modularizations, 6 measurements and 8 sub-tasks"),
    ],
    ids=lambda given: given if isinstance(given, str) else ",".join(given),
)
def test_a_study_that_would_leave_work_behind_is_refused(storage: Path, shrunk: dict[str, Any], counted: str) -> None:
    ledger = finished(storage)
    with pytest.raises(UserError) as refused:
        check(changed(**shrunk), ledger)
    sentence, _, difference = str(refused.value).partition("\n")
    assert f"'invented' was run before as another study, and {counted} that it has finished or begun would" in sentence
    assert "another name, or pass --replace" in sentence
    assert difference == diff(changed(), changed(**shrunk))


def test_a_point_that_goes_is_missed_and_the_best_one_with_its_subtasks(storage: Path) -> None:
    ledger, missed = finished(storage), []
    for kept in (2.0, 3.0):
        with pytest.raises(UserError) as refused:
            check(changed(sweep={"mwt": {"grid": {"lambda_coup": [kept]}}}), ledger)
        missed.append(str(refused.value).partition("another study, and ")[2].partition(" that it has")[0])
    assert sorted(missed) == [
        "1 training, 1 modularization and 2 measurements",
        "1 training, 1 modularization, 2 measurements and 4 sub-tasks",
    ]


def test_the_diff_is_of_what_the_studies_say() -> None:
    assert diff(changed(), changed(seeds=[0], select={"tolerance": 0.01})) == ""
    lines = diff(changed(), changed(thresholds=[0.9])).splitlines()
    assert "-thresholds: [0.7, 0.9]" in lines
    assert "thresholds" not in "".join(line for line in lines if not line.startswith("-"))  # 0.9 is the default


def test_what_was_not_begun_is_not_missed(storage: Path) -> None:
    study, ledger = invented_study(storage, until=0)
    check(changed(recipe=LONGER), ledger)
    training = plan_of(study, ledger).steps[0]
    ledger.store.make_folder(layout.checkpoints(training.key))
    with pytest.raises(UserError, match="and 1 training that it has finished or begun"):
        check(changed(recipe=LONGER), ledger)


def test_what_failed_is_not_missed(storage: Path) -> None:
    study, ledger = invented_study(storage, until=0)
    training = next(step for step in plan_of(study, ledger).steps if step.params["settings"].get("lambda_coup") == 3.0)
    ledger.store.make_folder(layout.checkpoints(training.key))
    ledger.fail(training, "diverged")
    wanted = changed(sweep={"mwt": {"grid": {"lambda_coup": [2.0]}}})
    check(wanted, ledger)
    for of, failed in ((study, True), (wanted, False)):
        assert Course(of, ledger, Planner(describe(of), ledger)).frontier.broken is failed


def test_another_best_point_leaves_nothing_behind(storage: Path) -> None:
    ledger = finished(storage)
    wanted = changed(sweep={"mwt": {"grid": {"lambda_coup": [1.0, 2.0, 3.0, 4.0]}}}, select={"tolerance": 0.9})
    before = plan_of(changed(), ledger).best
    ledger.record_study(wanted.text)
    finish_all(wanted, ledger)
    assert plan_of(wanted, ledger).best != before
    check(wanted, ledger)


def test_fewer_sub_tasks_of_every_point_are_missed(storage: Path) -> None:
    ledger = finished(storage, subtasks=EVERY)
    with pytest.raises(UserError, match="sub-tasks that it has finished"):
        check(changed(), ledger)


def test_a_search_may_have_more_trials_but_no_other_space(storage: Path) -> None:
    begun = changed(sweep={"mwt": SEARCH}, subtasks=None)
    ledger = Ledger(storage / begun.name)
    ledger.record_study(begun.text)
    (search,) = plan_of(begun, ledger).searches
    for number in range(3):
        settings = {"lambda_coup": 1.0 + number}
        ledger.suggest(search.key, number, settings)
        finish(ledger, search.combination.train(settings))
    check(changed(sweep={"mwt": {**SEARCH, "trials": 9}}, subtasks=None), ledger)
    with pytest.raises(UserError, match="and 1 training that"):
        check(changed(sweep={"mwt": {**SEARCH, "trials": 2}}, subtasks=None), ledger)
    with pytest.raises(UserError, match="and 3 trainings that"):
        check(changed(sweep={"mwt": {**SEARCH, "space": {"lambda_coup": [1.0, 3.0]}}}, subtasks=None), ledger)


def test_a_predecessor_that_cannot_be_read_is_told(storage: Path, caplog: pytest.LogCaptureFixture) -> None:
    ledger = finished(storage)
    (ledger.folder / "study.yaml").write_text("name: [")
    with caplog.at_level(logging.WARNING):
        check(changed(seeds=[1]), ledger)
    (said,) = caplog.messages
    assert "study.yaml" in said and "no valid YAML" in said


def test_a_run_is_refused_before_it_records_anything_and_may_be_forced(storage: Path) -> None:
    ledger = finished(storage)
    submitted = ledger.folder / "study.yaml"
    before, wanted = submitted.read_text(), changed(recipe=LONGER)
    file = storage / "study.yaml"
    file.write_text(wanted.text)
    with pytest.raises(UserError, match=f"^{file}:.*: name: 'invented' was run before as another study"):
        run_study(study_with_data(file), storage=storage)
    assert submitted.read_text() == before
    finish_all(wanted, ledger)
    run_study(study_with_data(file), storage=storage, replace=True)
    assert submitted.read_text() == wanted.text
    assert len(ledger.finished("train")) == 2 * 4
