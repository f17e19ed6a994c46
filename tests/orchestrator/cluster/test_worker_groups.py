"""A worker that dies while a worker group starts: the next group finds the CPUs that the first one held."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cluster.head import own_head
from tests import tiny
from tests.orchestrator.driving import Drive

CALLBACKS = (
    "orchestrator.cluster.worker_groups.FreesFailedStarts,tests.orchestrator.cluster.killing_starts.KillsTheFirstStart"
)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_worker_that_dies_while_its_group_starts(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_TRAIN_CALLBACKS", CALLBACKS)
    monkeypatch.setenv("PYTHONPATH", str(Path(tiny.__file__).parents[1]))
    with own_head(storage, num_cpus=2, num_gpus=0) as cluster:
        resources = {"training": {"workers": 2, "cpus": 1}}
        drive = Drive(
            storage / "study",
            cluster,
            {"methods": {"standard": {}}, "sweep": None, "subtasks": None, "resources": resources},
        )
        drive.train()
    assert [event.kind for event in drive.events if event.kind != "epochs"] == ["started", "finished"]
