"""The fan-out on real Ray: the numbers of a plain call, whatever dies on the way."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import ray
import torch
from ray.util.state import list_tasks

from orchestrator.cluster.cluster import Cluster
from orchestrator.computing import compute
from orchestrator.computing.data import as_dataset, data_key, dataset_arrays
from orchestrator.execution.context import DIED, Event
from orchestrator.execution.fanout import MAX_RETRIES, FanOut, Shared
from orchestrator.plan.step import make_step
from tests.orchestrator.driving import Drive, kill_one

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def drive(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Drive:
    """A study whose trainings, relevance passes and measures are finished, on a running head."""
    changes = {
        "sweep": {"mwt": {"grid": {"lambda_coup": [1.0]}}},
        "subtasks": {"from": "every", "sizes": [2], "samples": 6, "finetune": {"epochs": 1}},
    }
    found = Drive(tmp_path_factory.mktemp("fanout"), cluster, changes)
    found.train()

    def follow(fanout: FanOut, event: Event) -> None:
        if event.step.kind == "modularize":
            fanout.submit(found.steps("measure"))

    found.fan_out(found.steps("modularize"), follow)
    return found


@pytest.fixture(autouse=True)
def forget(drive: Drive) -> None:
    drive.events.clear()


def test_steps_submitted_by_an_event_are_waited_for(drive: Drive) -> None:
    for step in drive.steps("modularize") + drive.steps("measure"):
        document = drive.ledger.get(step.key)
        assert document is not None, step.label
        assert document["seconds"] > 0
    measured = [drive.ledger.get(step.key)["result"]["krr"] for step in drive.steps("measure")]  # type: ignore[index]
    assert measured[0] >= measured[1]  # thresholds 0.5 and 0.9


def test_thresholds_are_measured_by_one_task_each_with_its_own_result(drive: Drive) -> None:
    steps = drive.steps("measure")
    alone = [compute.measure_modules([step], drive.ledger, torch.device("cpu"))[0] for step in steps]
    documents = [drive.ledger.get(step.key) for step in steps]
    assert [document["result"] for document in documents] == alone  # type: ignore[index]
    assert len({document["seconds"] for document in documents}) == 1  # type: ignore[index]
    new = [
        make_step("measure", {**steps[0].params, "threshold": at}, steps[0].parents, steps[0].where, str(at))
        for at in (0.6, 0.7)
    ]
    drive.ledger.put(new[0], alone[0], seconds=1.0, environment={})
    drive.fan_out(new)  # as if a first worker had died in the middle
    first, second = (event.result for event in drive.told("finished"))
    assert first == drive.ledger.get(new[0].key)
    assert second["result"]["threshold"] == 0.7  # type: ignore[index]


def test_subtasks_give_the_numbers_of_a_plain_call(drive: Drive) -> None:
    wanted = drive.steps("reuse")[:3]
    drive.fan_out(wanted)
    assert {event.step.key for event in drive.told("finished")} == {step.key for step in wanted}
    torch.set_num_threads(1)
    dataset = as_dataset(dataset_arrays(wanted[0].where))
    model = compute.model_arrays(wanted[0].parents, drive.ledger)
    for event in drive.events:
        assert event.result is not None
        plain = compute.reuse(event.step, dataset, model, torch.device("cpu"))
        result = dict(event.result["result"])
        for timed in (plain, result):
            del timed["history"]
        assert result == plain
    assert not drive.shared._models  # nobody needs the network any more


def test_a_killed_worker_is_tried_again(head: tuple[Path, Cluster], drive: Drive) -> None:
    (step,) = drive.steps("reuse")[3:4]
    params = {**step.params, "finetune": {**step.params["finetune"], "epochs": 200}}
    long = make_step("reuse", params, step.parents, step.where, "long")
    kills = []

    def kill(fanout: FanOut, event: Event) -> None:
        if event.step is step:
            kill_one(head[0], "long")
            kills.append(1)

    drive.fan_out([long, step], kill)
    assert kills
    assert {event.kind for event in drive.events} == {"finished"}
    assert drive.ledger.get(long.key) is not None


def test_a_worker_that_is_killed_again_and_again(head: tuple[Path, Cluster], drive: Drive) -> None:
    good = drive.steps("reuse")[5]
    params = {**good.params, "finetune": {**good.params["finetune"], "epochs": 100_000}}
    doomed = make_step("reuse", params, good.parents, good.where, "doomed")

    def kill() -> None:
        for _ in range(1 + MAX_RETRIES):
            while not kill_one(head[0], "doomed", there=False):
                time.sleep(0.2)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    drive.fan_out([doomed, good])
    killer.join(60)
    assert not killer.is_alive()
    assert [event.step for event in drive.told("finished")] == [good]
    (failed,) = drive.told("failed")
    assert (failed.step, failed.reason) == (doomed, DIED)


def test_a_failure_is_recorded_and_the_others_go_on(drive: Drive) -> None:
    good = drive.steps("reuse")[4]
    bad = make_step("reuse", {**good.params, "classes": [3, 99]}, good.parents, good.where, "bad")
    broken = make_step("measure", {"threshold": 0.5}, {"train": "0" * 20, "modularize": "0" * 20}, good.where, "broken")
    drive.fan_out([bad, broken, good])
    assert [event.step for event in drive.told("finished")] == [good]
    reasons = {event.step.label: event.reason for event in drive.told("failed")}
    assert reasons.keys() == {"bad", "broken"}
    assert "damaged or missing" in reasons["broken"]
    assert drive.ledger.failure(bad.key)["reason"] == reasons["bad"]  # type: ignore[index]
    assert "\n" not in "".join(reasons.values())


def test_ray_learns_no_more_names_than_there_are_kinds(drive: Drive) -> None:
    drive.fan_out(drive.steps("reuse")[:2])
    expected = {"modularize", "measure", "reuse"}
    deadline = time.monotonic() + 30
    while not expected <= (names := {task.name for task in list_tasks(limit=1000)}) and time.monotonic() < deadline:
        time.sleep(0.5)  # Ray tells of its tasks once a second
    assert expected <= names
    assert not [name for name in names if "digits" in name], "labels are names without end"


def test_what_a_failed_step_read_is_read_anew(drive: Drive) -> None:
    good = drive.steps("reuse")[5]
    bad = make_step("reuse", {**good.params, "classes": [2, 99]}, good.parents, good.where, "another bad one")
    drive.shared.expect([good])  # which keeps the network
    drive.fan_out([bad])
    assert drive.told("failed")
    assert not drive.shared._datasets
    assert not drive.shared._models
    drive.fan_out([good])
    assert [event.step for event in drive.told("finished")] == [good]


def test_what_the_driver_has_read_is_read_again_only_where_it_was_dropped(drive: Drive) -> None:
    step = drive.steps("train")[0]
    read = dataset_arrays(step.where)
    told = {data_key(step): {**read, "name": "as the driver read it"}}
    shared = Shared(drive.context, told)
    assert ray.get(shared.dataset(step))["name"] == "as the driver read it"
    assert shared.dataset(step) == shared.dataset(step), "it is put once"
    shared.forget(step)
    assert ray.get(shared.dataset(step))["name"] == read["name"]
