"""What a network computes, as one number that a new version of torch does not change."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch
from torch import Tensor, fx, nn

from nemo.example import Example
from nemo.graph.capture import Captured, capture
from nemo.graph.nodes import operation

_WITHOUT_EFFECT = frozenset(
    ["alias", "clone", "contiguous", "detach", "lift_fresh", "lift_fresh_copy", "to", "_to_copy"]
)
_STORAGE = torch.dtype | torch.device | torch.layout | torch.memory_format
_SIZES = torch.SymInt | torch.SymFloat | torch.SymBool


def digest(network: nn.Module, example: Example, captured: Captured | None = None) -> str:
    """SHA-256 (hex) of a network's architecture, for one that has no name but a function that makes it.

    It covers names, shapes and types of the state, and the operations of the forward pass on such inputs in eval mode,
    with their numbers and what they take. It says nothing of the weights' values, or of what only training does.

    Args:
        network: Any that `torch.export` can follow; not changed.
        example: Inputs as it takes them.
        captured: What `capture` gave for the network, where that has been done.

    Raises:
        UserError: See `capture`.
    """
    state = sorted((name, list(value.shape), str(value.dtype)) for name, value in network.state_dict().items())
    return _sha256(json.dumps([state, _operations(captured or capture(network, example))]))


def _operations(captured: Captured) -> list[Any]:
    """By operation its name and its arguments: numbers, or where they come from."""
    origin: dict[fx.Node, str] = {}
    lines: list[Any] = []
    for node in captured.graph.nodes:
        source = node.args[0] if node.args else None
        if node.op == "placeholder":
            origin[node] = _placeholder(captured, node.name)
        elif isinstance(node.meta.get("val"), _SIZES):
            origin[node] = "size"  # of the batch: how it is asked for differs between versions
        elif operation(node) in _WITHOUT_EFFECT and isinstance(source, fx.Node):
            origin[node] = origin[source]
        else:
            origin[node] = f"%{len(lines)}"
            lines.append([operation(node), _arguments(node, origin)])
    return lines


def _placeholder(captured: Captured, place: str) -> str:
    if place in captured.inputs:
        return f"input {captured.inputs.index(place)}"
    if place in captured.names:
        return captured.names[place]
    value: Tensor = captured.made[place]
    return (
        f"constant {list(value.shape)} {_sha256(' '.join(f'{each:.6g}' for each in value.double().flatten().tolist()))}"
    )


def _arguments(node: fx.Node, origin: dict[fx.Node, str]) -> Any:
    """Those that are not as they would be if left out."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return _plain(node.args, origin)
    told = {}
    for argument, given in zip(schema.arguments, node.args, strict=False):
        told[argument.name] = given
    told |= node.kwargs
    defaults = {each.name: each.default_value for each in schema.arguments if each.has_default_value()}
    return {
        name: _plain(given, origin)
        for name, given in sorted(told.items())
        if not isinstance(given, _STORAGE) and _plain(given, origin) != _plain(defaults.get(name), origin)
    }


def _plain(given: Any, origin: dict[fx.Node, str]) -> Any:
    if isinstance(given, fx.Node):
        return origin[given]
    if isinstance(given, list | tuple):
        return [_plain(each, origin) for each in given]
    return (
        given
        if isinstance(given, bool | int | str) or given is None
        else f"{given:.6g}"
        if isinstance(given, float)
        else str(given)
    )


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
