"""How the elements of what an operation gives depend on those of its operands.

Every rule is a linear map with non-negative weights. It takes indicators - 1 where an element may depend on the input,
0 where it is known - and what it gives is positive exactly where the result may depend on one of these. Its transpose,
which autograd computes, pushes back what is needed: from the elements of a result to the elements that they may depend
on. An operation without a rule depends on everything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional as F
from torch.utils import _pytree as pytree

from nemo.graph.facts import Facts, on_leaves
from nemo.graph.nodes import arguments, function, operand, operation, words

Indicators = Mapping[fx.Node, Any]
Rule = Callable[[fx.Node, Indicators, Facts], Any]
"""Gives None where it doesn't fit."""

MOVING = words("""
view reshape flatten unflatten permute transpose unsqueeze squeeze slice select cat stack expand contiguous
clone roll flip pixel_shuffle pixel_unshuffle channel_shuffle expand_as view_as reshape_as t movedim swapaxes
index_select repeat pad constant_pad_nd index narrow _unsafe_view to _to_copy alias detach dropout
feature_dropout alpha_dropout slice_scatter select_scatter upsample_nearest2d im2col repeat_interleave
lift_fresh_copy type_as
""")
"""Operations that put elements elsewhere and leave their values as they are."""

SAME = words("""
to _to_copy clone contiguous alias detach dropout feature_dropout alpha_dropout type_as lift_fresh_copy
""")
"""Those of them that leave every element where it is."""

SUMMING = words("""
avg_pool1d avg_pool2d avg_pool3d adaptive_avg_pool1d adaptive_avg_pool2d mean sum
""")
"""Weighted sums of the elements of one channel."""

_POINTWISE = words("""
relu relu6 hardtanh gelu silu hardswish hardsigmoid sigmoid tanh add sub mul div neg elu selu leaky_relu mish
softplus pow clamp where masked_fill abs exp log sqrt rsqrt celu logsigmoid softsign hardshrink
""")
_NOT_POINTWISE = frozenset(["prelu", "_prelu_kernel", "dropout", "rrelu"])
PRODUCTS = words("mul matmul bmm scaled_dot_product_attention")
"""Operations of which an element may be known though one of its operands is not: the other is 0 there."""

_SOFTMAX = frozenset(["softmax", "log_softmax", "_softmax", "_safe_softmax"])
_CONVOLUTIONS = {"conv1d": F.conv1d, "conv2d": F.conv2d, "conv3d": F.conv3d}
_MAX_POOLS = {"max_pool1d": F.avg_pool1d, "max_pool2d": F.avg_pool2d, "max_pool3d": F.avg_pool3d}


def pointwise(node: fx.Node) -> bool:
    """Whether every element of the result depends on the elements at its place alone, as broadcasting sees it."""
    if not isinstance(node.target, torch._ops.OpOverload) or operation(node) in _NOT_POINTWISE:
        return False
    return operation(node) in _POINTWISE or torch.Tag.pointwise in node.target.tags


def normalised_axes(node: fx.Node) -> tuple[int, ...]:
    """Along which axes an element depends on all others, for a softmax and a layer norm; none for others."""
    if operation(node) == "layer_norm":
        return tuple(range(-len(arguments(node)[1]), 0))
    if operation(node) in _SOFTMAX:
        return (int(arguments(node)[1]),)
    return ()


def summed_axes(node: fx.Node, dims: int) -> tuple[int, ...] | None:
    """The axes over which a mean, a sum or a pooling goes, of so many; None for all."""
    if operation(node) in ("mean", "sum"):
        axes: Any = arguments(node)[1] if len(arguments(node)) > 1 else node.kwargs.get("dim")
        if axes is None or axes == []:
            return None
        return tuple(int(axis) % dims for axis in (axes if isinstance(axes, list | tuple) else [axes]))
    return tuple(range(2, dims))


def moved(node: fx.Node) -> list[fx.Node]:
    """The operands of a moving operation whose elements it moves, and not those that say where to."""
    if operation(node) in ("cat", "stack"):
        return list(dict.fromkeys(arguments(node)[0]))
    first = [arguments(node)[0]] + (
        [arguments(node)[1]] if operation(node) in ("slice_scatter", "select_scatter") else []
    )
    return list(dict.fromkeys(first))


def passed(node: fx.Node, on: Indicators, facts: Facts) -> fx.Node | None:
    """The operand on whose element in its place each element of the result depends, and on nothing else; or None."""
    if len(on) != 1:
        return None
    ((source, indicator),) = on.items()
    value = facts.value[node]
    if not isinstance(value, Tensor) or not isinstance(indicator, Tensor) or indicator.shape != value.shape:
        return None
    return source if _rule(node, operation(node)) in (_same, _each) else None


def replay(node: fx.Node, instead: Mapping[fx.Node, Any], facts: Facts, args: Any = None) -> Any:
    """Runs an operation with other operands."""
    operand = lambda each: instead[each] if each in instead else facts.value[each]  # noqa: E731
    given = fx.node.map_arg((arguments(node) if args is None else args, node.kwargs), operand)
    return function(node)(*given[0], **given[1])


def depends(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    """The indicators of a node's result.

    Args:
        node: Calls an operation.
        on: The indicators of its operands, which are tensors or lists of such.
        facts: What is known of every value so far.
    """
    rule = _rule(node, operation(node))
    if rule is not None:
        given = rule(node, on, facts)
        if given is not None:
            return given
    total = sum((leaf.sum() for each in on.values() for leaf in pytree.tree_leaves(each)), torch.zeros(()))
    return on_leaves(lambda leaf: total.expand(leaf.shape), facts.value[node])


def _rule(node: fx.Node, name: str) -> Rule | None:
    if name in _RULES:
        return _RULES[name]
    if name in _CONVOLUTIONS:
        return _convolution
    if name in _MAX_POOLS:
        return _max_pool
    if normalised_axes(node):
        return _normalised
    if name in SUMMING:
        return _sum
    if name in SAME or name in ("batch_norm", "prelu"):
        own = name == "batch_norm" and arguments(node)[3] is None
        return _within_channel if own else _same
    if name in MOVING:
        return _moved
    return _each if pointwise(node) else None


def _same(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    return on[operand(node, 0)]


def _within_channel(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    """Of a norm that has no running statistics: all of a channel."""
    x = on[operand(node, 0)]
    return x.sum([axis for axis in range(x.dim()) if axis != 1], keepdim=True).expand(x.shape)


def _each(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    total = torch.zeros(facts.value[node].shape)
    for indicator in on.values():
        total = total + indicator
    return total


def _convolution(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    """Sums over the channels of a group, under the kernel's window."""
    source, weight = operand(node, 0), facts.value[operand(node, 1)]
    defaults: list[Any] = [1, 0, 1, 1]
    stride, padding, dilation, groups = [*arguments(node)[3:7], *defaults[len(arguments(node)[3:7]) :]]
    x = on[source]
    if x.dim() != weight.dim():
        return None
    shared = x.unflatten(1, (groups, -1)).sum(2)
    ones = torch.ones(groups, 1, *weight.shape[2:])
    sums = _CONVOLUTIONS[operation(node)](shared, ones, None, stride, padding, dilation, groups)
    if groups == 1:
        return sums.expand(-1, len(weight), *sums.shape[2:])
    return sums.repeat_interleave(len(weight) // groups, dim=1)


def _linear(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    x = on[operand(node, 0)].sum(-1, keepdim=True)
    return x.expand(*x.shape[:-1], *facts.shape(operand(node, 1))[:-1])


def _embedding(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    return on[operand(node, 1)].unsqueeze(-1).expand(facts.value[node].shape)


def _normalised(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    x = on[operand(node, 0)]
    return x.sum(normalised_axes(node), keepdim=True).expand(facts.value[node].shape)


def _max_pool(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    _, size, *rest = arguments(node)
    defaults: list[Any] = [None, 0, 1, False]
    stride, padding, dilation, ceil = [*rest, *defaults[len(rest) :]]
    if pytree.tree_any(lambda d: d != 1, dilation):
        return None
    pool = _MAX_POOLS[operation(node)]
    return pool(on[operand(node, 0)], size, stride or None, padding, bool(ceil))  # type: ignore[arg-type]


def _sum(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    return replay(node, {operand(node, 0): on[operand(node, 0)]}, facts)


def _product(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    """An element matters unless what it is multiplied by is known to be 0."""
    factors = [
        each for each in arguments(node)[:2] if isinstance(each, fx.Node) and isinstance(facts.value[each], Tensor)
    ]
    if len(factors) < 2 or factors[0] is factors[1]:
        return _each(node, on, facts)
    one, other = factors
    return on[one] * (1 - facts.zero(other)) + on[other] * (1 - facts.zero(one))


def _matmul(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    one, other = operand(node, 0), operand(node, 1)
    if one is other:
        return None
    return function(node)(on[one], 1 - facts.zero(other)) + function(node)(1 - facts.zero(one), on[other])


def _attention(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    """Values are mixed over the keys, by weights that matter unless all values of a feature are one known value."""
    query, key, value = (operand(node, place) for place in range(3))
    if len({query, key, value}) < 3:
        return None
    v = facts.value[value]
    alike = ((facts.unknown[value] == 0) & (v == v[..., :1, :])).all(-2, keepdim=True).float()
    mixed = on[value].sum(-2, keepdim=True)
    no_key, no_query = facts.zero(key).amin(-2, keepdim=True), facts.zero(query).amin(-2, keepdim=True)
    weights = (on[query] * (1 - no_key)).sum((-1, -2), keepdim=True) + (on[key] * (1 - no_query)).sum(
        (-1, -2), keepdim=True
    )
    masks = [on[each] for each in on if each not in (query, key, value)]
    for mask in masks:
        weights = weights + mask.sum((-1, -2), keepdim=True)
    if weights.shape[:-2] != mixed.shape[:-2]:
        return None
    return (mixed + weights * (1 - alike)).expand(facts.value[node].shape)


def _moved(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    if operation(node) in ("pad", "constant_pad_nd"):
        mode = arguments(node)[2] if len(arguments(node)) > 2 and isinstance(arguments(node)[2], str) else "constant"
        if mode == "constant":
            widths = fx.node.map_arg(arguments(node)[1], lambda n: facts.value[n])
            return F.pad(on[operand(node, 0)], [int(width) for width in widths])
    return replay(node, {each: on[each] for each in moved(node)}, facts)


def _group_norm(node: fx.Node, on: Indicators, facts: Facts) -> Any:
    x = on[operand(node, 0)]
    grouped = x.unflatten(1, (int(arguments(node)[1]), -1)).flatten(2)
    return grouped.sum(2, keepdim=True).expand(grouped.shape).reshape(x.shape)


_RULES: dict[str, Rule] = {
    "linear": _linear,
    "embedding": _embedding,
    "group_norm": _group_norm,
    "mul": _product,
    "matmul": _matmul,
    "bmm": _matmul,
    "scaled_dot_product_attention": _attention,
}
