"""Operations that put elements elsewhere: the same operation with smaller sizes, if it moves the right elements.

Each is tried out on the numbers of the elements. So there is no rule for any of them, and none can be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import fx

from nemo.graph.builder import Builder, Carried, Layout
from nemo.graph.dependence import moved, replay
from nemo.graph.facts import along, indices
from nemo.graph.nodes import arguments, operation

_SIZES_AT = {"view": 1, "reshape": 1, "expand": 1, "_unsafe_view": 1}


def move(builder: Builder, node: fx.Node) -> Carried | None:
    """As said above; where what is carried has no such form, with a little more of it."""
    operands = {each: builder.get(each) for each in moved(node)}
    if not any(carried.layout for carried in operands.values()):
        return None
    proposed = _propose(builder, node, operands)
    if proposed is None and len(operands) == 1:
        more = _regular(builder, node, operands)
        proposed = None if more is None else _propose(builder, node, more)
    return proposed


def _propose(builder: Builder, node: fx.Node, operands: Mapping[fx.Node, Carried]) -> Carried | None:
    facts = builder.facts
    numbers, smaller, present = {}, {}, {}
    count = 1
    for operand, carried in operands.items():
        shape = facts.shape(operand)
        number = torch.arange(count, count + shape.numel(), dtype=torch.float64).view(shape)
        count += shape.numel()
        there = torch.ones(shape, dtype=torch.float64)
        part = number
        for axis, index in carried.layout.items():
            there = there * along(index, axis, shape)
            part = part.index_select(axis, index)
        numbers[operand], smaller[operand], present[operand] = number, part, there
    found = replay(node, present, facts)
    layout = {axis: index for axis in range(found.dim()) if len(index := indices(found, axis)) < found.shape[axis]}
    if any(facts.captured.is_open(node, axis) for axis in layout):
        return None
    want = replay(node, numbers, facts)
    for axis, index in layout.items():
        want = want.index_select(axis, index)
    args = _smaller_args(builder, node, operands, layout)
    try:
        have = replay(node, smaller, facts, args)
    except (RuntimeError, IndexError):
        return None
    if have.shape != want.shape or not torch.equal(have, want):
        return None
    return Carried(builder.call(node, {each: carried.node for each, carried in operands.items()}, args), layout)


def _smaller_args(
    builder: Builder, node: fx.Node, operands: Mapping[fx.Node, Carried], layout: Layout
) -> tuple[Any, ...]:
    """The arguments with the sizes and places of what is left."""
    args, name = list(arguments(node)), operation(node)
    source = next(iter(operands))
    own, shape = operands[source].layout, builder.facts.shape(source)
    if name in _SIZES_AT:
        place = _SIZES_AT[name]
        args[place] = [
            len(layout[axis]) if axis in layout and isinstance(size, int) and size != -1 else size
            for axis, size in enumerate(args[place])
        ]
    elif name == "unflatten":
        first = int(args[1]) % len(shape)
        args[2] = [len(layout.get(first + at, range(size))) if size != -1 else size for at, size in enumerate(args[2])]
    elif name == "slice" and len(args) > 1 and args[1] in own and (len(args) < 5 or args[4] == 1):
        index = own[args[1]]
        args[2:4] = [int((index < bound).sum()) for bound in _bounds(shape[args[1]], args)]
    elif name == "select" and args[1] in own:
        index = own[args[1]]
        args[2] = int((index < int(args[2]) % shape[args[1]]).sum())
    return tuple(args)


def _bounds(size: int, args: list[Any]) -> tuple[int, int]:
    start, end = args[2] or 0, size if len(args) < 4 or args[3] is None else args[3]
    return (start + size if start < 0 else start), (end + size if end < 0 else end)


def _regular(builder: Builder, node: fx.Node, operands: Mapping[fx.Node, Carried]) -> dict[fx.Node, Carried] | None:
    """What is carried filled up to a grid of the axes into which one is split: as many features of every head."""
    ((operand, carried),) = operands.items()
    if len(carried.layout) != 1 or operation(node) not in (*_SIZES_AT, "unflatten"):
        return None
    ((axis, index),) = carried.layout.items()
    shape = builder.facts.shape(operand)
    there = replay(node, {operand: along(index, axis, shape).expand(shape)}, builder.facts)
    grid = torch.ones(())
    for each in range(there.dim()):
        grid = grid * along(indices(there, each), each, there.shape)
    more = indices(grid.reshape(shape), axis)
    if len(more) == shape[axis]:
        return None
    return {operand: Carried(builder.aligned(operand, {axis: more}), {axis: more})}
