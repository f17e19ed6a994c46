"""Which training starts next: known ones in their order, students after their teacher, searches by turns."""

from __future__ import annotations

from typing import Any

from orchestrator.plan.planner import plan
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
