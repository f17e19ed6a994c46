"""Layers with weights in the smaller network: they lose rows that nobody needs and columns that are known.

What the known columns add to an output is the same for all inputs: it joins the bias, or becomes a `Map` where padding
makes it differ between positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from nemo.graph.builder import Builder, Carried, Map
from nemo.graph.facts import along
from nemo.graph.nodes import arguments, function, operand, operation

_CONVOLUTIONS: dict[str, type[nn.Conv1d | nn.Conv2d | nn.Conv3d]] = {
    "conv1d": nn.Conv1d,
    "conv2d": nn.Conv2d,
    "conv3d": nn.Conv3d,
}
_NORMS = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d, 5: nn.BatchNorm3d}
CUT = "cut"
"""In the meta of a layer's node: which layer of the whole network it is, and the rows and columns that it has of it."""
_ROUNDING = 1e-13  # of sums in double precision, in another order at every position


def linear(builder: Builder, node: fx.Node) -> Carried | None:
    """Of `[..., in]`; bias and columns as said above."""

    def layer(weight: Tensor, bias: Tensor | None) -> nn.Module:
        return nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None, device="meta")

    weight = operand(node, 1)
    if builder.facts.value[weight].dim() != 2 or not _owned(builder, node):
        return None
    axis = builder.facts.value[node].dim() - 1
    rows, columns = builder.live(node, axis), builder.live(operand(node, 0), axis)
    if not len(rows) or not len(columns):
        return None
    value: Tensor = builder.facts.value[weight]
    return _affine(builder, node, axis, rows, columns, _part(value, rows, columns), layer)


def convolution(builder: Builder, node: fx.Node) -> Carried | None:
    """A convolution, with groups too: those without a live row go, and the others are filled up to the widest."""
    facts = builder.facts
    source, weight = operand(node, 0), facts.value[operand(node, 1)]
    if facts.value[source].dim() != weight.dim() or not _owned(builder, node):
        return None
    defaults: list[Any] = [1, 0, 1, 1]
    stride, padding, dilation, groups = [*arguments(node)[3:7], *defaults[len(arguments(node)[3:7]) :]]
    rows, columns = builder.live(node, 1), builder.live(source, 1)
    if not len(rows) or not len(columns):
        return None
    if groups == 1:
        kept, weight = 1, _part(weight, rows, columns)
    else:
        grouped = _grouped(rows, columns, len(weight) // groups, weight.shape[1], groups)
        kept, rows, columns, weight = *grouped, _group_weights(weight, *grouped)

    def layer(weight: Tensor, bias: Tensor | None) -> nn.Module:
        kind: Any = _CONVOLUTIONS[operation(node)]
        made: nn.Module = kind(
            *(weight.shape[1] * kept, len(weight), tuple(weight.shape[2:])),
            stride=_each(stride),
            padding=padding if isinstance(padding, str) else _each(padding),
            dilation=_each(dilation),
            groups=kept,
            bias=bias is not None,
            device="meta",
        )
        return made

    return _affine(builder, node, 1, rows, columns, weight, layer)


def batch_norm(builder: Builder, node: fx.Node) -> Carried | None:
    """Its channels are those of its input."""
    source, weight, bias, mean, variance, _, momentum, eps, *_ = arguments(node)
    assert isinstance(source, fx.Node)
    if not isinstance(mean, fx.Node):
        return None  # it normalises by what it sees
    values = builder.facts.value
    carried = builder.get(source)
    if set(carried.layout) - {1} or mean.name not in builder.facts.captured.names:
        return None
    index = carried.layout.get(1, torch.arange(builder.facts.shape(source)[1]))
    kind = _NORMS[values[source].dim()]
    norm = kind(len(index), eps=eps, momentum=momentum, affine=weight is not None, dtype=values[mean].dtype)
    with torch.no_grad():
        if weight is not None:
            norm.weight.copy_(values[weight][index])
            norm.bias.copy_(values[bias][index])
        norm.register_buffer("running_mean", values[mean][index].clone())
        norm.register_buffer("running_var", values[variance][index].clone())
    name = builder.facts.captured.names[mean.name].removesuffix(".running_mean")
    return Carried(builder.module(name, norm, carried.node), dict(carried.layout))


def whole_norm(builder: Builder, node: fx.Node) -> Carried | None:
    """A layer norm or a group norm, as a module; it sees the axes over which it goes whole."""
    facts = builder.facts
    source, sizes, weight, bias, eps = [*arguments(node), *[None, None, 1e-5][len(arguments(node)) - 2 :]][:5]
    assert isinstance(source, fx.Node)
    if not isinstance(weight, fx.Node) or not isinstance(bias, fx.Node) or weight.name not in facts.captured.names:
        return None
    dims, dtype = facts.value[source].dim(), facts.value[weight].dtype
    norm: nn.LayerNorm | nn.GroupNorm
    if operation(node) == "layer_norm":
        norm, first = nn.LayerNorm(list(sizes), eps=eps, dtype=dtype), dims - len(sizes)
    else:
        norm, first = nn.GroupNorm(sizes, facts.shape(source)[1], eps=eps, dtype=dtype), 1
    with torch.no_grad():
        norm.weight.copy_(facts.value[weight])
        norm.bias.copy_(facts.value[bias])
    layout = {axis: index for axis, index in builder.get(source).layout.items() if axis < first}
    whole = builder.aligned(source, dict.fromkeys(range(first, dims)))
    name = facts.captured.layer(weight)
    return Carried(builder.module(name, norm, whole), layout)


def dropout(builder: Builder, node: fx.Node) -> Carried | None:
    """As a module, so that it drops in training."""
    carried = builder.get(operand(node, 0))
    return Carried(builder.module(node.name, nn.Dropout(float(arguments(node)[1])), carried.node), dict(carried.layout))


def scale(builder: Builder, carried: Carried, factors: Tensor) -> bool:
    """Multiplies the outputs of the layer that has just been written, if a value is such; says whether it is."""
    node = carried.node
    if node.op != "call_module" or node.users:
        return False
    layer = builder.module_at(node)
    if not isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.modules.batchnorm._BatchNorm):
        return False
    if layer.weight is None or len(layer.weight) != len(factors):
        return False
    with torch.no_grad():
        layer.weight.mul_(factors.view(-1, *(1,) * (layer.weight.dim() - 1)))
        if layer.bias is not None:
            layer.bias.mul_(factors)
    return True


def _affine(
    builder: Builder,
    node: fx.Node,
    axis: int,
    rows: Tensor,
    columns: Tensor,
    weight: Tensor,
    make: Callable[[Tensor, Tensor | None], nn.Module],
) -> Carried:
    facts = builder.facts
    source, weights = operand(node, 0), operand(node, 1)
    bias = arguments(node)[2] if len(arguments(node)) > 2 else None
    own = facts.value[bias].index_select(0, rows) if isinstance(bias, fx.Node) else None
    share = None  # what the known columns add
    known = None if source in facts.entirely else facts.known_part(source)
    if known is not None:
        known = known * (1 - along(columns, axis, known.shape)).to(known.dtype)
    if known is not None and bool((known != 0).any()):
        share = function(node)(known, facts.value[weights], None, *arguments(node)[3:]).index_select(axis, rows)
        flat = share.movedim(axis, -1).flatten(0, -2)
        if bool(((flat - flat[:1]).abs() <= _ROUNDING * flat.abs().max()).all()):
            own, share = flat[0] if own is None else own + flat[0], None
    layer = make(weight, own)
    layer.register_parameter("weight", nn.Parameter(weight.contiguous()))
    layer.register_parameter("bias", None if own is None else nn.Parameter(own.contiguous()))
    name = facts.captured.layer(weights)
    carried = builder.get(source).layout
    # a convolution sees neighbours along the other axes, a linear layer doesn't
    others = {other: index for other, index in carried.items() if other != axis and operation(node) == "linear"}
    whole = dict.fromkeys(set(carried) - set(others))
    result = builder.module(name, layer, builder.aligned(source, {**whole, axis: columns}))
    if share is None:
        result.meta[CUT] = name, rows, columns
    else:
        for other, index in others.items():
            share = share.index_select(other, index)
        result = builder.module(f"{name}_map", Map(builder.shrunk(node, share, keep=axis).contiguous()), result)
    return Carried(result, others if len(rows) == facts.shape(node)[axis] else {**others, axis: rows})


def _part(weight: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """A copy of some rows and columns of a weight."""
    height, width, *kernel = weight.shape
    if len(columns) == width:
        return weight.index_select(0, rows)
    if len(rows) == height or not kernel:
        return (weight if len(rows) == height else weight.index_select(0, rows)).index_select(1, columns)
    # whole kernels at once: a third quicker than rows first, and most of what a cut moves
    places = (rows[:, None] * width + columns).flatten()
    return weight.reshape(height * width, -1).index_select(0, places).view(len(rows), len(columns), *kernel)


def _grouped(rows: Tensor, columns: Tensor, height: int, width: int, groups: int) -> tuple[int, Tensor, Tensor]:
    """How many groups are left, and their rows and columns, as many of each in every group."""
    ours = [rows[rows // height == group] for group in range(groups)]
    theirs = [columns[columns // width == group] for group in range(groups)]
    alive = [group for group in range(groups) if len(ours[group])]

    def filled(own: list[Tensor], size: int) -> Tensor:
        most = max(len(own[group]) for group in alive)
        parts = []
        for group in alive:
            there = set(own[group].tolist())
            others = [index for index in range(group * size, (group + 1) * size) if index not in there]
            parts += sorted([*there, *others[: most - len(there)]])
        return torch.tensor(parts)

    return len(alive), filled(ours, height), filled(theirs, width)


def _group_weights(weight: Tensor, groups: int, rows: Tensor, columns: Tensor) -> Tensor:
    per_group = columns.view(groups, -1) % weight.shape[1]
    parts = [weight[own][:, inputs] for own, inputs in zip(rows.view(groups, -1), per_group, strict=True)]
    return torch.cat(parts)


def _owned(builder: Builder, node: fx.Node) -> bool:
    """Whether a layer's weight is a tensor of the network, and its alone: what is shared stays whole, and shared."""
    weight = operand(node, 1)
    captured = builder.facts.captured
    return weight.name in captured.names and len(weight.users) == 1 and weight.name not in captured.shared


def _each(sizes: Any) -> Any:
    return sizes if isinstance(sizes, int) else tuple(sizes)
