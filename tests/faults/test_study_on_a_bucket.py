"""A whole study on a real S3 API server: what it finds is what it finds on a disk, and a kill costs it as little."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.ledger import Ledger
from orchestrator.stores import Store, store_at
from tests import tiny
from tests.faults.driver import Driver, carry_on
from tests.faults.mlflow_server import Server

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow, pytest.mark.timeout(3000)]


def found(store: Store) -> dict[str, Any]:
    """Key -> result, without when and how fast."""
    results = {key: dict(document["result"]) for key, document in Ledger(store, readonly=True).results()}
    for result in results.values():
        for epoch in result.get("history", []):
            del epoch["time"], epoch["seconds"]
    return results


def test_a_study_on_an_object_store_is_the_one_on_a_disk(tmp_path: Path, storage: Path, bucket: str) -> None:
    store = store_at(bucket) / "tiny"
    with Server(tmp_path) as mlflow:
        study = tiny.write_study(tmp_path, storage=bucket, tracking={"uri": mlflow.url})

        def in_the_sweep() -> bool:
            """One training is finished and another one has a checkpoint."""
            return bool(store.list("ledger/train")) and any("state.pt" in name for name in store.list("checkpoints"))

        with Driver(study, bucket) as driver:
            driver.wait_until(in_the_sweep, seconds=1200)
            driver.kill()
        assert len(store.list("ledger/train")) < 3
        status = tiny.nemo("status", "tiny", "--storage", bucket)
        assert "tiny: killed: " in status.stdout, status
        carry_on(study, bucket)
        models = list((tmp_path / "files").rglob("network.safetensors"))
        assert len(models) == 3
        again = tiny.nemo("run", study)
        assert again.returncode == 0, again.stderr

    on_disk = tiny.nemo("run", tiny.write_study(storage), "--storage", storage)
    assert on_disk.returncode == 0, on_disk.stderr
    assert found(store) == found(store_at(storage) / "tiny")
    assert store.below() == {"artifacts", "environment.json", "ledger", "lock", "studies", "study.yaml"}
    assert store.read("lock") == b""
    assert {path.name for path in store.local.iterdir()} <= {"ray", "checkpoints"}
    told = [{row["key"]: row["accuracy"] for row in tiny.report(each)["subtasks"]} for each in (bucket, storage)]
    assert len(told[0]) == 4 and told[0] == told[1]
    assert f"--storage {bucket}" in again.stdout
