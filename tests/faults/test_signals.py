"""Ctrl-C and SIGTERM: a study ends in order, leaves nothing running, and says how to carry on."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from orchestrator.storage import store_at
from tests import tiny
from tests.faults.driver import Driver, carry_on, checkpoints, finished, processes

pytestmark = [pytest.mark.ray, pytest.mark.faults]


def assert_stopped(driver: Driver, marker: str | None, name: str) -> None:
    """Nothing of it is left, and its last line is the way on."""
    assert marker is not None
    assert not processes(marker)
    assert driver.marker is None
    assert "Traceback" not in driver.log
    command, *words = driver.process.args[2:]  # type: ignore[index, misc]
    assert command == "orchestrator.cli"
    way_on = f"what is finished is kept, this carries on: nemo {' '.join(words)}"
    assert driver.log.splitlines()[-1] == f"nemo: stopped by {name}; {way_on}"
    status = tiny.nemo("status", "tiny", "--storage", driver.folder.parent)
    assert "tiny: stopped: nobody runs it; nemo run carries on." in status.stdout


@pytest.mark.slow
def test_ctrl_c_in_a_training(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    study = tiny.write_study(tmp_path, recipe={**tiny.STUDY["recipe"], "epochs": 40})
    with Driver(study, storage) as driver:
        driver.wait_until(lambda: bool(checkpoints(driver.store)))
        marker = driver.marker
        driver.press_ctrl_c()
        assert driver.ended() == 130
        assert_stopped(driver, marker, "SIGINT")
    kept = {key: state["history"] for key, state in checkpoints(store_at(storage / "tiny")).items()}
    assert kept
    carried_on = tiny.nemo("run", study, "--storage", storage)
    assert carried_on.returncode == 0, carried_on.stderr
    tiny.assert_complete(study, storage)
    ledger = Ledger(storage / "tiny", readonly=True)
    for key, history in kept.items():
        document = ledger.get(key)
        assert document is not None
        assert document["result"]["history"][: len(history)] == history


@pytest.mark.slow
def test_sigterm_in_the_fan_out(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    subtasks = {**tiny.STUDY["subtasks"], "samples": 12, "finetune": {"epochs": 4, "batch_size": 32}}
    study = tiny.write_study(tmp_path, subtasks=subtasks)
    with Driver(study, storage) as driver:
        driver.wait_until(lambda: finished(driver.store, "reuse") >= 3)
        marker = driver.marker
        driver.process.terminate()
        assert driver.ended() == 143
        assert_stopped(driver, marker, "SIGTERM")
    assert finished(store_at(storage / "tiny"), "reuse") < 12
    carry_on(study, storage)


def test_it_is_seen_to_run_and_a_second_ctrl_c_ends_it_at_once(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    endless = {**tiny.STUDY["recipe"], "epochs": 10_000}
    study = tiny.write_study(tmp_path, recipe=endless, methods={"standard": {}}, sweep=None, subtasks=None)
    with Driver(study, storage) as driver:
        driver.wait_until(lambda: "started" in driver.log)  # a training, on a head that is up
        marker, pid = driver.marker, driver.process.pid
        running = tiny.nemo("status", "tiny", "--storage", storage).stdout
        assert f"tiny: running: it is run by process {pid} on " in running
        refused = tiny.nemo("run", study, "--storage", storage)
        assert refused.returncode == 2
        assert f"already run by process {pid} on " in refused.stderr
        while driver.process.poll() is None:
            driver.press_ctrl_c()
            time.sleep(0.3)
        assert driver.ended() == 130
    assert "stopped by" not in driver.log  # the words of an end in order
    assert marker is not None
    assert not processes(marker)
