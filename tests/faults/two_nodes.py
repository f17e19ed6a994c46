"""A Ray cluster of several nodes on this machine, with token authentication, whose nodes come and go."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest.mock import patch

import psutil
from ray.cluster_utils import Cluster

from orchestrator.cluster import head


class Nodes:
    """A head, and another node that can be taken away and given back.

    Attributes:
        environment: What a driver needs to be let in.
        address: The head's.
    """

    def __init__(self, cluster: Cluster, cpus: int, environment: dict[str, str]) -> None:
        self.environment, self.address = environment, str(cluster.address)
        self._cluster, self._cpus = cluster, cpus
        self.replace()

    def lose(self) -> None:
        """The other node goes, with all that runs there."""
        self._cluster.remove_node(self._other, allow_graceful=False)

    def replace(self) -> None:
        """Another one comes in its place."""
        self._other = self._cluster.add_node(num_cpus=self._cpus, num_gpus=0)

    def running(self, title: str) -> tuple[int, int]:
        """How many processes with such a title run on the head and on the other node."""
        return self._count(self._cluster.head_node, title), self._count(self._other, title)

    def _count(self, node: Any, title: str) -> int:
        found = 0
        for daemon in node.all_processes.get("raylet", []):
            with suppress(psutil.Error):
                for process in psutil.Process(daemon.process.pid).children():
                    found += " ".join(process.cmdline()).startswith(title)
        return found


@contextmanager
def two_nodes(cpus: int = 2) -> Iterator[Nodes]:
    """Two nodes of so many CPUs each; they end with the block."""
    from ray._raylet import Config

    # The token that this process may have told Ray already, which keeps the first one that it hears.
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": head._token}
    with patch.dict(os.environ, environment):
        Config.initialize("")  # Ray read its mode when it was imported
        cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": cpus, "num_gpus": 0, "include_dashboard": True, "dashboard_port": 0},
        )
        try:
            yield Nodes(cluster, cpus, environment)
        finally:
            cluster.shutdown()
    Config.initialize("")
