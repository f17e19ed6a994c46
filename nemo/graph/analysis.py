"""Which values in a network with constant masks depend on the input, and which of them the logits need."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from nemo.graph.capture import Captured
from nemo.graph.dependence import MOVING, PRODUCTS, depends, moved, passed
from nemo.graph.facts import Facts, any_of, on_leaves
from nemo.graph.nodes import LAYERS, arguments, operand, operation, words

_STEADY = words("batch_norm relu relu6 hardtanh gelu silu hardswish elu mish")
"""Operations on one value that keep its shape and type."""


class Unsound(Exception):
    """Noise came through to what is known."""


@torch.no_grad()
def analyse(
    captured: Captured,
    state: Mapping[str, Tensor],
    inputs: list[Tensor],
    masks: Collection[str],
    wanted: Tensor,
    output: fx.Node,
    opaque: Collection[str] = (),
    *,
    noise: bool = True,
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
        noise: Whether layers of whose values none should matter give noise, which is quick.

    Raises:
        Unsound: The noise came through to what is known.
        Exception: Whatever an operation makes of noise that it would not make of values.
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
        if node not in captured.fixed and any(source in facts.varies for source in sources):
            facts.varies.add(node)
        anything = _anything(node, facts) if noise else None
        if anything is not None:
            facts.entirely.add(node)
            facts.value[node], facts.unknown[node] = anything, _like(anything, 1.0)
            continue
        args, kwargs = fx.node.map_arg((arguments(node), node.kwargs), facts.value.__getitem__)
        facts.value[node] = node.target(*args, **kwargs)
        if isinstance(facts.value[node], Tensor | tuple | list):
            facts.unknown[node] = _unknown(node, facts, opaque)
            if noise and operation(node) in PRODUCTS:
                _check_sound(node, facts)
    facts.demand[output] = wanted.expand(facts.shape(output)).clone()
    for node in reversed(captured.graph.nodes):
        if node.op == "call_function" and node in facts.demand:
            _push_back(node, facts)
    return facts


def _anything(node: fx.Node, facts: Facts) -> Tensor | None:
    """Noise in the place of what a layer gives, where all of it depends on the input: then no value of it is asked for.

    Layers are what takes the time; the norm and the activation behind one may go on with its noise.
    """
    name = operation(node)
    if name in _STEADY and operand(node, 0) in facts.entirely:
        noise: Tensor = facts.value[operand(node, 0)]
        return noise
    if name not in LAYERS or node not in facts.varies or facts.known(operand(node, 0)):
        return None
    weight = facts.value[operand(node, 1)]
    if name != "linear" and facts.value[operand(node, 0)].dim() != weight.dim():
        return None
    found = depends(node, {source: facts.unknown[source] for source in _sources(node, facts)}, facts)
    if not bool((found > 0).all()):
        return None
    units = (-1,) if name == "linear" else (-1, *(1,) * (weight.dim() - 2))
    return torch.randn(len(weight), dtype=weight.dtype, generator=facts.noise).view(units).expand(found.shape)


def _check_sound(node: fx.Node, facts: Facts) -> None:
    """What is 0 for a factor of 0 is none where noise made infinity or nothing of the other factor."""
    value: Tensor = facts.value[node]
    if not value.is_floating_point() or bool(value.sum().isfinite()):  # quick, and then all are
        return
    if not bool(value[facts.unknown[node] == 0].isfinite().all()):
        raise Unsound


def _unknown(node: fx.Node, facts: Facts, opaque: Collection[str]) -> Any:
    value, sources = facts.value[node], _sources(node, facts)
    if node in facts.captured.fixed or all(facts.known(source) for source in sources):
        return _like(value, 0.0)
    if node.name in opaque:
        return _like(value, 1.0)
    # where elements go to depends on the input: any of them may be anywhere
    if operation(node) in MOVING and any(not facts.known(source) for source in sources if source not in moved(node)):
        return _like(value, 1.0)
    on = {source: facts.unknown[source] for source in sources}
    source = passed(node, on, facts)
    if source is not None:
        return on[source]
    found = depends(node, on, facts)
    return on_leaves(_positive, found)


def _push_back(node: fx.Node, facts: Facts) -> None:
    """Adds what a node needs of its operands to their demand."""
    on = {source: facts.unknown[source] for source in _sources(node, facts)}
    source = passed(node, on, facts)
    if source is not None and source in facts.varies:
        _add_demand(source, facts.demand[node], facts)
        return
    varying = [source for source in on if source in facts.varies]
    probes = [on_leaves(lambda leaf: torch.zeros(leaf.shape, requires_grad=True), on[source]) for source in varying]
    on.update(zip(varying, probes, strict=True))
    with torch.enable_grad():
        found = depends(node, on, facts)
    results = zip(pytree.tree_leaves(found), pytree.tree_leaves(facts.demand[node]), strict=True)
    pairs = [(leaf, need.to(leaf.dtype)) for leaf, need in results if leaf is not None and leaf.requires_grad]
    if not pairs:
        return
    torch.autograd.backward([leaf for leaf, _ in pairs], [need for _, need in pairs])
    for source, probe in zip(varying, probes, strict=True):
        need = on_leaves(lambda leaf: _like(leaf, 0.0) if leaf.grad is None else _positive(leaf.grad), probe)
        if any_of(need):
            _add_demand(source, need, facts)


def _add_demand(source: fx.Node, need: Any, facts: Facts) -> None:
    before = facts.demand.get(source)
    facts.demand[source] = need if before is None else on_leaves(torch.maximum, before, need)


def _positive(leaf: Tensor) -> Tensor:
    return (leaf > 0).float()


def _sources(node: fx.Node, facts: Facts) -> list[fx.Node]:
    return [source for source in dict.fromkeys(node.all_input_nodes) if source in facts.unknown]


def _like(value: Any, fill: float) -> Any:
    """The same indicator everywhere, which takes no memory."""
    return on_leaves(lambda leaf: torch.full((), fill).expand(leaf.shape), value)
