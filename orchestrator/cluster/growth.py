"""A cluster that grows: its nodes come when steps wait for room, so what there is now says little of what can be.

Ray's autoscaler tells nobody how large its cluster may become. So whoever starts the cluster says it to the head, and
with it to every study there, as the files of `cluster/` do: `NEMO_GROWS_TO=4x4cpus+1gpus` for up to four nodes of four
CPUs and one GPU. A study then asks for as much as fits those, and Ray starts the nodes.
"""

from __future__ import annotations

import os
import re

from nemo.errors import UserError

GROWS_TO = "NEMO_GROWS_TO"
"""Environment variable: the nodes that a cluster may grow to."""

_NODES = re.compile(r"(\d+)x(\d+(?:\.\d+)?)cpus(?:\+(\d+)gpus)?")

Nodes = tuple[tuple[float, float], ...]
"""CPUs and GPUs of each node."""


def grows_to() -> Nodes:
    """The nodes that this cluster may grow to; none where nothing is said, and the cluster is what it is.

    Raises:
        UserError: The variable is set, and says no nodes.
    """
    given = os.environ.get(GROWS_TO)
    return nodes_of(given) if given else ()


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
