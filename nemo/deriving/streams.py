"""Which layers write into a sum with others, such as a residual stream: these are left whole unless asked for."""

from __future__ import annotations

from collections.abc import Sequence

from torch import fx

from nemo.graph.capture import Captured
from nemo.graph.nodes import LAYERS, arguments, groups_of, operation
from nemo.graph.sites import SiteInfo

_SUMS = frozenset(["add", "add_", "sub", "rsub"])


def inner_sites(captured: Captured, sites: Sequence[SiteInfo]) -> list[SiteInfo]:
    """The sites whose units nobody adds to others': each can go without the rest of the network missing it.

    A unit of a residual stream is read by all blocks behind, and what one of them takes away all others lack.

    Args:
        captured: The network.
        sites: Its sites.

    Returns:
        Some of them; all where there is no such one.
    """
    wanted = {site.layer for site in sites}
    data: set[fx.Node] = set()
    summed: set[str] = set()
    writers: dict[fx.Node, set[str]] = {}  # of what a node puts out: the sites with no layer between
    for node in captured.graph.nodes:
        sources = [each for each in node.all_input_nodes if each in data]
        if node.name == captured.inputs[0] or sources:
            data.add(node)
        if node.op == "call_function" and operation(node) in LAYERS:
            weight = arguments(node)[1]
            layer = captured.layer(weight) if isinstance(weight, fx.Node) else ""
            writers[node] = {layer} & wanted
            if groups_of(node) > 1 and sources:  # it passes its producer's units on
                writers[node] |= writers[sources[0]]
            continue
        writers[node] = set().union(*(writers[each] for each in sources))
        if operation(node) in _SUMS and len(sources) > 1:
            summed |= writers[node]
    return [site for site in sites if site.layer not in summed] or list(sites)
