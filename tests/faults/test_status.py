"""`nemo status` after a SIGKILL of a real driver; `test_signals.py` asks while one runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import tiny
from tests.faults.driver import Driver

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow]


def test_a_killed_study(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    endless = tiny.write_study(tmp_path, recipe={**tiny.STUDY["recipe"], "epochs": 10_000})
    with Driver(endless, storage) as driver:
        driver.wait_until(lambda: "started" in driver.log)  # a training, on a head that is up
        pid = driver.process.pid
        driver.kill()
        killed = tiny.nemo("status", "tiny", "--storage", storage).stdout
        assert f"tiny: killed: process {pid} on " in killed
