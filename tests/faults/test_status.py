"""`nemo status` beside a real driver: what it says while that runs, and after a SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from orchestrator.head import end_orphan
from tests import tiny

pytestmark = [pytest.mark.ray, pytest.mark.faults]


def test_a_running_study_and_a_killed_one(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    log = tmp_path / "driver.log"
    with log.open("w") as output:
        command = tiny.command("run", tiny.write_study(tmp_path), "--storage", storage)
        driver = subprocess.Popen(command, stdout=output, stderr=output, env=tiny.environment())
    try:
        deadline = time.monotonic() + 300
        while "started" not in log.read_text():  # a training, on a head that is up
            assert driver.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        running = tiny.nemo("status", "tiny", "--storage", storage).stdout
        assert f"tiny: running: it is run by process {driver.pid} on " in running
        refused = tiny.nemo("run", tmp_path / "tiny.yaml", "--storage", storage)
        assert refused.returncode == 2
        assert f"already run by process {driver.pid} on " in refused.stderr
        os.kill(driver.pid, signal.SIGKILL)
        driver.wait()
        killed = tiny.nemo("status", "tiny", "--storage", storage).stdout
        assert f"tiny: killed: process {driver.pid} on " in killed
    finally:
        driver.kill()
        driver.wait()
        end_orphan(storage / "tiny")
