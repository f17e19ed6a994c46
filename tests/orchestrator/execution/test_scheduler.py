"""Tune as the scheduler of trainings: failures, adaptive searches that carry on, early stopping without leaks."""

from __future__ import annotations

import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import pytest
import ray

from nemo.errors import UserError
from orchestrator.cluster.capacity import Slots, check_room, concurrent_trainings
from orchestrator.cluster.cluster import Cluster
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.combination_plan import Search
from orchestrator.plan.search import Adaptive
from orchestrator.study.resources import Resources
from tests import tiny
from tests.orchestrator.driving import Drive

MACHINE = Cluster("none:1", ((2.0, 0.0),))
NODES = Cluster("none:1", ((6.0, 2.0), (6.0, 2.0)))
SPACE = {"lambda_coup": [0.5, 3.0], "lr": {"low": 0.01, "high": 0.1, "log": True}}


def searching(**changes: Any) -> dict[str, Any]:
    sweep = {"search": "optuna", "trials": 6, "space": SPACE, **changes}
    return {"methods": {"mwt": {}}, "sweep": {"mwt": sweep}, "subtasks": None}


def resources(**training: Any) -> Resources:
    return Resources.model_validate({"training": training})


@pytest.mark.parametrize(
    ("cluster", "training", "expected"),
    [
        (MACHINE, {"cpus": 1}, 2),
        (MACHINE, {"workers": 2, "cpus": 1}, 1),
        (NODES, {"cpus": 4}, 2),  # not three: a worker does not span nodes
        (NODES, {"workers": 2, "cpus": 2, "gpus": 1}, 2),
        (NODES, {"cpus": 1, "gpus": 0.5}, 8),
        (NODES, {"cpus": 1, "gpus": 0.4}, 8),  # not ten: a share is one of a single GPU
    ],
)
def test_concurrent_trainings(cluster: Cluster, training: dict[str, Any], expected: int) -> None:
    assert concurrent_trainings(cluster, resources(**training)) == expected


def test_what_no_node_can_hold_is_refused_with_the_arithmetic() -> None:
    with pytest.raises(UserError, match=r"3 workers x 1 CPUs.*2 CPUs and 0 GPUs has room for 2 such workers"):
        concurrent_trainings(MACHINE, resources(workers=3, cpus=1))
    with pytest.raises(UserError, match=r"resources.subtask: .* 1 GPUs on one node"):
        check_room(MACHINE, Resources.model_validate({"subtask": {"gpus": 1}}))


def test_trainings_come_before_the_fan_out() -> None:
    slots = Slots(MACHINE)
    assert slots.tasks(1, 0) == 4
    slots.trainings(wanted=2, running=1, cpus=1, gpus=0)
    assert slots.tasks(1, 0) == 0  # a training waits
    slots.trainings(wanted=2, running=2, cpus=1, gpus=0)
    assert slots.tasks(1, 0) == 1  # waits in Ray for the first training that ends
    slots.trainings(wanted=1, running=0, cpus=1, gpus=0)
    assert slots.tasks(1, 0) == 1
    assert slots.tasks(0.25, 0) == 4


def test_a_search_carries_on_from_its_ledger(tmp_path: Path) -> None:
    drive = Drive(tmp_path, MACHINE, searching())
    (search,) = drive.plan.searches
    first = Adaptive(search, drive.ledger)
    given = [first.next() for _ in range(4)]
    suggested = drive.ledger.suggestions(search.key)
    assert [trial.number for trial in suggested] == [0, 1, 2, 3]  # written before they are given out
    finish(drive.ledger, given[0][1][0], 0.5)  # type: ignore[index]
    drive.ledger.fail(given[1][1][0], "diverged")  # type: ignore[index]
    drive.ledger.conclude(search.key, 2, {"epoch": 1, "reason": "stopped"})

    second = Adaptive(search, Ledger(tmp_path))
    assert second.remaining == 3
    assert second.next() == given[3]  # in flight: the same settings under the same number
    number, steps = second.next()  # type: ignore[misc]
    assert number == 4
    assert Adaptive(search, Ledger(tmp_path)).steps(dict(drive.ledger.suggestions(search.key)[4].settings)) == steps
    second.tell(3)
    assert second.next() is not None
    assert second.next() is None


def test_a_resumed_search_suggests_what_the_uninterrupted_one_would(tmp_path: Path) -> None:
    def settings(folder: Path, interrupted: bool) -> list[Any]:
        drive = Drive(folder, MACHINE, searching())
        (search,) = drive.plan.searches
        adaptive = Adaptive(search, drive.ledger)
        for accuracy in (0.2, 0.9, 0.4, 0.3, 0.8, 0.1):
            if interrupted:
                adaptive = Adaptive(search, drive.ledger)
            number, steps = adaptive.next()  # type: ignore[misc]
            finish(drive.ledger, steps[0], accuracy)
            adaptive.tell(number)
        return [trial.settings for trial in drive.ledger.suggestions(search.key)]

    assert settings(tmp_path / "one", False) == settings(tmp_path / "two", True)


def test_objectives_are_measured_at_the_searchs_threshold(tmp_path: Path) -> None:
    changes = searching(objectives=["krr", "accuracy"], threshold=0.5)
    drive = Drive(tmp_path, MACHINE, changes)
    search: Search = drive.plan.searches[0]
    adaptive = Adaptive(search, drive.ledger)
    number, (train, modularize, measure) = adaptive.next()  # type: ignore[misc]
    assert measure.params["threshold"] == 0.5
    settings = dict(drive.ledger.suggestions(search.key)[number].settings)
    finish(drive.ledger, train, 0.5)
    assert adaptive.values(settings) is None
    drive.ledger.put(modularize, {})
    drive.ledger.put(measure, {"krr": 0.25})
    assert adaptive.values(settings) == [0.25, 0.5]


def finish(ledger: Ledger, step: Any, accuracy: float) -> None:
    ledger.put(step, {"accuracy": 0.0, "validation_accuracy": accuracy})


def assert_nothing_is_held(cluster: Cluster) -> None:
    """No placement group and no actor of ours is left, and every CPU is free again."""
    from ray.util.state import list_actors

    deadline = time.monotonic() + 60
    while True:
        groups = [group for group in ray.util.placement_group_table().values() if group["state"] != "REMOVED"]
        actors = list_actors(address=cluster.address, filters=[("state", "!=", "DEAD")])
        # Ray Train starts one of these per cluster, for good; it holds no CPU.
        alive = [actor for actor in actors if actor.class_name != "_AutoscalingCoordinatorActor"]
        free = ray.available_resources().get("CPU") == cluster.cpus
        if not groups and not alive and free:
            return
        assert time.monotonic() < deadline, (groups, alive, ray.available_resources())
        time.sleep(0.5)


@pytest.mark.ray
def test_a_diverged_training_fails_alone_and_once(cluster: Cluster, tmp_path: Path) -> None:
    drive = Drive(tmp_path, cluster, {"sweep": {"mwt": {"grid": {"lr": [0.03, 1e12]}}}, "methods": {"mwt": {}}})
    good, bad = drive.steps("train")
    drive.train()
    assert [event.step for event in drive.told("finished")] == [good]
    (failed,) = drive.told("failed")
    assert failed.step == bad
    assert "epoch" in failed.reason
    assert drive.ledger.failure(bad.key)["reason"] == failed.reason  # type: ignore[index]
    assert len(drive.told("started", bad)) == 1  # never tried again
    assert_nothing_is_held(cluster)


@pytest.mark.ray
def test_without_their_teacher_students_are_left_out_and_the_others_go_on(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "deit.json").write_text(json.dumps({"model_type": "deit", "hidden_size": 24, "num_hidden_layers": 2}))
    images = tiny.STUDY["pairs"][0]
    student = {**images, "backbone": f"vit:{tmp_path / 'deit.json'}", "teacher": {"recipe": {"lr": 1e12}}}
    drive = Drive(
        tmp_path, cluster, {**searching(trials=2), "pairs": [student, images], "methods": ["standard", "mwt"]}
    )
    teacher, distilled, other = drive.steps("train")
    drive.train()
    assert [event.step for event in drive.told("failed")] == [teacher]
    assert other in [event.step for event in drive.told("finished")]
    assert len(drive.told("finished")) == 3  # the other pair's standard network and two trials
    assert distilled not in [event.step for event in drive.events]
    assert_nothing_is_held(cluster)


@pytest.mark.ray
@pytest.mark.parametrize(("workers", "count"), [(1, 6), pytest.param(2, 4, marks=pytest.mark.slow)])
def test_asha_stops_some_trials_hangs_none_and_leaves_nothing(
    cluster: Cluster, tmp_path: Path, workers: int, count: int
) -> None:
    recipe = {"epochs": 6, "batch_size": 32, "lr": 0.03, "validation": 0.2}
    changes = {**searching(search="random", early_stopping="asha", trials=count), "recipe": recipe}
    drive = Drive(tmp_path, cluster, {**changes, "resources": {"training": {"workers": workers, "cpus": 1}}})
    (search,) = drive.plan.searches
    drive.train()
    trials = drive.ledger.suggestions(search.key)
    stopped = [trial for trial in trials if trial.outcome]
    assert len(trials) == count
    assert stopped
    assert len(drive.told("stopped")) == len(stopped)
    assert len(drive.told("finished")) == count - len(stopped)
    for trial in stopped:
        assert 1 <= trial.outcome["epoch"] < 6  # type: ignore[index]
        assert drive.ledger.get(search.combination.point_steps(dict(trial.settings))[0].key) is None
    assert not list((tmp_path / "checkpoints").glob("*"))
    assert_nothing_is_held(cluster)


@pytest.mark.ray
@pytest.mark.slow
def test_a_search_with_two_objectives_measures_every_trial(cluster: Cluster, tmp_path: Path) -> None:
    drive = Drive(tmp_path, cluster, searching(objectives=["accuracy", "krr"], trials=3))
    (search,) = drive.plan.searches
    drive.train()
    adaptive = Adaptive(search, drive.ledger)
    assert adaptive.remaining == 0
    for trial in drive.ledger.suggestions(search.key):
        accuracy, krr = adaptive.values(dict(trial.settings)) or (None, None)
        assert accuracy is not None
        assert 0 < krr <= 1
    more = Drive(tmp_path, cluster, searching(objectives=["accuracy", "krr"], trials=4))
    more.train()
    assert len(more.told("finished")) == 1  # more trials go on from those that there are
    assert dataclasses.asdict(more.ledger.suggestions(search.key)[3])["number"] == 3
