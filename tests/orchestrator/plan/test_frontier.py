"""Which steps may run now, which are lost, and which are left, whatever happens to the others."""

from __future__ import annotations

from random import Random

import pytest

from orchestrator.plan.frontier import Frontier
from orchestrator.plan.planner import plan
from orchestrator.plan.step import Step
from orchestrator.study.data import DescribedStudy
from tests.orchestrator.study_examples import DESCRIPTIONS, study


@pytest.fixture
def steps() -> list[Step]:
    """Two trainings, and what is made of the modular one."""
    return plan(
        DescribedStudy(study(thresholds=[0.5, 0.9], subtasks={"sizes": [2], "samples": 2}), DESCRIPTIONS), {}
    ).steps


def of_kind(steps: list[Step], kind: str) -> list[Step]:
    return [step for step in steps if step.kind == kind]


def test_a_step_may_run_when_all_that_it_builds_on_is_finished_and_once(steps: list[Step]) -> None:
    frontier = Frontier(steps, set(), ())
    assert frontier.pending == steps
    assert frontier.release(steps) == []
    _, modular = of_kind(steps, "train")
    frontier.finish(modular)
    ready = frontier.release([*frontier.children(modular), *steps])
    assert [step.kind for step in ready] == ["modularize"]
    frontier.finish(ready[0])
    after = frontier.release([*frontier.children(ready[0]), *frontier.children(ready[0])])
    assert after == of_kind(steps, "measure")  # the sub-tasks wait for the standard network
    assert frontier.release(steps) == []


def test_what_builds_on_a_failure_is_lost_and_nothing_else(steps: list[Step]) -> None:
    (modularize,) = of_kind(steps, "modularize")
    frontier = Frontier(steps, set(), [modularize.key])
    below = {step.key for step in steps if step.kind in ("measure", "reuse")}
    assert frontier.lost == below
    assert frontier.pending == of_kind(steps, "train")
    assert frontier.broken


def test_a_study_is_finished_or_failed_once_nothing_may_run_and_no_search_may_suggest(steps: list[Step]) -> None:
    none = {"train": 0, "reuse": 0}
    keys = {step.key for step in steps}
    frontier = Frontier(steps, set(), ())
    assert frontier.outcome(none) == "unfinished"
    for step in steps:
        frontier.finish(step)
    assert frontier.outcome(none) == "finished"
    assert frontier.outcome({**none, "train": 1}) == "unfinished"
    (modularize,) = of_kind(steps, "modularize")
    below = {step.key for step in steps if step.kind in ("measure", "reuse")}
    failed = Frontier(steps, keys - below - {modularize.key}, [modularize.key])
    assert failed.outcome(none) == "failed"
    assert Frontier(steps, keys - {modularize.key}, [modularize.key]).outcome(none) == "failed"
    assert Frontier(steps, keys, ["a step that the plan does not have"]).outcome(none) == "finished"


def test_a_result_below_a_failure_counts_and_so_does_what_builds_on_it(steps: list[Step]) -> None:
    _, modular = of_kind(steps, "train")
    (modularize,) = of_kind(steps, "modularize")
    frontier = Frontier(steps, {modularize.key}, [modular.key])
    assert modularize.key not in frontier.lost
    assert frontier.lost == {step.key for step in steps if step.kind in ("measure", "reuse")}  # they read both


def test_a_result_outweighs_a_failure_and_strangers_do_not_count(steps: list[Step]) -> None:
    frontier = Frontier(steps, {steps[0].key, "stranger"}, [steps[0].key, "another"])
    assert not frontier.broken
    assert frontier.lost == set()
    assert frontier.pending == steps[1:]


def test_in_any_order_every_step_is_released_once(steps: list[Step]) -> None:
    for seed in range(20):
        luck, frontier = Random(seed), Frontier(steps[:1], set(), ())
        frontier.adopt(steps[1:])
        waiting, ran = of_kind(steps, "train"), []
        while waiting:
            step = waiting.pop(luck.randrange(len(waiting)))
            frontier.finish(step)
            ran.append(step.key)
            waiting += frontier.release(frontier.children(step))
        assert sorted(ran) == sorted(step.key for step in steps)
        assert frontier.pending == []
