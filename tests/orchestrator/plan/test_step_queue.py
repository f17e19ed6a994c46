"""Which step of the fan-out is next: the highest priority first, equals in their order."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from orchestrator.computing.data import data_key
from orchestrator.plan.planner import plan
from orchestrator.plan.step import Step, make_step
from orchestrator.plan.step_queue import StepQueue
from orchestrator.study.data import DescribedStudy
from tests.orchestrator.study_examples import DESCRIPTIONS, study

VGG, RESNET = {"backbone": "vgg16", "dataset": "digits"}, {"backbone": "resnet18", "dataset": "digits"}


def step(name: str, priority: int = 0) -> Step:
    return make_step("reuse", {"name": name}, {}, {"priority": priority} if priority else {}, name)


def planned(**fields: Any) -> list[Step]:
    return plan(DescribedStudy(study(**fields), DESCRIPTIONS), {}).steps


def test_the_highest_priority_is_next_and_equals_keep_their_order() -> None:
    queue = StepQueue()
    queue.extend([step("a"), step("b", 1), step("c")])
    queue.extend([step("d", 1), step("e", -1)])
    first = queue.peek()
    assert first is not None and first.label == "b"
    assert [queue.pop().label for _ in range(len(queue))] == ["b", "d", "a", "c", "e"]
    assert queue.peek() is None
    with pytest.raises(IndexError):
        queue.pop()


def test_priorities_are_in_no_key_and_make_no_other_data() -> None:
    methods = {"standard": {}, "mwt": {"priority": 2}, "nemo": {}}
    plain = planned(pairs=[VGG, RESNET], methods=list(methods))
    urgent = planned(pairs=[VGG, {**RESNET, "priority": 5, "methods": {"nemo": {"priority": -1}}}], methods=methods)
    assert [each.key for each in plain] == [each.key for each in urgent]
    assert [data_key(each) for each in plain] == [data_key(each) for each in urgent]
    assert {each.priority for each in plain} == {0}
    trainings = [each for each in urgent if each.kind == "train"]
    told = {(each.params["backbone"], each.params["method"]): each.priority for each in trainings}
    assert told == {
        ("vgg16", "standard"): 0,
        ("vgg16", "mwt"): 2,
        ("vgg16", "nemo"): 0,
        ("resnet18", "standard"): 5,
        ("resnet18", "mwt"): 7,
        ("resnet18", "nemo"): 4,
    }


def test_waiting_steps_get_other_priorities() -> None:
    queue, steps = StepQueue(), [step("a"), step("b"), step("c")]
    queue.extend(steps)
    queue.arrange({steps[2].key: replace(steps[2], where={"priority": 1})})
    assert [queue.pop().label for _ in range(3)] == ["c", "a", "b"]
