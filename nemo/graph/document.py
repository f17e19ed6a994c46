"""Graphs and cut modules as JSON beside their tensors: no pickle, no code, and nothing of the user's source."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import fx, nn

from nemo.errors import UserError
from nemo.graph.builder import Align, Map
from nemo.graph.nodes import arguments, tensor_at

_FUNCTIONS = {
    name: getattr(operator, name)
    for name in ["getitem", "add", "sub", "mul", "floordiv", "truediv", "mod", "neg", "pow"]
}
_SYMBOLIC = {name: getattr(torch, name) for name in ("sym_max", "sym_min", "sym_int", "sym_float")}
_CONSTANTS = (torch.dtype, torch.memory_format, torch.layout)

Described = dict[str, Any]

_FIELDS: dict[type[nn.Module], tuple[str, ...]] = {
    nn.Linear: ("in_features", "out_features"),
    **dict.fromkeys(
        (nn.Conv1d, nn.Conv2d, nn.Conv3d),
        ("in_channels", "out_channels", "kernel_size", "stride", "padding", "dilation", "groups"),
    ),
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), ("num_features", "eps", "momentum", "affine")),
    nn.LayerNorm: ("normalized_shape", "eps", "elementwise_affine"),
    nn.GroupNorm: ("num_groups", "num_channels", "eps", "affine"),
    nn.Dropout: ("p",),
    nn.ReLU: (),
    Align: ("axis", "fills"),
    Map: (),
}
_KINDS = {kind.__name__: kind for kind in _FIELDS}
_WITH_BIAS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def module_document(module: fx.GraphModule) -> Described:
    """A cut module without its tensors, as JSON; `build_module` makes it again."""
    called = {str(node.target) for node in module.graph.nodes if node.op == "call_module"}
    layers = {name: _layer_document(module.get_submodule(name)) for name in sorted(called)}
    tensors = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            value = tensor_at(module, str(node.target))
            kind = "parameter" if isinstance(value, nn.Parameter) else "buffer"
            tensors[str(node.target)] = [kind, _name(value.dtype), list(value.shape)]
    return {"graph": graph_document(module.graph), "layers": layers, "tensors": tensors}


def build_module(document: Mapping[str, Any]) -> fx.GraphModule:
    """A cut module with weights that mean nothing, in eval mode.

    Raises:
        UserError: The document names an operation or a layer that no cut module has.
    """
    root = nn.Module()
    for name, described in document["layers"].items():
        _place(root, name).add_module(name.rpartition(".")[2], _layer(described))
    for name, (kind, dtype, shape) in document["tensors"].items():
        value = torch.zeros(shape, dtype=getattr(torch, dtype))
        parent, own = _place(root, name), name.rpartition(".")[2]
        if kind == "parameter":
            parent.register_parameter(own, nn.Parameter(value))
        else:
            parent.register_buffer(own, value)
    return fx.GraphModule(root, build_graph(document["graph"]), "Module").eval()


def graph_document(graph: fx.Graph) -> list[Described]:
    """The nodes of a graph, in their order, as JSON."""
    return [
        {
            "name": node.name,
            "op": node.op,
            "target": _function_name(node.target) if node.op == "call_function" else str(node.target),
            "args": _written(arguments(node)),
            "kwargs": {name: _written(value) for name, value in node.kwargs.items()},
        }
        for node in graph.nodes
    ]


def build_graph(document: list[Described]) -> fx.Graph:
    """What `graph_document` described."""
    graph = fx.Graph()
    nodes: dict[str, fx.Node] = {}
    for described in document:
        op, target = described["op"], described["target"]
        nodes[described["name"]] = graph.create_node(
            op,
            _function(target) if op == "call_function" else target,
            tuple(_read(described["args"], nodes)),
            {name: _read(value, nodes) for name, value in described["kwargs"].items()},
            described["name"],
        )
    return graph


def _written(value: Any) -> Any:
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, list | tuple):
        return [_written(each) for each in value]
    if isinstance(value, _CONSTANTS):
        return {"torch": _name(value)}
    if isinstance(value, torch.device):
        return {"device": str(value)}
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise UserError(
        f"network: its graph holds a {type(value).__name__}, which a saved module can't; report it with the network."
    )


def _read(value: Any, nodes: Mapping[str, fx.Node]) -> Any:
    if isinstance(value, list):
        return [_read(each, nodes) for each in value]
    if isinstance(value, dict):
        ((kind, own),) = value.items()
        known: dict[str, Callable[[Any], Any]] = {"node": nodes.__getitem__, "float": float, "device": torch.device}
        return known[kind](own) if kind in known else getattr(torch, own)
    return value


def _name(constant: Any) -> str:
    return str(constant).removeprefix("torch.")


def _function_name(target: Any) -> str:
    if isinstance(target, torch._ops.OpOverload) and target.namespace == "aten":
        return f"aten.{target._schema.name.removeprefix('aten::')}.{target._overloadname}"
    for prefix, known in (("operator", _FUNCTIONS), ("torch", _SYMBOLIC)):
        for name, function in known.items():
            if function is target:
                return f"{prefix}.{name}"
    if target in (getattr, _attribute):
        return "builtins.getattr"
    raise UserError(f"network: its graph calls {target}, which a saved module can't; report it with the network.")


def _function(name: str) -> Callable[..., Any]:
    where, own, *overload = name.split(".")
    if where == "aten":
        function: Callable[..., Any] = getattr(getattr(torch.ops.aten, own), overload[0])
        return function
    if where == "builtins":
        return _attribute
    known = _FUNCTIONS if where == "operator" else _SYMBOLIC
    return known[own]


def _attribute(value: torch.Tensor, name: str) -> Any:
    """`getattr` for what cut modules ask of a tensor, and for nothing else."""
    if name != "device":
        raise UserError(f"module: its graph asks a tensor for {name!r}, which no cut module does.")
    return value.device


def _layer_document(layer: nn.Module) -> Described:
    if type(layer) not in _FIELDS:
        raise UserError(f"module: it holds a {type(layer).__name__}, which no cut module does, save another.")
    described: Described = {"kind": type(layer).__name__}
    described.update({name: getattr(layer, name) for name in _FIELDS[type(layer)]})
    if isinstance(layer, _WITH_BIAS):
        described["bias"] = layer.bias is not None
    if isinstance(layer, Align):
        described["places"] = len(layer.place)
        described["base"] = None if layer.base is None else list(layer.base.shape)
    if isinstance(layer, Map):
        described["shape"] = list(layer.value.shape)
    return described


def _layer(described: Mapping[str, Any]) -> nn.Module:
    fields: Described = {name: tuple(value) if isinstance(value, list) else value for name, value in described.items()}
    kind = _KINDS.get(fields.pop("kind"))
    if kind is None:
        raise UserError(f"module: {described['kind']} is no layer of a cut module.")
    if kind is Map:
        return Map(torch.zeros(fields["shape"]))
    if kind is Align:
        base = None if fields["base"] is None else torch.zeros(fields["base"])
        aligned = Align(fields["axis"], torch.zeros(fields["places"], dtype=torch.int64), -1, base)
        aligned.fills = fields["fills"]
        return aligned
    if issubclass(kind, nn.Dropout | nn.ReLU):
        return kind(**fields)
    return nn.utils.skip_init(kind, **fields) if issubclass(kind, _WITH_BIAS) else kind(**fields)


def _place(root: nn.Module, name: str) -> nn.Module:
    parent = root
    for part in name.split(".")[:-1]:
        if part not in parent._modules:
            parent.add_module(part, nn.Module())
        parent = parent.get_submodule(part)
    return parent
