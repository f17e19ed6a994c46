"""Products of two values that both depend on the input: channels that either side lacks add nothing."""

from __future__ import annotations

import torch
from torch import Tensor, fx

from nemo.graph.builder import Builder, Carried, Layout
from nemo.graph.nodes import arguments


def attention(builder: Builder, node: fx.Node) -> Carried | None:
    """`scaled_dot_product_attention` of `[B, H, T, d]`: queries and keys meet where neither is known to be 0."""
    facts = builder.facts
    query, key, value = (each for each in arguments(node)[:3] if isinstance(each, fx.Node))
    shape = facts.shape(query)
    dims = len(shape)
    if dims != 4 or any(set(builder.get(each).layout) - {1, 3} for each in (query, key, value)):
        return None
    if facts.shape(key)[1] != shape[1] or node.kwargs.get("enable_gqa"):
        return None
    heads, last = builder.live(node, 1), builder.live(node, 3)
    common = _common(facts.zero(query), 3, facts.zero(key), 3)
    operands = {
        query: builder.aligned(query, {1: heads, 3: common}),
        key: builder.aligned(key, {1: heads, 3: common}),
        value: builder.aligned(value, {1: heads, 3: last}),
    }
    masks = [each for each in [*arguments(node)[3:], *node.kwargs.values()] if isinstance(each, fx.Node)]
    for mask in masks:
        operands[mask] = builder.operand(mask)
        axis = facts.value[mask].dim() - 3 if facts.is_tensor(mask) else -1  # of the heads
        if axis >= 0 and facts.shape(mask)[axis] > 1:
            operands[mask] = builder.aligned(mask, {**dict.fromkeys(builder.get(mask).layout), axis: heads})
    result = builder.call(node, operands)
    result.kwargs = {**result.kwargs, "scale": node.kwargs.get("scale") or shape[-1] ** -0.5}
    return Carried(result, _shorter(builder, node, {1: heads, 3: last}))


def matmul(builder: Builder, node: fx.Node) -> Carried | None:
    """`[..., n, k]` by `[..., k, m]`, of as many axes."""
    facts = builder.facts
    one, other = arguments(node)[:2]
    assert isinstance(one, fx.Node) and isinstance(other, fx.Node)
    dims = facts.value[node].dim()
    if one is other or dims < 3 or facts.value[one].dim() != dims or facts.value[other].dim() != dims:
        return None
    layouts = [builder.get(one).layout, builder.get(other).layout]
    if not any(layouts):
        return None
    wants = [{}, {}]  # type: list[dict[int, Tensor]]
    common = _common(facts.zero(one), dims - 1, facts.zero(other), dims - 2)
    wants[0][dims - 1] = wants[1][dims - 2] = common
    wants[0][dims - 2], wants[1][dims - 1] = builder.live(node, dims - 2), builder.live(node, dims - 1)
    for axis in range(dims - 2):
        index = builder.live(node, axis)
        for side, want in zip((one, other), wants, strict=True):
            if facts.shape(side)[axis] > 1:
                want[axis] = index
    operands = {one: builder.aligned(one, wants[0]), other: builder.aligned(other, wants[1])}
    return Carried(
        builder.call(node, operands), _shorter(builder, node, {axis: builder.live(node, axis) for axis in range(dims)})
    )


def _common(zero: Tensor, axis: int, other: Tensor, other_axis: int) -> Tensor:
    """Indices at which both have an element that is not known to be 0, and one at least."""
    both = _somewhere(1 - zero, axis) * _somewhere(1 - other, other_axis)
    index = both.nonzero().flatten()
    return index if len(index) else torch.arange(1)


def _somewhere(there: Tensor, axis: int) -> Tensor:
    return there.amax([each for each in range(there.dim()) if each != axis])


def _shorter(builder: Builder, node: fx.Node, layout: Layout) -> Layout:
    return {axis: index for axis, index in layout.items() if len(index) < builder.facts.shape(node)[axis]}
