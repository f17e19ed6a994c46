"""A study's limits: what it spends is measured, and it ends in order where one is reached."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from orchestrator.cluster.cluster import Cluster
from orchestrator.driver.course import Course
from orchestrator.driver.limits import RECORDED_EVERY, LimitReached, Meter, held
from orchestrator.ledger.spending import Spent, read_spent, record_spent
from orchestrator.plan.planner import Planner
from orchestrator.storage import Store, store_at
from orchestrator.storage.files import Unwritable
from orchestrator.study.data import describe
from orchestrator.study.limits import Limits
from orchestrator.study.resources import Resources
from orchestrator.study.study import Study
from tests import tiny
from tests.orchestrator.invented import STUDY, invented_study, plan_of

FIELDS = yaml.safe_load(STUDY)
CLUSTER = Cluster("", ((4.0, 2.0),))


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return store_at(tmp_path) / "study"


def test_it_goes_on_from_what_earlier_runs_spent(store: Store) -> None:
    record_spent(store, Spent(1.0, 2.0, 3.0))
    clock = Clock()
    meter = Meter(store, Limits(hours=2), clock)
    clock.now = 1800
    meter.measure(cpus=4, gpus=1)
    assert (meter.spent, meter.reached) == (Spent(1.5, 4.0, 3.5), "")
    clock.now = 3600
    meter.measure(cpus=0, gpus=0)
    assert meter.reached == "limits.hours (2.00 of 2 hours are spent)"


def test_a_killed_driver_forgets_little(store: Store) -> None:
    clock = Clock()
    meter = Meter(store, Limits(), clock)
    for clock.now in (1.0, RECORDED_EVERY - 1):
        meter.measure(1, 0)
    assert read_spent(store) == Spent()
    clock.now = RECORDED_EVERY
    meter.measure(1, 0)
    assert read_spent(store).cpu_hours == pytest.approx(RECORDED_EVERY / 3600)


def test_a_storage_that_cannot_be_written_is_told_once(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    class Full:
        def read(self, name: str) -> None:
            return None

        def write(self, name: str, data: bytes) -> None:
            raise Unwritable("runs: is full.")

    clock = Clock()
    meter = Meter(Full(), Limits(), clock)  # type: ignore[arg-type]
    for clock.now in (RECORDED_EVERY, 2 * RECORDED_EVERY):
        meter.measure(1, 0)
    assert caplog.text.count("what the study spends cannot be written (runs: is full.)") == 1


def test_steps_hold_what_they_ask_for_and_no_more_than_there_is(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, until=0)
    steps = plan_of(study, ledger).steps
    trainings = [step for step in steps if step.kind == "train"]
    measures = [step for step in steps if step.kind == "measure"]
    resources = Resources.model_validate({"training": {"cpus": 1.5, "gpus": 1}, "subtask": {"cpus": 0.5}})
    assert held(trainings[:1], CLUSTER, resources) == (1.5, 1.0)
    assert held(measures[:2], CLUSTER, resources) == (0.5, 0.0)  # of one network: one task
    assert held([*trainings, *measures], CLUSTER, resources) == (4.0, 2.0)


def test_a_study_that_has_spent_all_starts_nothing(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, yaml.safe_dump({**FIELDS, "limits": {"hours": 1}}), until=3)
    course = Course(study, ledger, Planner(describe(study), ledger))
    course.check_limits()
    record_spent(ledger.store, Spent(1.0))
    with pytest.raises(
        LimitReached, match=r"limits.hours \(1.00 of 1 hours are spent\) with 1 training, .* left"
    ) as end:
        course.check_limits()
    assert end.value.exit_code == 130


def test_a_finished_study_has_reached_no_limit(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, yaml.safe_dump({**FIELDS, "limits": {"hours": 1}}))
    record_spent(ledger.store, Spent(2.0))
    Course(study, ledger, Planner(describe(study), ledger)).check_limits()


def test_limits_are_in_no_key(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, until=0)
    limited = Study.model_validate({**FIELDS, "limits": {"hours": 1, "gpu_hours": 2}})
    assert [step.key for step in plan_of(limited, ledger).steps] == [step.key for step in plan_of(study, ledger).steps]


@pytest.mark.ray
@pytest.mark.slow
def test_a_study_ends_in_order_at_its_limit_and_carries_on_with_a_higher_one(tmp_path: Path) -> None:
    limits = {"cost": 0.003, "prices": {"cpu": 1}}  # ten seconds of a CPU that trains, however long Ray takes to start
    study = tiny.write_study(tmp_path, recipe={**tiny.STUDY["recipe"], "epochs": 80}, limits=limits)
    ended = tiny.nemo("run", study, "--storage", tmp_path / "runs")
    assert ended.returncode == 130, ended.stderr
    assert "nemo: stopped by limits.cost (" in ended.stderr
    assert "with a higher limit this carries on: " in ended.stderr
    assert "Traceback" not in ended.stderr
    before = json.loads((tmp_path / "runs" / "tiny" / "ledger" / "spent.json").read_text())
    assert before["cpu_hours"] >= 0.003 and before["hours"] > 0
    shown = tiny.nemo("status", "tiny", "--storage", tmp_path / "runs").stdout
    assert "Spent: " in shown and "stopped: it has reached limits.cost" in shown
    higher = tiny.nemo("run", study, "--storage", tmp_path / "runs", "--set", "limits.cost=100")
    assert higher.returncode == 0, higher.stderr
    tiny.assert_complete(study, tmp_path / "runs")
    assert read_spent(store_at(tmp_path / "runs") / "tiny").hours > before["hours"]
