"""Ray's head is killed while a study runs: one sentence, and the same command carries on."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from orchestrator.storage.layout import RAY_HEAD
from tests import tiny
from tests.faults.driver import Driver, checkpoints

pytestmark = [pytest.mark.faults, pytest.mark.ray, pytest.mark.slow]


def test_the_end_is_a_sentence_and_the_same_command_carries_on(tmp_path: Path) -> None:
    study, storage = tiny.write_study(tmp_path), tmp_path / "runs"
    with Driver(study, storage) as driver:
        driver.wait_until(lambda: len(checkpoints(driver.store)) > 0)
        (gcs, *_), *_ = json.loads((driver.folder / RAY_HEAD).read_text())["vital"]
        os.kill(gcs, signal.SIGKILL)
        assert driver.ended(120) == 2, driver.log
        last = driver.log.strip().splitlines()[-1]
        assert last.startswith("nemo: Ray's head died while it ran this: ") and last.endswith("carries on"), driver.log
        assert "Traceback" not in driver.log
    ended = tiny.nemo("run", study, "--storage", storage)
    assert ended.returncode == 0, ended.stderr
    tiny.assert_complete(study, storage)
