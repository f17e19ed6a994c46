"""Operations that go element by element, or sum within a channel: channels that are gone need none of it."""

from __future__ import annotations

import torch
from torch import fx

from nemo.graph.affine import scale
from nemo.graph.builder import Builder, Carried, Layout
from nemo.graph.dependence import normalised_axes, summed_axes
from nemo.graph.nodes import arguments


def each_element(builder: Builder, node: fx.Node) -> Carried | None:
    """All operands are brought to the same indices: their own where these agree, else those that are needed."""
    facts = builder.facts
    operands = [each for each in dict.fromkeys(node.all_input_nodes) if facts.is_tensor(each)]
    dims = facts.value[node].dim()
    layouts = {each: builder.get(each).layout for each in operands if not _stored(builder, each)}
    axes = {axis + dims - facts.value[each].dim() for each, layout in layouts.items() for axis in layout}
    if not axes:
        return None
    wants: Layout = {}
    for axis in axes:
        found = [
            layout.get(own)
            for each, layout in layouts.items()
            if (own := axis - dims + facts.value[each].dim()) >= 0 and facts.shape(each)[own] > 1
        ]
        first = found[0]
        live = builder.live(node, axis)  # may be more than they have: of `x - x.mean(1, keepdim=True)` it is everything
        agreed = first is not None and all(index is not None and torch.equal(index, first) for index in found)
        wants[axis] = first if agreed and first is not None and bool(torch.isin(live, first).all()) else live
    instead = {}
    for each in operands:
        shift = facts.value[each].dim() - dims
        own = {axis + shift: want for axis, want in wants.items() if axis + shift >= 0}
        instead[each] = builder.aligned(each, {axis: want for axis, want in own.items() if facts.shape(each)[axis] > 1})
    layout = {axis: want for axis, want in wants.items() if len(want) < facts.shape(node)[axis]}
    return Carried(builder.call(node, instead), layout)


def unchanged(builder: Builder, node: fx.Node) -> Carried | None:
    """What leaves every element where it is."""
    source = arguments(node)[0]
    assert isinstance(source, fx.Node)
    carried = builder.get(source)
    return Carried(builder.call(node, {source: carried.node}), dict(carried.layout))


def product(builder: Builder, node: fx.Node) -> Carried | None:
    """By a mask it is a multiplication by 1, or by values that the layer before takes in."""
    facts = builder.facts
    for place in (0, 1):
        x, mask = arguments(node)[place], arguments(node)[1 - place]
        if not isinstance(x, fx.Node) or not isinstance(mask, fx.Node) or not facts.is_tensor(mask):
            continue
        if mask in facts.varies or mask not in facts.masked or facts.shape(x) != facts.shape(node):
            continue
        carried = builder.get(x)
        factors = facts.value[mask].expand(facts.shape(node))
        for axis, index in carried.layout.items():
            factors = factors.index_select(axis, index)
        if bool((factors == 1).all()):
            return Carried(carried.node, dict(carried.layout))
        axes = [
            axis
            for axis in range(factors.dim())
            if facts.value[mask].dim() + axis >= factors.dim() and facts.shape(mask)[axis - factors.dim()] > 1
        ]
        if len(axes) == 1 and _is_output_axis(node, axes[0], factors.dim()):
            rows = factors.movedim(axes[0], 0).flatten(1)[:, 0]
            if scale(builder, carried, rows):
                return Carried(carried.node, dict(carried.layout))
    return each_element(builder, node)


def within_channels(builder: Builder, node: fx.Node) -> Carried | None:
    """Pooling, means and sums, over axes that are whole."""
    facts = builder.facts
    source = arguments(node)[0]
    assert isinstance(source, fx.Node)
    carried, dims = builder.get(source), facts.value[source].dim()
    over = summed_axes(node, dims)
    if not carried.layout or over is None or set(carried.layout) & set(over):
        return None
    keeps = facts.value[node].dim() == dims
    layout = {
        axis - (0 if keeps else sum(other < axis for other in over)): index for axis, index in carried.layout.items()
    }
    return Carried(builder.call(node, {source: carried.node}), layout)


def normalised(builder: Builder, node: fx.Node) -> Carried | None:
    """A softmax or a layer norm, along axes that are whole."""
    source = arguments(node)[0]
    assert isinstance(source, fx.Node)
    carried, dims = builder.get(source), builder.facts.value[source].dim()
    along = [axis % dims for axis in normalised_axes(node)]
    rest = {axis: index for axis, index in carried.layout.items() if axis not in along}
    if not rest:
        return None
    whole = builder.aligned(source, dict.fromkeys(along))
    return Carried(builder.call(node, {source: whole}), rest)


def _stored(builder: Builder, node: fx.Node) -> bool:
    return node.op == "placeholder" and node.name not in builder.facts.captured.inputs


def _is_output_axis(node: fx.Node, axis: int, dims: int) -> bool:
    """Whether an axis is the one of a convolution's or a linear layer's outputs; both where there are two."""
    return axis == 1 or axis == dims - 1
