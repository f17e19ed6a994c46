"""A smaller network that computes exactly what a network with constant masks computes, whatever the network is.

1. Find out which values depend on the input, and which of them the logits need (`analysis`).
2. Write a graph of real layers that carries these alone (`builder`, and one rule for a family of operations).
3. Check it in double precision, on other inputs and another batch size, against the whole network.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import deepcopy
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn
from torch.utils import _pytree as pytree

from nemo.errors import UserError
from nemo.example import Example, call, logits_of, map_example
from nemo.graph import affine, attention, moving, pointwise
from nemo.graph.analysis import analyse
from nemo.graph.builder import Builder, Carried, Rule, Varies
from nemo.graph.capture import LENGTH, Captured, capture, double_example, in_double
from nemo.graph.dependence import MOVING, SAME, SUMMING, normalised_axes
from nemo.graph.dependence import pointwise as is_pointwise
from nemo.graph.hooks import HookedSite
from nemo.graph.nodes import arguments, operand, operation

Head = Literal["none", "linear", "paper", "slice"]

_TOLERANCE = 1e-10  # relative to the largest logit; measured: 2e-14
_CASTS = 1e-4  # where the network itself rounds to single precision or less
_LOW = (torch.float32, torch.float16, torch.bfloat16)
_RULES: dict[str, Rule] = {
    "linear": affine.linear,
    "conv1d": affine.convolution,
    "conv2d": affine.convolution,
    "conv3d": affine.convolution,
    "batch_norm": affine.batch_norm,
    "layer_norm": affine.whole_norm,
    "group_norm": affine.whole_norm,
    "dropout": affine.dropout,
    "mul": pointwise.product,
    "scaled_dot_product_attention": attention.attention,
    "matmul": attention.matmul,
    "bmm": attention.matmul,
}


class Cutter:
    """Cuts modules out of one modular network, which is followed once for all of them.

    Args:
        network: With sites as `attach` makes them.
        sites: These, in their order.
        example: Inputs as the network takes them.
        combined: Whether the modules go on computing their sample masks.
        captured: That of a former cutter of such a network.

    Attributes:
        captured: What was found by following the network; it holds no weights.
    """

    def __init__(
        self,
        network: nn.Module,
        sites: Sequence[HookedSite],
        example: Example,
        *,
        combined: bool,
        captured: Captured | None = None,
    ) -> None:
        self._network = network  # as a modular network holds it: its weights may go on changing
        self._example = double_example(example)
        self._combined = combined
        names = {id(site): name for name, site in network.named_modules()}
        self._constants = [f"{names[id(site)]}.constant" for site in sites]
        self.captured = captured or capture(self._masked([torch.ones(site.kernels) for site in sites]), example)

    @property
    def outputs(self) -> int:
        """Number of logits, N."""
        return self.captured.width(self.captured.output)

    @torch.no_grad()
    def cut(self, masks: Sequence[Tensor], classes: Sequence[int], head: Head, *, check: bool = True) -> fx.GraphModule:
        """The network with these masks, without what they or the classes make needless.

        Args:
            masks: Per site `[K_l]`; 0 where a unit is gone, else what its output is multiplied by.
            classes: The target classes, in the order of the outputs, for every head but `none`.
            head: See `nemo.extract_module`.
            check: Whether to compare it with the whole network.

        Raises:
            UserError: It has no classifier that such a head can replace, or the cut is not exact.
        """
        values = [in_double(mask.double()) for mask in masks]
        output = self._features(head)
        wanted = torch.ones(1)
        if head == "slice":
            wanted = torch.zeros(self.captured.width(output))
            wanted[list(classes)] = 1
        builder, carried = self._build(values, wanted, output)
        result = carried.node
        if head == "slice":
            result = builder.aligned(output, {1: torch.tensor(list(classes))})
        elif head == "none" or head == "paper":
            result = builder.whole(output)
        root, graph = builder.finish(result)
        if check:
            self._check(_module(root, graph), values, head, classes, carried)
        _follow_dtype(root, graph, _dtype(self._network))
        if head == "paper":
            _follow(root, graph, nn.ReLU(), nn.Linear(self.captured.width(output), len(classes)))
        elif head == "linear":
            index = carried.layout.get(1)
            width = self.captured.width(output) if index is None else len(index)
            _follow(root, graph, nn.Linear(width, len(classes)))
        return _module(root, graph)

    def _features(self, head: Head) -> fx.Node:
        """The node that the new head, or none, reads."""
        output = self.captured.output
        if head != "linear":
            return output
        source = arguments(output)[0] if operation(output) == "linear" else None
        if (
            not isinstance(source, fx.Node)
            or len(self.captured.shapes[source.name]) != 2
            or arguments(output)[1].name not in self.captured.names
        ):
            raise UserError(
                "head: the logits of this network do not come from one Linear layer, choose none, paper or slice."
            )
        return source

    def _build(self, values: Sequence[Tensor], wanted: Tensor, output: fx.Node) -> tuple[Builder, Carried]:
        constants = dict(zip(self._constants, values, strict=True))
        state = self.captured.values(self._network, **constants)
        places = [place for place, name in self.captured.names.items() if name in constants]
        inputs = [leaf[:1] for leaf in pytree.tree_leaves(self._example)]
        opaque: set[str] = set()
        while True:
            given = (self.captured, state, inputs, places, wanted, output, opaque)
            try:
                facts = analyse(*given)
            except Exception:  # an operation may make anything of noise: an index out of range, a division by 0
                facts = analyse(*given, noise=False)
            builder = Builder(facts, state, rule_of)
            try:
                return builder, builder.build(output)
            except Varies as varies:
                if varies.node.name in opaque:
                    raise
                opaque.add(varies.node.name)

    def _masked(self, masks: Sequence[Tensor]) -> nn.Module:
        """The whole network in double precision with constant masks."""
        network = deepcopy(self._network).double().eval().cpu()
        for name, mask in zip(self._constants, masks, strict=True):
            site = network.get_submodule(name.rpartition(".")[0])
            assert isinstance(site, HookedSite)
            site.constant, site.combined, site.records = mask.double(), self._combined, None
        return network

    def _check(
        self, module: fx.GraphModule, values: Sequence[Tensor], head: Head, classes: Sequence[int], carried: Carried
    ) -> None:
        """Compares the module, with its old head, with the whole network.

        Raises:
            UserError: They differ.
        """
        first = self.captured.shapes[self.captured.inputs[0]]
        inputs = others(self._example, shorter=3 if LENGTH in first else 0)
        whole = self._masked(values)
        seen: list[Tensor] = []
        if head == "linear":
            weight = operand(self.captured.output, 1)
            classifier = whole.get_submodule(self.captured.names[weight.name].rpartition(".")[0])
            classifier.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
        want = logits_of(call(whole, inputs))
        if head == "slice":
            want = want[:, list(classes)]
        elif head == "linear":
            want = seen[0] if 1 not in carried.layout else seen[0][:, carried.layout[1]]
        have = call(module, inputs)
        error = float((have - want).abs().max() / want.abs().max().clamp_min(1e-300)) if want.numel() else 0.0
        if not error <= self._tolerance:
            raise UserError(
                f"surgery: the module differs from the network with constant masks (relative error {error:.0e}), a "
                "fault of ours: report it with the network, and leave layers out by `sites` until it is mended."
            )

    @property
    def _tolerance(self) -> float:
        casts = any(
            value in _LOW
            for node in self.captured.graph.nodes
            for value in pytree.tree_leaves((arguments(node), node.kwargs))
        )
        return _CASTS if casts else _TOLERANCE


def rule_of(node: fx.Node) -> Rule | None:
    """How an operation is written; None for one without a rule."""
    name = operation(node)
    if name in _RULES:
        return _RULES[name]
    if name in MOVING:
        return pointwise.unchanged if name in SAME else moving.move
    if name in SUMMING or name.startswith("max_pool"):
        return pointwise.within_channels
    if normalised_axes(node):
        return pointwise.normalised
    return pointwise.each_element if is_pointwise(node) else None


def others(example: Example, size: int = 3, shorter: int = 0) -> Example:
    """Other inputs of the same kind: noise for numbers, and numbers of the example, in another order, for integers.

    Args:
        example: The inputs.
        size: How many samples.
        shorter: By how many tokens texts are shorter than those of the example.
    """
    draw = torch.Generator().manual_seed(size)

    def other(x: Tensor) -> Tensor:
        shape = (size, *x.shape[1:]) if not shorter else (size, max(2, x.shape[1] - shorter))
        if x.is_floating_point():
            return x.mean() + (x.std() + 0.1) * torch.randn(shape, generator=draw, dtype=x.dtype)
        return x.flatten()[torch.randint(x.numel(), shape, generator=draw)]

    return map_example(other, example)


def _module(root: nn.Module, graph: fx.Graph) -> fx.GraphModule:
    """With the parts that the graph calls, and no others."""
    return fx.GraphModule(root, graph, "Module").eval()


def _follow(root: nn.Module, graph: fx.Graph, *layers: nn.Module) -> None:
    """Puts layers behind what a graph gives."""
    dtype = _dtype(root)
    output = graph.output_node()
    result = next(iter(output.all_input_nodes))
    for number, layer in enumerate(layers):
        name = f"head_{number}" if len(layers) > 1 else "head"
        root.add_module(name, layer.to(dtype))
        with graph.inserting_before(output):
            result = graph.create_node("call_module", name, (result,))
    output.args = (result,)


def _dtype(network: nn.Module) -> torch.dtype:
    return next((p.dtype for p in network.parameters() if p.is_floating_point()), torch.float32)


def _follow_dtype(root: nn.Module, graph: fx.Graph, dtype: torch.dtype) -> None:
    """What is in the precision in which the network was followed comes into its own: tensors, types, largest numbers.

    What the network itself holds in another one stays in that.
    """
    for layer in root.modules():
        for name, parameter in layer._parameters.items():
            if parameter is not None and parameter.dtype is torch.float64:
                layer._parameters[name] = nn.Parameter(parameter.to(dtype))
        for name, buffer in layer._buffers.items():
            if buffer is not None and buffer.dtype is torch.float64:
                layer._buffers[name] = buffer.to(dtype)
    for node in graph.nodes:
        node.args, node.kwargs = fx.node.map_aggregate(
            (arguments(node), node.kwargs), lambda value: in_precision(value, dtype)
        )


def in_precision(value: Any, dtype: torch.dtype) -> Any:
    """An argument of an operation that was followed in double precision, for one in another: its type, its bounds."""
    if value is torch.float64:
        return dtype
    if isinstance(value, float) and math.isfinite(value):
        largest = torch.finfo(dtype).max
        return max(-largest, min(largest, value))
    return value
