"""What is asked of a graph's nodes, which torch types as anything at all."""

from __future__ import annotations

from typing import Any

from torch import Tensor, fx, nn

LAYERS = frozenset(["conv1d", "conv2d", "conv3d", "linear"])
"""Operations with a weight of units by inputs."""

PREFIX = "network."  # of every name in a network that is followed


def arguments(node: fx.Node) -> tuple[Any, ...]:
    """What a node is called with, by place."""
    args: tuple[Any, ...] = node.args
    return args


def operand(node: fx.Node, place: int) -> fx.Node:
    """The node that another one is called with at a place."""
    given = node.args[place]
    assert isinstance(given, fx.Node)
    return given


def function(node: fx.Node) -> Any:
    """The operation that a node calls."""
    return node.target


def operation(node: fx.Node) -> str:
    """What a node does, without its overload: `conv2d`, `add`."""
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet))


def groups_of(node: fx.Node) -> int:
    """The groups of a convolution; 1 of every other layer."""
    given = arguments(node)
    return int(given[6]) if len(given) > 6 else 1


def module_of(node: fx.Node) -> str:
    """The name of the innermost module in whose forward a node was called."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return str(stack[-1][0]).split("@")[0].removeprefix(PREFIX) if stack else ""


def words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


def tensor_at(module: nn.Module, name: str) -> Tensor:
    """A module's parameter or buffer of this name."""
    path, _, own = name.rpartition(".")
    value = getattr(module.get_submodule(path), own)
    assert isinstance(value, Tensor)
    return value
