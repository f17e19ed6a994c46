"""Which training starts next: known ones in their order, students after their teacher, searches by turns."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from orchestrator.plan.planner import Plan, plan
from orchestrator.plan.step import Step
from orchestrator.plan.training_queue import TrainingQueue
from orchestrator.study.data import DescribedStudy
from tests.orchestrator.plan.test_golden_keys import TRANSFORMER
from tests.orchestrator.plan.test_planner import Finished
from tests.orchestrator.study_examples import DESCRIPTIONS, of_kind, study

SEARCHED: dict[str, Any] = {
    "methods": ["standard", "mwt", "nemo"],
    "recipe": {"validation": 0.1},
    "sweep": {
        "mwt": {"search": "random", "trials": 2, "space": {"lambda_coup": [1.0, 3.0]}},
        "nemo": {"search": "random", "trials": 2, "space": {"alpha": [1.0, 3.0]}},
    },
}


class Memory(Finished):
    """A ledger in memory that keeps suggestions elsewhere."""

    def suggest(self, search: str, number: int, settings: Any, generation: int | None = None) -> None:
        pass

    def suggestions(self, search: str) -> list[Any]:
        return []


def taught() -> tuple[Step, Step]:
    teacher, student = of_kind(plan(DescribedStudy(study(**TRANSFORMER), DESCRIPTIONS), {}), "train")
    return teacher, student


def test_a_student_starts_when_its_teacher_is_trained() -> None:
    (teacher, student), results = taught(), Memory()
    queue = TrainingQueue([student, teacher], [], results)
    first = queue.next()
    assert first is not None and first.steps == [teacher]
    assert (queue.next(), queue.waiting, queue.exhausted) == (None, 1, False)
    results.documents[teacher.key] = {"result": {}}
    assert queue.next() is None  # nobody has told it yet
    assert queue.ended(teacher) == 0
    second = queue.next()
    assert second is not None and second.steps == [student]
    assert queue.exhausted


def test_a_student_is_lost_with_its_teacher() -> None:
    (teacher, student), results = taught(), Memory()
    queue = TrainingQueue([teacher, student], [], results)
    assert queue.next() is not None
    results.failed.add(teacher.key)
    assert queue.ended(teacher) == 1
    assert queue.exhausted
    assert TrainingQueue([student], [], results).waiting == 0


def test_searches_take_turns_after_what_is_known() -> None:
    planned = plan(DescribedStudy(study(**SEARCHED), DESCRIPTIONS), {})
    queue = TrainingQueue(of_kind(planned, "train"), planned.searches, Memory())
    assert queue.waiting == 5
    started = [queue.next() for _ in range(5)]
    methods = [each.steps[0].params["method"] for each in started if each is not None]
    assert methods == ["standard", "mwt", "nemo", "mwt", "nemo"]
    assert queue.next() is None
    assert queue.exhausted


def methods_of(queue: TrainingQueue, count: int) -> list[str]:
    trainings = [queue.next() for _ in range(count)]
    return [each.steps[0].params["method"] for each in trainings if each is not None]


def test_the_highest_priority_is_next() -> None:
    wanted = study(methods={"standard": {}, "mwt": {"priority": 1}, "nemo": {"priority": -1}, "moda": {}})
    planned = plan(DescribedStudy(wanted, DESCRIPTIONS), {})
    queue = TrainingQueue(of_kind(planned, "train"), [], Memory())
    assert methods_of(queue, 5) == ["mwt", "standard", "moda", "nemo"]


def test_a_search_of_a_higher_priority_goes_before_what_is_known() -> None:
    wanted = study(**{**SEARCHED, "methods": {"standard": {}, "mwt": {}, "nemo": {"priority": 1}}})
    planned = plan(DescribedStudy(wanted, DESCRIPTIONS), {})
    queue = TrainingQueue(of_kind(planned, "train"), planned.searches, Memory())
    assert methods_of(queue, 6) == ["nemo", "nemo", "standard", "mwt", "mwt"]
    assert queue.exhausted


def test_what_an_urgent_training_waits_for_is_urgent() -> None:
    teacher, student = taught()
    (other,) = of_kind(plan(DescribedStudy(study(methods=["standard"]), DESCRIPTIONS), {}), "train")
    queue = TrainingQueue([other, teacher, replace(student, where={**student.where, "priority": 1})], [], Memory())
    first, second = queue.next(), queue.next()
    assert first is not None and first.steps == [teacher]
    assert second is not None and second.steps == [other]


def test_a_queue_takes_a_plan_that_has_grown() -> None:
    small = plan(DescribedStudy(study(), DESCRIPTIONS), {})
    large = plan(
        DescribedStudy(study(seeds=[0, 1], methods={"standard": {}, "mwt": {"priority": 1}}), DESCRIPTIONS), {}
    )
    results = Memory()
    queue = TrainingQueue(of_kind(small, "train"), [], results)
    first = queue.next()
    assert first is not None and first.steps[0].params["method"] == "standard"
    assert queue.extend(of_kind(large, "train"), []) == 2  # seed 1; what runs is not started again
    told = [queue.next() for _ in range(4)]
    shown = [(each.steps[0].params["method"], each.steps[0].params["seed"]) for each in told if each is not None]
    assert shown == [("mwt", 0), ("mwt", 1), ("standard", 1)]
    results.documents[first.steps[0].key] = {"result": {}}
    queue.ended(first.steps[0])
    assert queue.extend(of_kind(large, "train")[:1], []) == 0  # nor what has ended meanwhile
    assert queue.exhausted


def test_a_search_that_had_its_trials_gets_more() -> None:
    def searched(trials: int) -> Plan:
        sweep = {"mwt": {"search": "random", "trials": trials, "space": {"lambda_coup": [1.0, 3.0]}}}
        fields = {"methods": ["mwt"], "recipe": {"validation": 0.1}, "sweep": sweep}
        return plan(DescribedStudy(study(**fields), DESCRIPTIONS), {})

    queue = TrainingQueue([], searched(1).searches, Memory())
    assert [queue.next() is None for _ in range(2)] == [False, True]
    assert queue.exhausted
    assert queue.extend([], searched(3).searches) == 2
    numbers = [each.number for each in (queue.next() for _ in range(3)) if each is not None]
    assert numbers == [1, 2]
