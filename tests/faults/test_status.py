"""`nemo status` beside a real driver: what it says while that runs, and after a SIGKILL."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny
from tests.faults.driver import Driver

pytestmark = [pytest.mark.ray, pytest.mark.faults]


def test_a_running_study_and_a_killed_one(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    endless = tiny.write_study(tmp_path, recipe={**tiny.STUDY["recipe"], "epochs": 10_000})
    with Driver(endless, storage) as driver:
        driver.wait_until(lambda: "started" in driver.log)  # a training, on a head that is up
        pid = driver.process.pid
        running = tiny.nemo("status", "tiny", "--storage", storage).stdout
        assert f"tiny: running: it is run by process {pid} on " in running
        refused = tiny.nemo("run", tmp_path / "tiny.yaml", "--storage", storage)
        assert refused.returncode == 2
        assert f"already run by process {pid} on " in refused.stderr
        driver.kill()
        killed = tiny.nemo("status", "tiny", "--storage", storage).stdout
        assert f"tiny: killed: process {pid} on " in killed
