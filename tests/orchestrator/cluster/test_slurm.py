"""What a job of SLURM is told of its study and its node; tests/faults/test_slurm.py runs whole jobs."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator.cluster.slurm import made_storage, progress, resources_of, study_of_job
from tests import tiny


def test_the_study_of_a_job_lies_where_nemo_run_will_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study = str(tiny.write_study(tmp_path))
    monkeypatch.setenv("NEMO_STORAGE", str(tmp_path / "shared"))
    assert str(study_of_job([study])) == str(tmp_path / "shared" / "tiny")
    words = ["--replace", "--storage", str(tmp_path / "a b"), "--set", "name=short", study]
    assert str(study_of_job(words)) == str(tmp_path / "a b" / "short")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ([], "no study is named"),
        (["{study}", "--address", "host:1"], "--address: a job has a Ray cluster of its own, leave it out"),
        (["{study}", "--set"], "cluster/slurm.sbatch: .*--set.* expected one argument"),
        (["{study}", "--set", "seeds=[]"], "seeds"),
    ],
)
def test_what_no_job_can_run_is_refused(words: list[str], sentence: str, tmp_path: Path) -> None:
    study = str(tiny.write_study(tmp_path))
    with pytest.raises(UserError, match=sentence):
        study_of_job([word.format(study=study) for word in words])


def test_a_storage_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    words = [str(tiny.write_study(tmp_path)), "--storage", str(tmp_path / "tiny.yaml" / "runs")]
    with pytest.raises(UserError, match=r"runs: cannot be written \(Not a directory\)"):
        made_storage(study_of_job(words))


def test_a_node_has_what_slurm_gave_the_job_there() -> None:
    assert resources_of({"SLURM_CPUS_ON_NODE": "8"}) == {"num-cpus": 8, "num-gpus": 0}
    given = {"SLURM_CPUS_ON_NODE": "2", "SLURM_GPUS_ON_NODE": "1", "SLURM_MEM_PER_CPU": "500"}
    assert resources_of(given) == {"num-cpus": 2, "num-gpus": 1, "object-store-memory": 300 * 2**20}
    with pytest.raises(UserError, match=r"sbatch cluster/slurm\.sbatch STUDY"):
        resources_of({})


def test_progress_is_a_result_or_a_checkpoint(tmp_path: Path) -> None:
    study = study_of_job([str(tiny.write_study(tmp_path)), "--storage", str(tmp_path / "runs")])
    said = [progress(study)]
    study.write("checkpoints/one/state.pt", b"an epoch")
    said.append(progress(study))
    study.write("checkpoints/one/state.pt", b"two epochs")
    said.append(progress(study))
    assert said[-1] == progress(study)
    assert len(set(said)) == 3
