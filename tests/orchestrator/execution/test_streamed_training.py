"""A training whose images are streamed, on real Ray: a killed one ends where it would have, on one worker and two."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cluster.cluster import Cluster
from tests.orchestrator.driving import Drive
from tests.pictures import write_photographs

pytestmark = [pytest.mark.ray, pytest.mark.heavy]


def train(folder: Path, head: tuple[Path, Cluster], photographs: Path, workers: int, title: str | None) -> Drive:
    """Trains the one step; a worker that runs `title` is killed once, after the first checkpoint."""
    pair = {
        "backbone": "resnet18",
        "width": 0.0625,
        "dataset": f"folder:{photographs}",
        "image_size": [48, 64],
        "loading": "stream",
    }
    fields = {
        "pairs": [pair],
        "methods": {"mwt": {}},
        "sweep": {"mwt": {"grid": {"lambda_coup": [1.0]}}},
        "recipe": {"epochs": 4, "batch_size": 8, "lr": 0.03, "validation": 0.2, "augment": "imagenet"},
        "resources": {"training": {"workers": workers, "cpus": 1}},
    }
    drive = Drive(folder, head[1], fields)
    drive.train_killing(head[0], title)
    return drive


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "title"), [(1, "ImplicitFunc"), (2, "RayTrainWorker")])
def test_a_killed_worker_changes_nothing(head: tuple[Path, Cluster], tmp_path: Path, workers: int, title: str) -> None:
    photographs = write_photographs(tmp_path / "photos", 8, 4)
    results = []
    for name, killed in (("whole", None), ("broken", title)):
        drive = train(tmp_path / name, head, photographs, workers, killed)
        (step,) = drive.steps("train")
        document = drive.ledger.get(step.key)
        assert document is not None and document["workers"] == workers
        assert len(drive.told("started")) == (2 if killed else 1)
        results.append(document)
    assert results[0]["artifacts"] == results[1]["artifacts"]  # the same checksums of weights and logits
