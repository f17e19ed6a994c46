"""A training whose loss turns NaN fails with its reason; everything else goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from tests import tiny

pytestmark = [pytest.mark.ray, pytest.mark.slow]


def test_a_loss_that_turns_nan_fails_that_training_alone(tmp_path: Path) -> None:
    study = tiny.write_study(
        tmp_path,
        sweep={"mwt": {"grid": {"lr": [0.03, 1e12]}}},
        thresholds=[0.9],
        subtasks={**tiny.STUDY["subtasks"], "from": "every", "samples": 2},
    )
    storage = tmp_path / "runs"
    ended = tiny.nemo("run", study, "--storage", storage)
    ledger = Ledger(storage / "tiny", readonly=True)
    assert ended.returncode == 1, ended.stderr
    (failure,) = ledger.failures().values()
    assert "lr=1e+12" in failure["label"] and "became nan in epoch" in failure["reason"]
    told = f"failed: {failure['label']}: {failure['reason']}"
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "--retry-failed" in ended.stderr
    assert not (storage / "tiny" / "logs").exists()  # it was expected: no traceback is kept

    report = tiny.report(storage)
    assert {row["method"] for row in report["trainings"]} == {"standard", "mwt"}
    assert len(report["trainings"]) == 2
    assert len(report["subtasks"]) == 2
    status = tiny.nemo("status", "tiny", "--storage", storage)
    assert told in " ".join(status.stdout.split())
    (run,) = [run for run in tiny.mlflow_runs(storage) if run.data.tags["nemo.key"] == failure["key"]]
    assert run.info.status == "FAILED"

    results = tiny.result_files(storage)
    again = tiny.nemo("run", study, "--storage", storage)
    assert again.returncode == 1
    assert told in again.stderr
    assert ledger.failure(failure["key"]) == failure
    assert "started" not in again.stderr

    retried = tiny.nemo("run", study, "--storage", storage, "--retry-failed")
    assert retried.returncode == 1
    assert f"{failure['label']}: started" in retried.stderr
    assert ledger.failure(failure["key"])["failed"] > failure["failed"]
    assert {path: file for path, file in tiny.result_files(storage).items() if "failures" not in path} == {
        path: file for path, file in results.items() if "failures" not in path
    }
