"""What the tests of this folder share: one Ray head, for its start takes longer than most of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.cluster.cluster import Cluster
from orchestrator.cluster.head import own_head


@pytest.fixture(scope="package")
def head() -> Iterator[tuple[Path, Cluster]]:
    """A head with two CPUs, and the folder that says which processes are its."""
    with tempfile.TemporaryDirectory(prefix="nemo-") as folder, own_head(folder, num_cpus=2, num_gpus=0) as cluster:
        yield Path(folder), cluster


@pytest.fixture(scope="package")
def cluster(head: tuple[Path, Cluster]) -> Cluster:
    return head[1]
