"""A node goes away while two workers train across both nodes, and while sub-tasks run there: the work moves."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from tests import tiny
from tests.faults.driver import Driver, checkpoints, finished
from tests.faults.matrix.history import numbers
from tests.faults.two_nodes import two_nodes

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1200)]


EPOCHS = 1200  # Ray looks once a minute whether there is more room


def write_study(folder: Path, **training: object) -> Path:
    return tiny.write_study(
        folder,
        recipe={**tiny.STUDY["recipe"], "epochs": 30},
        subtasks={**tiny.STUDY["subtasks"], "samples": 24, "finetune": {"epochs": 6, "batch_size": 32}},
        resources={"training": {"workers": 2, "cpus": 1, **training}, "subtask": {"cpus": 1}},
    )


def epochs(driver: Driver) -> dict[str, int]:
    """Key -> how many epochs a training's checkpoint holds."""
    return {key: len(state["history"]) for key, state in checkpoints(driver.store).items()}


def test_a_node_that_goes_away(tmp_path: Path) -> None:
    study, whole, broken = write_study(tmp_path, placement="spread"), tmp_path / "whole", tmp_path / "broken"
    with two_nodes() as nodes:
        with Driver(study, whole, "--address", nodes.address, **nodes.environment) as driver:
            assert driver.ended(600) == 0, driver.log

        with Driver(study, broken, "--address", nodes.address, **nodes.environment) as driver:
            driver.wait_until(lambda: bool(epochs(driver)) and min(nodes.running("ray::RayTrainWorker")) > 0)
            kept, before = epochs(driver), tiny.result_files(broken)
            nodes.lose()
            driver.wait_until(lambda: any(count > kept.get(key, 0) for key, count in epochs(driver).items()))
            nodes.replace()

            driver.wait_until(lambda: finished(driver.store, "reuse") >= 3 and nodes.running("ray::")[1] > 0)
            before |= tiny.result_files(broken)
            nodes.lose()
            assert driver.ended(600) == 0, driver.log
    after = tiny.result_files(broken)
    assert {path: after[path] for path in before} == before
    tiny.assert_complete(study, broken)
    assert numbers(broken) == numbers(whole)


def test_a_training_that_goes_on_with_fewer_workers_and_then_with_more(tmp_path: Path) -> None:
    study = tiny.write_study(
        tmp_path,
        methods={"standard": {}},
        sweep=None,
        subtasks=None,
        recipe={**tiny.STUDY["recipe"], "epochs": EPOCHS},
        resources={"training": {"workers": 2, "cpus": 1, "min_workers": 1}},
    )
    storage = tmp_path / "runs"
    with (
        two_nodes(cpus=1) as nodes,
        Driver(study, storage, "--address", nodes.address, **nodes.environment) as driver,
    ):

        def goes_on(*workers: int) -> None:
            before = epochs(driver)
            driver.wait_until(
                lambda: (
                    nodes.running("ray::RayTrainWorker") == workers
                    and any(count > before.get(key, 0) for key, count in epochs(driver).items())
                )
            )

        goes_on(1, 1)
        nodes.lose()
        goes_on(1, 0)
        nodes.replace()
        goes_on(1, 1)
        assert driver.ended(600) == 0, driver.log
    tiny.assert_complete(study, storage)
    (document,) = (document for _, document in Ledger(storage / "tiny", readonly=True).results("train"))
    assert document["workers"] == 2  # who finished it
    assert [row["epoch"] for row in document["result"]["history"]] == list(range(EPOCHS))
