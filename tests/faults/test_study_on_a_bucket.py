"""A study on an S3 server, tracked by MLflow with users on PostgreSQL: kills cost it as little as on a disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import tiny
from tests.faults.matrix.history import History, differences
from tests.faults.matrix.kills import Kill
from tests.postgres import Postgres
from tests.tracking_server import ALICE, log_in, object_store, objects, tracking_server

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(3000)]

SAMPLE = [
    Kill("driver", "starting", 1),
    Kill("driver", "training", 2),
    Kill("training process", "training", 1),
    Kill("every process, temporary files too", "training", 1),
    Kill("task worker", "fan-out", 1),
    Kill("driver", "fan-out", 1),
    Kill("driver and its Ray head", "closing", 1),
]


def test_a_study_that_is_killed_again_and_again(
    program: Callable[[str], Path], tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders = {name: tmp_path / name for name in ("server", "study", "disk")}
    for folder in folders.values():
        folder.mkdir()
    with (
        object_store() as files,
        Postgres(program) as postgres,
        tracking_server(folders["server"], postgres, files) as server,
    ):
        log_in(monkeypatch, *ALICE)
        history = History(folders["study"], SAMPLE, 0, storage=bucket, tracking=server.url)
        found = history.run()
        assert len(history.done) >= sum(kill.times for kill in SAMPLE) - 1  # a fast machine may outrun the closing
        kept = objects(files).list_objects_v2(Bucket="files", Prefix="mlflow/")["Contents"]
        assert sum(each["Key"].endswith("/network.safetensors") for each in kept) == 3
        in_bucket = tiny.mlflow_runs(bucket, uri=server.url)

    undisturbed = History(folders["disk"], [], 0)
    assert differences(found, undisturbed.run()) == []  # the same keys, the same numbers
    assert len(in_bucket) == len(tiny.mlflow_runs(folders["disk"] / "runs"))
    assert history.store.below() == {"artifacts", "environment.json", "ledger", "lock", "studies", "study.yaml"}
    assert history.store.read("lock") == b""
    assert {path.name for path in history.store.local.iterdir()} <= {"ray", "checkpoints"}
