"""A driver that is killed in the middle: the same command carries on, and nothing is done or written twice."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import tiny
from tests.faults.driver import Driver, finished

pytestmark = [pytest.mark.ray, pytest.mark.faults]


def kill_when(study: Path, storage: Path, reached: Callable[[], bool]) -> None:
    """Starts the study and kills its driver, and nothing else, as soon as `reached()`."""
    driver = Driver(study, storage)
    driver.wait_until(reached)
    driver.kill()


def carry_on(study: Path, storage: Path) -> None:
    """Runs the study again after a kill, and checks that what was finished was left alone."""
    before = tiny.result_files(storage)
    assert before
    ended = tiny.nemo("run", study, "--storage", storage)
    assert ended.returncode == 0, ended.stderr
    after = tiny.result_files(storage)
    assert {path: after[path] for path in before} == before
    assert len(after) > len(before)
    tiny.assert_complete(study, storage)


def test_killed_in_the_sweep(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    study = tiny.write_study(tmp_path, recipe={**tiny.STUDY["recipe"], "epochs": 12})
    keys = {step.key for step in tiny.planned(study, storage).steps}

    def in_the_sweep() -> bool:
        """One training is finished and another one has a checkpoint."""
        others = [path for path in (storage / "tiny" / "checkpoints").glob("*/*") if path.is_dir() or path.suffix]
        return finished(storage / "tiny", "train") >= 1 and bool(others)

    kill_when(study, storage, in_the_sweep)
    assert finished(storage / "tiny", "train") < 3
    carry_on(study, storage)
    assert keys <= {step.key for step in tiny.planned(study, storage).steps}


def test_killed_in_the_fan_out(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    subtasks = {**tiny.STUDY["subtasks"], "samples": 12, "finetune": {"epochs": 4, "batch_size": 32}}
    study = tiny.write_study(tmp_path, subtasks=subtasks)
    kill_when(study, storage, lambda: finished(storage / "tiny", "reuse") >= 3)
    assert finished(storage / "tiny", "reuse") < 12
    carry_on(study, storage)
