"""Trainings on real Ray: interrupted ones end where uninterrupted ones do, with one worker and with two."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from orchestrator.cluster.cluster import Cluster
from orchestrator.execution.checkpoint import Checkpoint
from orchestrator.execution.context import Event
from orchestrator.storage import layout
from tests.orchestrator.driving import Drive, kill_one

pytestmark = [pytest.mark.ray, pytest.mark.heavy]

ONE = {
    "methods": {"mwt": {}},
    "sweep": {"mwt": {"grid": {"lambda_coup": [1.0]}}},
    "recipe": {"epochs": 6, "batch_size": 32, "lr": 0.03, "validation": 0.2},
}


@pytest.fixture(scope="module")
def whole(head: tuple[Path, Cluster], tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], Drive]:
    """The undisturbed training of so many workers."""
    return cache(lambda workers: run(tmp_path_factory.mktemp("whole"), head, workers, None))


def run(folder: Path, head: tuple[Path, Cluster], workers: int, title: str | None) -> Drive:
    """Trains the one step; a worker that runs `title` is killed once, after the first checkpoint."""
    resources = {"training": {"workers": workers, "cpus": 1}}
    drive = Drive(folder, head[1], {**ONE, "resources": resources})
    drive.train_killing(head[0], title)
    return drive


@pytest.mark.parametrize(
    ("workers", "title"), [(1, "ImplicitFunc"), pytest.param(2, "RayTrainWorker", marks=pytest.mark.slow)]
)
def test_a_killed_worker_changes_nothing(
    head: tuple[Path, Cluster], whole: Callable[[int], Drive], tmp_path: Path, workers: int, title: str
) -> None:
    broken = run(tmp_path, head, workers, title)
    (step,) = broken.steps("train")
    results: list[Any] = []
    for drive, starts in ((whole(workers), 1), (broken, 2)):
        document = drive.ledger.get(step.key)
        assert document is not None
        assert len(drive.told("started")) == starts
        told = [row for event in drive.told("epochs") for row in event.rows]
        assert told == document["result"]["history"]  # every epoch once, in order, with its own time stamp
        assert [row["epoch"] for row in told] == list(range(6))
        assert drive.told("finished")[0].result == document
        assert not (drive.folder / layout.checkpoints(step.key)).exists()
        assert document["workers"] == workers
        results.append(document)
    assert results[0]["artifacts"] == results[1]["artifacts"]  # the same checksums of weights and logits


@pytest.mark.parametrize(
    ("workers", "title"), [(1, "ImplicitFunc"), pytest.param(2, "RayTrainWorker", marks=pytest.mark.slow)]
)
def test_a_damaged_checkpoint_is_told_once_and_never_used(
    head: tuple[Path, Cluster],
    whole: Callable[[int], Drive],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    workers: int,
    title: str,
) -> None:
    resources = {"training": {"workers": workers, "cpus": 1}}
    drive = Drive(tmp_path, head[1], {**ONE, "resources": resources})
    (step,) = drive.steps("train")
    file = drive.folder / Checkpoint(drive.context, step).name
    left = [title]

    def damage(event: Event) -> None:
        if event.kind == "epochs" and left:
            kill_one(head[0], left.pop())
            content = bytearray(file.read_bytes())
            content[len(content) // 2] ^= 1
            file.write_bytes(content)

    drive.train(on_event=damage)
    (kept,) = (drive.folder / "quarantine").iterdir()
    (said,) = [record.getMessage() for record in caplog.records if record.name == "orchestrator.execution.scheduler"]
    assert said.startswith(f"{file}: moved to {kept.parent}, its checksum is wrong; ")
    assert said.endswith(f"{step.label} starts again.")
    expected, found = (each.ledger.get(step.key) or {} for each in (whole(workers), drive))
    assert found["artifacts"] == expected["artifacts"]
    assert [row["epoch"] for row in found["result"]["history"]] == list(range(6))


def test_a_finished_training_is_not_run_again(whole: Callable[[int], Drive]) -> None:
    drive = whole(1)
    (step,) = drive.steps("train")
    before, told = drive.ledger.get(step.key), len(drive.events)
    drive.train()
    (event,) = drive.events[told:]
    assert (event.kind, event.result) == ("finished", before)
