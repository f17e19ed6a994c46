"""What the driver does when a step ends, without Ray: what follows from it, and no more."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import yaml

from orchestrator.cluster.orphan import HeadDied
from orchestrator.driver import driver as driving
from orchestrator.execution.context import Event, OnEvent
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan import planner as planning
from orchestrator.plan.combination_plan import Search
from orchestrator.plan.search import Adaptive
from orchestrator.plan.step import Step, describe_step
from orchestrator.study.study import Study
from tests.orchestrator.instant import all_finish, drive
from tests.orchestrator.invented import STUDY, finish, plan_of

BEST = yaml.safe_load(STUDY)
EVERY = BEST | {"subtasks": {"from": "every", "sizes": [2], "samples": 40}}
SEARCHED = BEST | {
    "methods": {"nemo": {}},
    "sweep": {
        "nemo": {"search": "random", "trials": 2, "space": {"alpha": [0.5, 2.0]}, "early_stopping": "asha"},
    },
}


@pytest.fixture
def replanned(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts how often each combination is planned."""
    counted: Counter[str] = Counter()
    real = planning.plan_combination

    def plan_combination(combination, standard, results):
        counted[combination.label] += 1
        return real(combination, standard, results)

    monkeypatch.setattr(planning, "plan_combination", plan_combination)
    return counted


def assert_finished(study: Study, folder: Path) -> None:
    planned = plan_of(study, Ledger(folder))
    assert not any(planned.up_to.values())
    assert planned.pending(Ledger(folder)) == []


def test_everything_runs(storage: Path) -> None:
    study = Study.model_validate(BEST | {"seeds": [0, 1]})
    assert not drive(study, storage).unfinished
    assert_finished(study, storage)


def test_settled_combinations_are_planned_once(storage: Path, replanned: Counter[str]) -> None:
    study = Study.model_validate(EVERY)
    drive(study, storage)
    assert len(replanned) == 3
    assert set(replanned.values()) == {1}
    assert_finished(study, storage)


def test_a_choice_is_planned_again_for_its_own_candidates_alone(storage: Path, replanned: Counter[str]) -> None:
    """However many seeds and sub-tasks the study has."""
    counts = []
    for seeds, samples in (([0], 2), ([0, 1, 2, 3], 30)):
        replanned.clear()
        study = Study.model_validate(BEST | {"seeds": seeds, "subtasks": {**BEST["subtasks"], "samples": samples}})
        drive(study, storage / str(samples))
        counts.append({label: number for label, number in replanned.items() if label.endswith("seed 0")})
    assert counts[0] == counts[1]
    # A choice among two points: at the beginning, and at most for each training, relevance pass and measure once.
    assert max(counts[0].values()) <= 1 + 3 * 2 + 1


def test_a_resumed_driver_begins_with_what_is_left(storage: Path, replanned: Counter[str]) -> None:
    study = Study.model_validate(EVERY)
    ledger = Ledger(storage)
    for step in plan_of(study, ledger).steps[:-3]:
        finish(ledger, step)
    before = {path: path.stat().st_mtime_ns for path in storage.glob("ledger/*/*.json")}
    replanned.clear()
    drive(study, storage)
    assert set(replanned.values()) == {1}
    assert_finished(study, storage)
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_results_are_folded_while_they_come_in(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folds = []
    monkeypatch.setattr(driving, "AT_LEAST", 20)
    monkeypatch.setattr(Ledger, "fold", lambda ledger: folds.append(len(ledger.finished())))
    drive(Study.model_validate(EVERY), storage)
    assert folds == list(range(20, len(Ledger(storage).finished()) + 1, 20))
    assert len(folds) >= 5


def test_the_best_of_a_search_is_chosen_when_its_last_trial_is_stopped(storage: Path) -> None:
    def trials(
        steps: Sequence[Step], searches: Sequence[Search], ledger: Ledger, on_event: OnEvent, drain: Callable[[], None]
    ) -> None:
        adaptive = Adaptive(searches[0], ledger)
        first, second = adaptive.next(), adaptive.next()
        assert first is not None and second is not None
        on_event(Event("finished", first[1][0], result=finish(ledger, first[1][0])))
        drain()  # its relevance pass and its measures are finished before the other one ends
        stopped = second[1][0]
        outcome = {**describe_step(stopped), "epoch": 0, "reason": "weak", "stopped": "2026-10-01T12:00:00+00:00"}
        ledger.conclude(searches[0].key, second[0], outcome)
        on_event(Event("stopped", stopped, reason="weak"))

    study = Study.model_validate(SEARCHED)
    drive(study, storage, trials)
    assert plan_of(study, Ledger(storage)).counts()["reuse"] == 4
    assert_finished(study, storage)


def test_what_failed_before_is_not_submitted_when_its_parent_is_computed_again(storage: Path) -> None:
    study = Study.model_validate(EVERY)
    ledger = Ledger(storage)
    failed = plan_of(study, ledger).steps[-1]
    ledger.fail(failed, "the loss is NaN")
    drive(study, storage)
    assert Ledger(storage).get(failed.key) is None
    assert [step.key for step in plan_of(study, ledger).pending(Ledger(storage))] == [failed.key]


def test_what_builds_on_a_failure_is_left_out(storage: Path) -> None:
    def fail_last(
        steps: Sequence[Step], searches: Sequence[Search], ledger: Ledger, on_event: OnEvent, drain: Callable[[], None]
    ) -> None:
        all_finish(steps[:-1], searches, ledger, on_event, drain)
        ledger.fail(steps[-1], "the loss is NaN")
        on_event(Event("failed", steps[-1], reason="the loss is NaN"))

    study = Study.model_validate(BEST)
    course = drive(study, storage, fail_last)
    assert not course.unfinished
    planned = plan_of(study, Ledger(storage))
    assert [step.kind for step in planned.pending(Ledger(storage))] == ["train", "modularize", "measure", "measure"]
    assert {label.split()[0] for label in planned.best} == {"mwt"}


def test_a_head_that_died_ends_the_run_with_a_sentence(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driving, "head_lives", lambda folder: False)

    def trainings(*given: object) -> None:
        time.sleep(60)

    with pytest.raises(HeadDied, match=r"^Ray's head died .* the same command carries on$"):
        drive(Study.model_validate(BEST), storage, trainings)
