"""Writing the smaller graph: what a tensor carries is right; what it lacks is constant or not needed.

Every value of the whole network is carried in the smaller one with some of its indices along some axes. Rules, one for
a family of operations, say how; an operation without a rule gets whole tensors, in which the known elements are put
back in their places: exact, and less is saved.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from nemo.graph.capture import aten
from nemo.graph.facts import Facts, along
from nemo.graph.nodes import arguments, function

Layout = dict[int, Tensor]
"""Axis -> which indices of the whole are there, ascending but for the logits; other axes are whole."""


class Carried(NamedTuple):
    """A value of the whole network in the smaller one."""

    node: fx.Node
    layout: Layout


Rule = Callable[["Builder", fx.Node], Carried | None]
"""Writes one operation; None where it doesn't fit."""


class Varies(Exception):
    """A value that is known on one sample is not the same for every sample of a batch: it has to be computed."""

    def __init__(self, node: fx.Node) -> None:
        super().__init__(node.name)
        self.node = node


class Align(nn.Module):
    """Puts channels where they belong along an axis; in the place of those that are not there stand constants."""

    place: Tensor
    base: Tensor | None

    def __init__(self, axis: int, place: Tensor, have: int, base: Tensor | None = None) -> None:
        super().__init__()
        self.axis = axis
        self.fills = bool((place == have).any())
        self.register_buffer("place", place)  # `have` for one that is not there
        self.register_buffer("base", base)

    def forward(self, x: Tensor) -> Tensor:
        if self.fills:
            x = F.pad(x, (0, 0) * (x.dim() - 1 - self.axis) + (0, 1))
        x = x.index_select(self.axis, self.place)
        return x if self.base is None else x + self.base


class Map(nn.Module):
    """A bias for every position: what constant channels add to a convolution near the border of its input."""

    def __init__(self, value: Tensor) -> None:
        super().__init__()
        self.value = nn.Parameter(value)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.value


class Builder:
    """The smaller network while it is written.

    Attributes:
        facts: What is known of the whole one.
        graph: The new graph.
    """

    def __init__(self, facts: Facts, state: Mapping[str, Tensor], rule: Callable[[fx.Node], Rule | None]) -> None:
        self.facts = facts
        self.graph = fx.Graph()
        self._state = state
        self._rule = rule
        self._root = nn.Module()
        self._done: dict[fx.Node, Carried] = {}
        self._written: dict[tuple[str, bytes], fx.Node] = {}
        self._on: fx.Node | None = None
        captured = facts.captured
        first = next(node for node in captured.graph.nodes if node.name in captured.inputs)
        self._sizes = facts.shape(first)
        names = dict(zip(captured.inputs, captured.arguments or captured.inputs, strict=True))
        for node in captured.graph.nodes:
            if node.op == "placeholder" and node.name in names:
                self._done[node] = Carried(self.graph.placeholder(names[node.name]), {})

    def build(self, output: fx.Node) -> Carried:
        """Writes all that a node needs, and the node."""
        for node in self.facts.captured.graph.nodes:
            if node.op == "call_function" and self.facts.carries(node):
                self.get(node)
        return self.get(output)

    def finish(self, result: fx.Node) -> tuple[nn.Module, fx.Graph]:
        """The network that gives this node: its parts, and what is done with them."""
        self.graph.output(result)
        for node in reversed(self.graph.nodes):
            if not node.users and node.op not in ("placeholder", "output"):
                self.graph.erase_node(node)
        return self._root, self.graph

    # what rules use

    def get(self, node: fx.Node) -> Carried:
        """A value with what it carries."""
        if node not in self._done:
            self._done[node] = self._emit(node)
        return self._done[node]

    def live(self, node: fx.Node, axis: int) -> Tensor:
        """What a result has to carry along an axis; all where its length is the input's."""
        if self.facts.captured.is_open(node, axis):
            return torch.arange(self.facts.shape(node)[axis])
        return self.facts.live(node, axis)

    def aligned(self, node: fx.Node, wants: Mapping[int, Tensor | None]) -> fx.Node:
        """A value with the wanted indices along some axes, None for all of them, and with its own along others."""
        if node.op == "placeholder" and node.name not in self.facts.captured.inputs:
            value = self._state[node.name]
            for axis, want in wants.items():
                value = value if want is None else value.index_select(axis, want)
            return self.tensor(node, value)
        carried = self.get(node)
        for axis, want in wants.items():
            carried = self._aligned(node, carried, axis % self.facts.value[node].dim(), want)
        return carried.node

    def whole(self, node: fx.Node) -> fx.Node:
        """A value with everything in its place."""
        return self.aligned(node, dict.fromkeys(self.get(node).layout))

    def operand(self, node: fx.Node) -> fx.Node:
        """What an operation without a rule is given."""
        return self.whole(node) if self.facts.is_tensor(node) else self.get(node).node

    def call(self, node: fx.Node, instead: Mapping[fx.Node, fx.Node], args: Any = None) -> fx.Node:
        """The same operation on other operands."""
        operand = lambda each: instead[each] if each in instead else self.operand(each)  # noqa: E731
        given = fx.node.map_arg((arguments(node) if args is None else args, node.kwargs), operand)
        # where it ran when it was followed is where its input is
        given = fx.node.map_aggregate(given, lambda each: self._device() if isinstance(each, torch.device) else each)
        return self.graph.call_function(function(node), *given)

    def module(self, name: str, module: nn.Module, operand: fx.Node) -> fx.Node:
        """A call of a new module, which gets the name, or one like it where that is taken."""
        path = self._free(name)
        *parents, own = path.split(".")
        self._parent(parents).add_module(own, module)
        return self.graph.call_module(path, (operand,))

    def module_at(self, node: fx.Node) -> nn.Module:
        """The module that a node of the new graph calls."""
        return self._root.get_submodule(str(node.target))

    def tensor(self, node: fx.Node, value: Tensor) -> fx.Node:
        """A tensor of the network, or a part of it, under its name; once, however often it is used."""
        name = self.facts.captured.names.get(node.name, node.name)
        key = (name, value.numpy().tobytes())
        if key not in self._written:
            path = self._free(name)
            *parents, own = path.split(".")
            parent = self._parent(parents)
            if node.name in self.facts.captured.trainable and value.is_floating_point():
                parent.register_parameter(own, nn.Parameter(value.clone()))
            else:
                parent.register_buffer(own, value.clone())
            with self.graph.inserting_before(self._first()):
                self._written[key] = self.graph.get_attr(path)
        return self._written[key]

    def shrunk(self, node: fx.Node, value: Tensor, keep: int | None = None) -> Tensor:
        """A known value, of size 1 along every axis but one that it doesn't depend on.

        Raises:
            Varies: One whose length is the input's is among those that it depends on.
        """
        for axis in range(value.dim()):
            if axis != keep and value.shape[axis] > 1:
                first = value.narrow(axis, 0, 1)
                if bool((value == first).all()):
                    value = first
                elif self.facts.captured.is_open(node, axis):
                    raise Varies(node)
        return value

    # how it works

    def _device(self) -> fx.Node:
        if self._on is None:
            with self.graph.inserting_before(self._first()):
                self._on = self.graph.call_function(getattr, (self._input(), "device"))
        return self._on

    def _first(self) -> fx.Node:
        """The first node that is no placeholder."""
        for node in self.graph.nodes:
            if node.op != "placeholder":
                found: fx.Node = node
                return found
        return self.graph._root

    def _parent(self, names: list[str]) -> nn.Module:
        parent = self._root
        for name in names:
            if name not in parent._modules:
                parent.add_module(name, nn.Module())
            parent = parent.get_submodule(name)
        return parent

    def _free(self, name: str) -> str:
        *parents, own = name.split(".")
        parent, candidate, number = self._parent(parents), own, 1
        while hasattr(parent, candidate):
            candidate, number = f"{own}_{number}", number + 1
        return ".".join([*parents, candidate])

    def _emit(self, node: fx.Node) -> Carried:
        facts = self.facts
        if node.op == "placeholder":
            return Carried(self.tensor(node, self._state[node.name]), {})
        if node in facts.captured.fixed and facts.is_tensor(node):
            return Carried(self.tensor(node, facts.value[node]), {})
        if not facts.is_tensor(node):
            return Carried(self.call(node, {}), {})
        if node in facts.varies and node in facts.masked and facts.known(node):
            return Carried(self._constant(node), {})
        rule = self._rule(node)
        carried = None if rule is None else rule(self, node)
        return Carried(self.call(node, {}), {}) if carried is None else carried

    def _constant(self, node: fx.Node) -> fx.Node:
        """A known value, as large as the batch."""
        stored = self.tensor(node, self.shrunk(node, self.facts.value[node]))
        shape: list[Any] = list(self.facts.shape(node))
        for axis in range(len(shape)):
            if self.facts.captured.is_open(node, axis):
                source = self.facts.captured.open_axis(node, axis)
                if source is None:
                    raise Varies(node)
                size = self.graph.call_function(aten.sym_size.int, (self._input(), source))
                times = shape[axis] // self._sizes[source]
                shape[axis] = size if times == 1 else self.graph.call_function(operator.mul, (size, times))
        return self.graph.call_function(aten.expand.default, (stored, shape))

    def _input(self) -> fx.Node:
        return next(iter(self.graph.nodes))

    def _aligned(self, node: fx.Node, carried: Carried, axis: int, want: Tensor | None) -> Carried:
        facts = self.facts
        width = facts.shape(node)[axis]
        everything = torch.arange(width)
        have = carried.layout.get(axis, everything)
        want = everything if want is None else want
        if torch.equal(have, want):
            return carried
        position = torch.full((width,), len(have))
        position[have] = torch.arange(len(have))
        place = position[want]
        missing = place == len(have)
        base = None
        if missing.any():
            known = facts.known_part(node).index_select(axis, want)
            known = known * along(missing.nonzero().flatten(), axis, known.shape).to(known.dtype)
            for other, index in carried.layout.items():
                known = known if other == axis else known.index_select(other, index)
            known = self.shrunk(node, known, keep=axis)
            base = known if bool((known != 0).any()) else None
        aligned = self.module(f"align_{node.name}", Align(axis, place, len(have), base), carried.node)
        layout = {other: index for other, index in carried.layout.items() if other != axis}
        if not torch.equal(want, everything):
            layout[axis] = want
        return Carried(aligned, layout)
