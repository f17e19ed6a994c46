"""Where the attention heads of a network are: which rows and columns of which Linear layers each of them reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from nemo.errors import UserError
from nemo.example import Example
from nemo.graph.capture import Captured, capture, double_example
from nemo.graph.dependence import MOVING
from nemo.graph.nodes import arguments, function, module_of, operation

_ATTENTION = "scaled_dot_product_attention"
_SOFTMAX = frozenset(["softmax", "_softmax", "_safe_softmax"])


@dataclass(frozen=True)
class Part:
    """The rows of a Linear layer, or the columns, that heads use: `[H, d]`."""

    layer: str
    places: Tensor


@dataclass(frozen=True)
class Heads:
    """The heads of one attention.

    Attributes:
        query: Rows of the layer that it comes from; `key` and `value` alike; they may all be of one layer.
        output: Columns of the layer that reads what the heads say, by the features of `value`.
    """

    query: Part
    key: Part
    value: Part
    output: Part


def attention_heads(net: nn.Module, example: Example) -> list[Heads]:
    """The heads of every attention of a network, in the order in which it computes.

    Args:
        net: Any that `nemo.graph.capture.capture` follows.
        example: Inputs as it takes them.

    Raises:
        UserError: It has none, or one whose queries, keys and values are not what Linear layers say (positions that
            are rotated into them, norms), whose heads share their keys, or that doesn't call
            `scaled_dot_product_attention`.
    """
    captured = capture(net, example)
    trace = _Trace(captured, net, example)
    trace.run()
    found = [_heads(node, trace, captured) for node in trace.attentions]
    if not found:
        softmax = any(operation(node) in _SOFTMAX for node in captured.graph.nodes if node.op == "call_function")
        why = "computes its attention without scaled_dot_product_attention" if softmax else "has no attention"
        _refuse(f"the network {why}")
    return found


class _Trace(fx.Interpreter):
    """Runs a graph, and follows the outputs of Linear layers and of attentions as long as they are only moved.

    Attributes:
        label: Of what comes from one layer or attention: that node, and which of its features each element is.
        attentions: The nodes of attentions.
    """

    def __init__(self, captured: Captured, net: nn.Module, example: Example) -> None:
        super().__init__(fx.GraphModule(nn.Module(), captured.graph))
        self._given = captured.values(net)
        inputs = double_example(example)
        self._given |= dict(zip(captured.inputs, pytree.tree_leaves(inputs), strict=True))
        self.label: dict[fx.Node, tuple[fx.Node, Tensor]] = {}
        self.attentions: list[fx.Node] = []

    def run_node(self, n: fx.Node) -> Any:
        if n.op == "placeholder":
            return self._given[n.name]
        value = super().run_node(n)
        if n.op != "call_function" or not isinstance(value, Tensor):
            return value
        name = operation(n)
        if name == "linear":
            self.label[n] = n, torch.arange(value.shape[-1]).expand(value.shape)
        elif name == _ATTENTION and value.dim() == 4:
            self.attentions.append(n)
            heads, last = value.shape[1], value.shape[3]
            self.label[n] = n, torch.arange(heads * last).view(heads, 1, last).expand(value.shape)
        elif name == "mul" and len(n.all_input_nodes) == 1 and n.all_input_nodes[0] in self.label:
            self.label[n] = self.label[n.all_input_nodes[0]]
        elif name in MOVING:
            moved = [each for each in n.all_input_nodes if each in self.label]
            if len(moved) == 1 and arguments(n)[0] is moved[0]:
                self.label[n] = self.label[moved[0]][0], self._moved(n, moved[0])
        return value

    def _moved(self, node: fx.Node, operand: fx.Node) -> Tensor:
        """The label of what an operation moves; what it adds of its own, such as padding, is no feature."""
        label = self.label[operand][1] + 1
        other = lambda each: label if each is operand else self.env[each]  # noqa: E731
        args, kwargs = fx.node.map_arg((node.args, node.kwargs), other)
        kwargs = {name: each for name, each in kwargs.items() if name != "dtype"}
        if operation(node) in ("to", "_to_copy", "dropout", "type_as"):
            return label - 1
        found: Tensor = function(node)(*args, **kwargs)
        return found - 1


def _heads(node: fx.Node, trace: _Trace, captured: Captured) -> Heads:
    where = module_of(node) or "the attention"
    if node.kwargs.get("enable_gqa"):
        _refuse(f"the heads of {where} share their keys")
    parts = []
    for operand, what in zip(arguments(node)[:3], ("queries", "keys", "values"), strict=True):
        if operand not in trace.label or operation(trace.label[operand][0]) != "linear":
            _refuse(f"the {what} of {where} are not what a Linear layer says")
        source, label = trace.label[operand]
        rows = _alike(label, (1, 3))
        if rows is None:
            _refuse(f"the heads of {where} read other features at other places")
        parts.append(Part(_layer(source, captured), rows))
    _only_read_by(node, [trace.label[each][0] for each in arguments(node)[:3]], trace, where)
    reader = _reader(node, trace, where)
    label = trace.label[arguments(reader)[0]][1]
    features = _alike(label, (label.dim() - 1,))
    heads, last = trace.label[node][1].shape[1], trace.label[node][1].shape[3]
    if features is None or len(features.unique()) != heads * last or len(features) != heads * last:
        _refuse(f"{_layer(reader, captured)} doesn't read every feature of the heads of {where} once")
    columns = features.argsort().view(heads, last)
    for layer in {part.layer for part in parts}:
        rows = torch.cat([part.places.flatten() for part in parts if part.layer == layer])
        if len(rows) != len(rows.unique()) or len(rows) != _width(captured, layer):
            _refuse(f"the heads of {where} don't read every row of {layer} once")
    query, key, value = parts
    return Heads(query, key, value, Part(_layer(reader, captured), columns))


def _width(captured: Captured, layer: str) -> int:
    """How many units a layer has."""
    place = next(place for place, name in captured.names.items() if name == f"{layer}.weight")
    rows = captured.shapes[place][0]
    assert rows is not None
    return rows


def _alike(label: Tensor, axes: tuple[int, ...]) -> Tensor | None:
    """A label along some axes, if it is the same along all others."""
    first = label
    for axis in range(label.dim()):
        if axis not in axes:
            first = first.narrow(axis, 0, 1)
    return first.flatten().view([label.shape[axis] for axis in axes]) if bool((first == label).all()) else None


def _only_read_by(node: fx.Node, sources: list[fx.Node], trace: _Trace, where: str) -> None:
    """Refuses layers whose outputs somebody else reads, too: these would see them changed."""
    for source in sources:
        own = _from(source, trace)
        for user in (user for each in own for user in each.users):
            if user is not node and user not in own and not _asks_size(user):
                _refuse(f"more than the heads of {where} reads what they read")


def _reader(node: fx.Node, trace: _Trace, where: str) -> fx.Node:
    """The Linear layer that alone reads what heads say."""
    own = _from(node, trace)
    readers = [user for each in own for user in each.users if user not in own and not _asks_size(user)]
    if len(readers) != 1 or operation(readers[0]) != "linear":
        _refuse(f"what the heads of {where} say is not read by one Linear layer alone")
    return readers[0]


def _from(node: fx.Node, trace: _Trace) -> set[fx.Node]:
    """The node and all that only moves what it gives."""
    return {each for each, (origin, _) in trace.label.items() if origin is node}


def _asks_size(node: fx.Node) -> bool:
    return operation(node) in ("sym_size", "size") or "sym_size" in str(node.target)


def _layer(node: fx.Node, captured: Captured) -> str:
    weight = arguments(node)[1]
    name = captured.names.get(weight.name, "") if isinstance(weight, fx.Node) else ""
    layer = name.removesuffix(".weight")
    if layer == name:
        _refuse(f"{name or 'what the network multiplies by'} is not the weight of a Linear layer")
    assert isinstance(weight, fx.Node)
    if len(weight.users) > 1 or weight.name in captured.shared:
        _refuse(f"{layer} is used more than once")
    return layer


def _refuse(why: str) -> NoReturn:
    raise UserError(f"attention: svd can't be done, {why}; choose keep.")
