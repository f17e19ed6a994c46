"""A study as a job of a real SLURM of two nodes: to its end, cancelled, at its time limit, and where it is refused."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from orchestrator.storage import store_at
from tests import tiny
from tests.faults.driver import checkpoints
from tests.slurm import ENDED, Slurm

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def slurm(program: Callable[[str], Path]) -> Iterator[Slurm]:
    with Slurm(program) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With a space in its name."""
    made = tmp_path / "my studies"
    made.mkdir()
    return made


class Job:
    """A study that sbatch started.

    Args:
        slurm: Runs it.
        study: The study's file.
        options: More of sbatch's.
        words: What follows the study.
    """

    def __init__(self, slurm: Slurm, study: Path, *options: str, words: tuple[str, ...] = ()) -> None:
        self.storage, self._slurm, self._log = study.with_name("runs"), slurm, study.with_name("job.log")
        storage = {"NEMO_STORAGE": str(self.storage)}
        self.number = slurm.submit(study, *words, options=("-N2", f"--output={self._log}", *options), **storage)

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def ended(self) -> str:
        """Waits for its end, which leaves no process; its state."""
        state = self._slurm.wait_until(self.number, ENDED)
        deadline = time.monotonic() + 60  # SLURM still ends the last of them
        while (left := self._slurm.processes(self.number)) and time.monotonic() < deadline:
            time.sleep(0.5)
        assert not left, self.log
        return state

    def wait_until(self, reached: Callable[[], bool], seconds: float = 400) -> None:
        deadline = time.monotonic() + seconds
        while not reached():
            assert time.monotonic() < deadline, self.log
            time.sleep(0.2)

    def epochs(self) -> dict[str, int]:
        """Key -> how many epochs a training's checkpoint holds."""
        return {key: len(state["history"]) for key, state in checkpoints(store_at(self.storage / "tiny")).items()}


def test_a_study_runs_to_its_end_on_what_sbatch_was_given(slurm: Slurm, folder: Path) -> None:
    job = Job(slurm, tiny.write_study(folder), "--partition=other", "--cpus-per-task=1", "--gres=gpu:1")
    assert job.ended() == "COMPLETED", job.log
    assert "nemo: Ray has 2 nodes of SLURM, 2 CPUs and 2 GPUs.\n" in job.log
    tiny.assert_complete(folder / "tiny.yaml", job.storage)
    assert sorted(each.name for each in job.storage.glob(".slurm*")) == []


def test_a_cancelled_job_ends_in_order_and_the_same_sbatch_carries_on(slurm: Slurm, folder: Path) -> None:
    study = tiny.write_study(folder, recipe={**tiny.STUDY["recipe"], "epochs": 40})
    job = Job(slurm, study, "--cpus-per-task=1")
    job.wait_until(lambda: bool(job.epochs()))
    slurm.cancel(job.number)
    assert job.ended() == "CANCELLED", job.log
    assert "nemo: stopped by SIGTERM; what is finished is kept" in job.log
    assert "Traceback" not in job.log
    kept, finished = job.epochs(), tiny.result_files(job.storage)
    assert kept

    again = Job(slurm, study, "--cpus-per-task=1")
    assert again.ended() == "COMPLETED", again.log
    tiny.assert_complete(study, again.storage)
    after = tiny.result_files(again.storage)
    assert {path: after[path] for path in finished} == finished


def test_a_job_at_its_time_limit_is_requeued_and_carries_on_to_the_end(slurm: Slurm, folder: Path) -> None:
    study = tiny.write_study(folder, recipe={**tiny.STUDY["recipe"], "epochs": 40})
    job = Job(slurm, study, "--cpus-per-task=1", "--time=60")
    job.wait_until(lambda: bool(job.epochs()))
    hours, minutes, _ = map(int, slurm.field(job.number, "RunTime").split(":"))
    slurm.update(job.number, TimeLimit=str(hours * 60 + minutes + 3))  # two to three minutes are left
    job.wait_until(lambda: slurm.field(job.number, "Restarts") == "1")
    assert "nemo: stopped by SIGTERM; what is finished is kept" in job.log
    assert "nemo: the time limit is near, the job is requeued to carry on." in job.log
    slurm.update(job.number, TimeLimit="60", StartTime="now")
    assert job.ended() == "COMPLETED", job.log
    tiny.assert_complete(study, job.storage)


def test_what_gets_nowhere_within_its_time_limit_is_not_requeued(slurm: Slurm, folder: Path) -> None:
    endless = {"backbone": "rescnn", "dataset": "digits", "width": 4}
    study = tiny.write_study(folder, pairs=[endless], methods={"standard": {}}, sweep=None, subtasks=None)
    job = Job(slurm, study, "--cpus-per-task=1")
    job.wait_until(lambda: "started" in job.log)
    slurm.warn(job.number)  # as SLURM does three minutes before the limit
    assert job.ended() == "FAILED", job.log
    assert job.log.endswith(
        "nemo: not a step or checkpoint was finished within the time limit, so the job is not requeued; give it more "
        "--time.\n"
    )
    assert slurm.field(job.number, "Restarts") == "0"


def test_a_study_that_fails_is_not_requeued(slurm: Slurm, folder: Path) -> None:
    diverges = {**tiny.STUDY["recipe"], "lr": 1e30}
    study = tiny.write_study(folder, recipe=diverges, methods={"standard": {}}, sweep=None, subtasks=None)
    job = Job(slurm, study, "--nodes=1")
    assert job.ended() == "FAILED", job.log
    assert "failed" in job.log
    assert (slurm.field(job.number, "Restarts"), slurm.field(job.number, "ExitCode")) == ("0", "1:0")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give each node a disk of its own")
def test_a_storage_that_the_nodes_do_not_share_is_refused_in_one_sentence(slurm: Slurm, folder: Path) -> None:
    job = Job(slurm, tiny.write_study(folder), words=("--storage", str(slurm.unshared)))
    assert job.ended() == "FAILED"
    assert job.log.count("\n") == 1
    assert job.log.startswith(f"nemo: {slurm.unshared} or ")
    assert job.log.endswith(
        "is not on node n2; studies and the checkout must lie in folders that all nodes share, name one for the "
        "studies by NEMO_STORAGE=FOLDER before sbatch.\n"
    )


def test_a_wrong_study_is_refused_before_ray_is_started(slurm: Slurm, folder: Path) -> None:
    job = Job(slurm, tiny.write_study(folder, pairs=[]))
    assert job.ended() == "FAILED"
    assert job.log.startswith("nemo: ") and "pairs" in job.log
    assert "Ray" not in job.log
    assert slurm.field(job.number, "ExitCode") == "2:0"
