"""The cluster that a study runs on, as it is or as it may become.

Nodes of a cluster that grows come when steps wait for room, so what there is now says little of what can be. Ray's
autoscaler tells nobody how large its cluster may become. So whoever starts the cluster says it to the head, and with it
to every study there, as the files of `cluster/` do: `NEMO_GROWS_TO=4x4cpus+1gpus` for up to four nodes of four CPUs and
one GPU. A study then asks for as much as fits those, and Ray starts the nodes.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from nemo.errors import UserError

GROWS_TO = "NEMO_GROWS_TO"
"""Environment variable: the nodes that a cluster may grow to."""

_NODES = re.compile(r"(\d+)x(\d+(?:\.\d+)?)cpus(?:\+(\d+)gpus)?")

Nodes = tuple[tuple[float, float], ...]
"""CPUs and GPUs of each node."""


@dataclass(frozen=True)
class Cluster:
    """The Ray cluster that a study runs on.

    Attributes:
        address: `host:port` of its GCS, also in every worker's RAY_ADDRESS.
        nodes: Logical CPUs and GPUs of each living node, or of each that a cluster may grow to.
    """

    address: str
    nodes: Nodes

    @property
    def cpus(self) -> float:
        """Logical CPUs of all nodes."""
        return sum(cpus for cpus, _ in self.nodes)

    @property
    def gpus(self) -> float:
        """GPUs of all nodes."""
        return sum(gpus for _, gpus in self.nodes)


def this_machine() -> Cluster:
    """What our own head will offer, known before it starts; it has no address yet."""
    import torch
    from ray._private.utils import get_num_cpus

    cpus = get_num_cpus(override_docker_cpu_warning=True)
    return Cluster("", ((float(cpus), float(torch.cuda.device_count())),))


def grows_to() -> Nodes:
    """The nodes that this cluster may grow to; none if the variable is not set, and the cluster does not grow.

    Raises:
        UserError: The variable is set, and names no nodes.
    """
    text = os.environ.get(GROWS_TO)
    return nodes_of(text) if text else ()


def nodes_of(text: str) -> Nodes:
    """Reads kinds of nodes, such as `4x4cpus+1gpus,2x16cpus`.

    Raises:
        UserError: It is none.
    """
    kinds = [_NODES.fullmatch(kind) for kind in text.split(",")]
    if not all(kinds):
        raise UserError(f"${GROWS_TO}={text}: names no nodes, give them as in 4x4cpus+1gpus, or leave it out")
    return tuple(
        (float(kind[2]), float(kind[3] or 0))
        for kind in kinds
        if kind is not None
        for _ in range(min(int(kind[1]), 10_000))
    )
