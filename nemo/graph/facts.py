"""What is known of every value in a network whose masks are constant."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree

from nemo.graph.capture import Captured


class Facts:
    """What `nemo.graph.analysis.analyse` found out, by node.

    Attributes:
        captured: The network.
        value: What the node gives on the example, in double precision; noise where all of it depends on the input.
        unknown: Of a tensor, or of the list that a node gives: 1 where an element may depend on the input, 0
            where it is the same for all inputs.
        demand: 1 where the logits may depend on an element; missing where none does.
        entirely: The nodes of which every element may depend on the input.
        varies: The nodes that depend on the input in any way, if by its size alone.
        masked: The nodes that depend on a mask.
    """

    def __init__(self, captured: Captured) -> None:
        self.captured = captured
        self.value: dict[fx.Node, Any] = {}
        self.unknown: dict[fx.Node, Any] = {}
        self.demand: dict[fx.Node, Any] = {}
        self.entirely: set[fx.Node] = set()
        self.varies: set[fx.Node] = set()
        self.masked: set[fx.Node] = set()
        self.noise = torch.Generator().manual_seed(0)
        self._known: dict[fx.Node, bool] = {}
        self._live: dict[tuple[fx.Node, int], Tensor] = {}

    def is_tensor(self, node: fx.Node) -> bool:
        return isinstance(self.value[node], Tensor)

    def shape(self, node: fx.Node) -> torch.Size:
        shape: torch.Size = self.value[node].shape
        return shape

    def known(self, node: fx.Node) -> bool:
        """Whether nothing of a node depends on the input."""
        if node not in self._known:
            self._known[node] = node not in self.entirely and not any_of(self.unknown.get(node))
        return self._known[node]

    def zero(self, node: fx.Node) -> Tensor:
        """1 where an element is known to be 0."""
        return ((self.unknown[node] == 0) & (self.value[node] == 0)).float()

    def known_part(self, node: fx.Node) -> Tensor:
        """The value, 0 where it depends on the input."""
        value: Tensor = self.value[node]
        return torch.where(self.unknown[node] > 0, torch.zeros((), dtype=value.dtype), value)

    def live(self, node: fx.Node, axis: int) -> Tensor:
        """Indices along an axis at which an element depends on the input and is needed, ascending."""
        if node not in self.demand:
            return torch.arange(0)
        place = node, axis % self.value[node].dim()
        if place not in self._live:
            demand = self.demand[node]
            self._live[place] = indices(demand if node in self.entirely else self.unknown[node] * demand, axis)
        return self._live[place]

    def carries(self, node: fx.Node) -> bool:
        """Whether any element depends on the input and is needed."""
        if node in self.entirely or node not in self.demand:
            return node in self.demand
        return any_of(on_leaves(torch.mul, self.unknown[node], self.demand[node]))


def on_leaves(change: Callable[..., Any], value: Any, *others: Any) -> Any:
    """Changes a tensor, or each of those in a list that an operation gives; what is none becomes None."""
    if isinstance(value, Tensor):
        return change(value, *others)
    return pytree.tree_map(lambda leaf, *of: change(leaf, *of) if isinstance(leaf, Tensor) else None, value, *others)


def indices(there: Tensor, axis: int) -> Tensor:
    """Indices along an axis at which anything is there, ascending."""
    axis %= there.dim()
    others = [each for each in range(there.dim()) if each != axis]
    return (there.amax(others) if others else there).nonzero().flatten()


def along(index: Tensor, axis: int, shape: Iterable[int]) -> Tensor:
    """1 at these indices along an axis, 0 elsewhere, of a shape that broadcasts with the given one."""
    sizes = list(shape)
    there = torch.zeros(sizes[axis])
    there[index] = 1
    return there.view([-1 if each == axis % len(sizes) else 1 for each in range(len(sizes))])


def any_of(indicators: Any) -> bool:
    """Whether any element of a tensor, or of those in a list, is not 0."""
    if isinstance(indicators, Tensor):
        return bool(indicators.any())
    return any(bool(leaf.any()) for leaf in pytree.tree_leaves(indicators) if isinstance(leaf, Tensor))
