"""Workers that die again and again, or that cannot read their data: a reason for that step, and the others go on."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cluster.cluster import Cluster
from orchestrator.cluster.head import own_head
from orchestrator.execution.context import DIED, Event
from tests import pictures, tiny
from tests.orchestrator.driving import Drive, kill_one

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow]
GRID = {"mwt": {"grid": {"lambda_coup": [1.0, 2.0]}}}


@pytest.fixture(scope="module")
def head() -> Iterator[tuple[Path, Cluster]]:
    with tempfile.TemporaryDirectory(prefix="nemo-") as folder, own_head(folder, num_cpus=2, num_gpus=0) as cluster:
        yield Path(folder), cluster


@pytest.mark.parametrize(
    ("workers", "title"),
    [(1, "ImplicitFunc"), (2, "RayTrainWorker"), (2, "ImplicitFunc")],
)
def test_a_training(head: tuple[Path, Cluster], tmp_path: Path, workers: int, title: str) -> None:
    resources = {"training": {"workers": workers, "cpus": 1}, "max_concurrent": 1}
    drive = Drive(tmp_path, head[1], {"methods": {"mwt": {}}, "sweep": GRID, "resources": resources})
    doomed, other = drive.steps("train")

    def kill(event: Event) -> None:
        if event.step == doomed and event.kind == "started":
            kill_one(head[0], title)

    drive.train(on_event=kill)
    (failed,) = drive.told("failed")
    assert failed.step == doomed
    assert len(drive.told("started", doomed)) == 3
    assert [event.step for event in drive.told("finished")] == [other]
    assert drive.ledger.failure(doomed.key)["reason"] == failed.reason  # type: ignore[index]
    assert failed.reason == DIED
    if title == "ImplicitFunc":
        assert "The actor died" in (tmp_path / "logs" / f"{doomed.key}.txt").read_text()


def test_data_that_vanishes(head: tuple[Path, Cluster], tmp_path: Path) -> None:
    root = pictures.write_folder(tmp_path / "images", train=12, test=4)
    digits = tiny.STUDY["pairs"][0]
    images = {"backbone": "rescnn", "width": 0.0625, "dataset": f"folder:{root}", "image_size": 32}
    changes = {"pairs": [images, digits], "methods": {"standard": {}}, "sweep": None, "subtasks": None}
    drive = Drive(tmp_path / "study", head[1], changes)
    lost, other = drive.steps("train")
    gone = next((root / "train" / "disc").iterdir())
    content = gone.read_bytes()
    gone.unlink()
    drive.train()
    (failed,) = drive.told("failed")
    assert failed.step == lost
    assert failed.reason.startswith(f"dataset folder:{root}: its files are others than when the study started, put")
    assert not drive.told("started", lost)  # and so it was not tried again
    assert [event.step for event in drive.told("finished")] == [other]
    assert not (tmp_path / "study" / "logs").exists()  # it was expected: no traceback is kept

    gone.write_bytes(content)
    again = Drive(tmp_path / "study", head[1], changes)
    again.ledger.forget_failures()  # as --retry-failed does
    again.train([lost])
    assert [event.step for event in again.told("finished")] == [lost]
