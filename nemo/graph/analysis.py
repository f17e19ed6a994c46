"""Which values in a network with constant masks depend on the input, and which of them the logits need."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from nemo.graph.capture import Captured
from nemo.graph.dependence import MOVING, depends, moved
from nemo.graph.facts import Facts
from nemo.graph.nodes import arguments, operation


@torch.no_grad()
def analyse(
    captured: Captured,
    state: Mapping[str, Tensor],
    inputs: list[Tensor],
    masks: Collection[str],
    wanted: Tensor,
    output: fx.Node,
    opaque: Collection[str] = (),
) -> Facts:
    """Runs a network on one sample, and follows beside every value what it depends on.

    Args:
        captured: The network.
        state: Its tensors by placeholder, the constant masks among them.
        inputs: One sample, in double precision.
        masks: The placeholders of the masks.
        wanted: 1 where an element of the output is asked for, of a shape that broadcasts with it.
        output: The node that is asked for.
        opaque: Names of nodes of which all is taken to depend on the input.
    """
    facts = Facts(captured)
    given = dict(zip(captured.inputs, inputs, strict=True))
    for node in captured.graph.nodes:
        if node.op == "output":
            break
        sources = node.all_input_nodes
        if node.name in masks or any(source in facts.masked for source in sources):
            facts.masked.add(node)
        if node.op == "placeholder":
            if node.name in given:
                facts.varies.add(node)
            facts.value[node] = given.get(node.name, state.get(node.name))
            facts.unknown[node] = _like(facts.value[node], float(node.name in given))
            continue
        args, kwargs = fx.node.map_arg((arguments(node), node.kwargs), facts.value.__getitem__)
        facts.value[node] = node.target(*args, **kwargs)
        if node not in captured.fixed and any(source in facts.varies for source in sources):
            facts.varies.add(node)
        if isinstance(facts.value[node], Tensor | tuple | list):
            facts.unknown[node] = _unknown(node, facts, opaque)
    facts.demand[output] = wanted.expand(facts.shape(output)).clone()
    for node in reversed(captured.graph.nodes):
        if node.op == "call_function" and node in facts.demand:
            _push_back(node, facts)
    return facts


def _unknown(node: fx.Node, facts: Facts, opaque: Collection[str]) -> Any:
    value, sources = facts.value[node], _sources(node, facts)
    everything = _like(value, 1.0)
    if node in facts.captured.fixed or all(facts.known(source) for source in sources):
        return _like(value, 0.0)
    if node.name in opaque:
        return everything
    # where elements go to depends on the input: any of them may be anywhere
    if operation(node) in MOVING and any(not facts.known(source) for source in sources if source not in moved(node)):
        return everything
    found = depends(node, {source: facts.unknown[source] for source in sources}, facts)
    return pytree.tree_map(lambda leaf: (leaf > 0).float() if isinstance(leaf, Tensor) else None, found)


def _push_back(node: fx.Node, facts: Facts) -> None:
    """Adds what a node needs of its operands to their demand."""
    on = {source: facts.unknown[source] for source in _sources(node, facts)}
    varying = [source for source in on if source in facts.varies]
    leaves, spec = pytree.tree_flatten([on[source] for source in varying])
    probes = [leaf if leaf is None else torch.zeros(leaf.shape, requires_grad=True) for leaf in leaves]
    on.update(zip(varying, pytree.tree_unflatten(probes, spec), strict=True))
    with torch.enable_grad():
        found = depends(node, on, facts)
    results = zip(pytree.tree_leaves(found), pytree.tree_leaves(facts.demand[node]), strict=True)
    pairs = [(leaf, need.to(leaf.dtype)) for leaf, need in results if leaf is not None and leaf.requires_grad]
    if not pairs:
        return
    torch.autograd.backward([leaf for leaf, _ in pairs], [need for _, need in pairs])
    needs = [probe if probe is None or probe.grad is None else (probe.grad > 0).float() for probe in probes]
    for source, need in zip(varying, pytree.tree_unflatten(needs, spec), strict=True):
        need = pytree.tree_map(torch.Tensor.detach, need)
        if any(bool(leaf.any()) for leaf in pytree.tree_leaves(need) if leaf is not None):
            before = facts.demand.get(source)
            facts.demand[source] = need if before is None else pytree.tree_map(torch.maximum, before, need)


def _sources(node: fx.Node, facts: Facts) -> list[fx.Node]:
    return [source for source in dict.fromkeys(node.all_input_nodes) if source in facts.unknown]


def _like(value: Any, fill: float) -> Any:
    """The same indicator everywhere, which takes no memory."""
    return pytree.tree_map(
        lambda leaf: torch.full((), fill).expand(leaf.shape) if isinstance(leaf, Tensor) else None, value
    )
