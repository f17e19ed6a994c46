"""What a network computes, as a graph of plain functions: that of `torch.export`, made ready for analysis.

After `capture` nothing in the graph writes in place but what is known without input and weights, no operation gives a
list where a slice would do, and there is one output, the logits.
"""

from __future__ import annotations

import operator
import warnings
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn

from nemo.errors import UserError
from nemo.example import Example, batch_of, call, logits_of, map_example
from nemo.graph.nodes import PREFIX, arguments, function, operation, tensor_at, words
from nemo.tokens import reader_of

aten = torch.ops.aten


_VIEWS = words("""
slice select view reshape transpose permute getitem narrow unsqueeze squeeze expand index
""")
LENGTH, OTHER = -1, -2
"""In the place of a size that is known: that of the texts, and what depends on it in another way."""
_MADE_LIKE = frozenset(["new_zeros", "new_ones", "new_full", "new_empty"])
_WITHOUT_EFFECT = frozenset(["_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size"])


@dataclass(frozen=True)
class Captured:
    """A network's computation on double precision values.

    Attributes:
        graph: Its placeholders are the network's tensors, those that tracing made, and the inputs.
        names: Placeholder -> name in the network's state; those of `made` are not in there.
        inputs: The placeholders of the example's tensors, in their order.
        shapes: Of what every node gives that is a tensor, by name; None where it depends on the number of samples, and
            `LENGTH` where it is that of the texts, `OTHER` where it depends on that.
        arguments: What the network's forward calls them, where they are given by name.
        made: Placeholder -> tensor that tracing made.
        trainable: The placeholders of parameters.
        shared: Those of parameters that the network has under several names.
        fixed: Nodes that depend neither on input nor on weights.
    """

    graph: fx.Graph
    names: dict[str, str]
    inputs: tuple[str, ...]
    arguments: tuple[str, ...]
    shapes: dict[str, tuple[int | None, ...]]
    made: dict[str, Tensor]
    trainable: frozenset[str]
    shared: frozenset[str]
    fixed: frozenset[fx.Node]

    @property
    def output(self) -> fx.Node:
        """What the graph returns."""
        return next(iter(self.graph.output_node().all_input_nodes))

    @property
    def input_batch(self) -> Any:
        """The symbol of the number of samples."""
        first = next(node for node in self.graph.nodes if node.name in self.inputs)
        return first.meta["val"].shape[0]

    def is_open(self, node: fx.Node, axis: int) -> bool:
        """Whether the length of an axis depends on the input: on the number of samples, or how long texts are."""
        size = self.shapes[node.name][axis]
        return size is None or size < 0

    def open_axis(self, node: fx.Node, axis: int) -> int | None:
        """The axis of the input of whose length this one's is a multiple; None where it is another function of it."""
        return {None: 0, LENGTH: 1}.get(self.shapes[node.name][axis])

    def width(self, node: fx.Node) -> int:
        """The length of the last axis."""
        width = self.shapes[node.name][-1]
        assert width is not None
        return width

    def layer(self, weight: fx.Node) -> str:
        """The name of the layer that a placeholder is the weight of; empty where it is none of the network's."""
        return self.names.get(weight.name, "").removesuffix(".weight")

    def values(self, network: nn.Module, **others: Tensor) -> dict[str, Tensor]:
        """What the network holds now, by placeholder; floating values in double precision, on the CPU.

        Args:
            network: Of the shape of the one that was captured.
            others: Tensors by name that it doesn't hold.
        """
        own = {
            place: in_double((others[name] if name in others else tensor_at(network, name)).detach())
            for place, name in self.names.items()
        }
        return {**own, **self.made}


def capture(network: nn.Module, example: Example) -> Captured:
    """Follows one forward pass of a network in eval mode, for batches of any size.

    Args:
        network: Gives logits `[B, N]`, alone, first of a tuple, or as the field `logits`; it is copied, not changed.
        example: Inputs as the network takes them.

    Raises:
        UserError: The network doesn't take the example, or does what can't be followed.
    """
    copy = deepcopy(network).double().eval().cpu()
    inputs = double_example(example)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        try:
            logits = logits_of(call(copy, inputs))
        except Exception as error:
            raise UserError(
                f"example: the network does not take it ({_reason(error)}), pass inputs as it is called."
            ) from error
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != batch_of(inputs):
            raise UserError("network: its output is no tensor of logits [B, N], wrap it so that it gives these alone.")
        open_axes: dict[int, Any] = {0: torch.export.Dim("batch", min=1)}
        reader = reader_of(copy)
        if reader is not None:
            open_axes[1] = torch.export.Dim("length", min=2, max=reader.longest)
        shapes = torch.utils._pytree.tree_map(lambda _: open_axes, inputs)
        try:
            program = torch.export.export(_Answer(copy), (inputs,), dynamic_shapes=(shapes,), strict=False)
            if _needs_decomposition(program.graph):
                program = program.run_decompositions({})
        except Exception as error:
            if "Constraints violated" in str(error) and reader is not None:
                raise UserError(
                    "network: its forward is fixed to a number of texts or of tokens, take both from x.shape, or give "
                    f"the network an attribute `longest` below {reader.longest}."
                ) from error
            if "Constraints violated" in str(error):
                raise UserError(
                    f"network: its forward is fixed to batches of {batch_of(inputs)}, take their size from x.shape[0], "
                    "and not from len(x) or a number."
                ) from error
            raise UserError(
                f"network: torch.export cannot follow its forward ({_reason(error)}); what it does may not depend "
                "on the values of the images."
            ) from error
    names = [name for name, _ in copy.named_parameters(remove_duplicate=False)]
    once = {name for name, _ in copy.named_parameters()}
    twice = {id(copy.get_parameter(name)) for name in names if name not in once}
    shared = {name for name in names if id(copy.get_parameter(name)) in twice}
    return _plain(program, tuple(inputs) if isinstance(inputs, dict) else (), shared)


def double_example(example: Example) -> Example:
    """The example on the CPU in double precision, two samples at least: a batch of one is a special case to torch."""
    return map_example(lambda x: in_double(x.detach() if len(x) > 1 else torch.cat([x.detach()] * 2)), example)


def in_double(value: Tensor) -> Tensor:
    return value.to("cpu", torch.float64) if value.is_floating_point() else value.cpu()


class _Answer(nn.Module):
    """A network that takes its example as one argument and gives its logits alone."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, example: Example) -> Any:
        return logits_of(call(self.network, example))


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".:")


def _mutates(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def _needs_decomposition(graph: fx.Graph) -> bool:
    """Whether something is written to a view, or a region has its own gradient mode: torch makes these functional."""
    fixed = _fixed(graph)
    for node in graph.nodes:
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            return True
        if _mutates(node) and node not in fixed and operation(arguments(node)[0]) in _VIEWS:
            return True
    return False


def _fixed(graph: fx.Graph) -> set[fx.Node]:
    fixed: set[fx.Node] = set()
    for node in graph.nodes:
        sources = node.all_input_nodes
        made = operation(node) in _MADE_LIKE and len(sources) == 1
        traced = node.op == "placeholder" and node.name.startswith("c_")
        if traced or (node.op == "call_function" and (made or all(source in fixed for source in sources))):
            fixed.add(node)
    return fixed


def _plain(program: torch.export.ExportedProgram, arguments: tuple[str, ...], shared: set[str]) -> Captured:
    module = deepcopy(program.graph_module)
    graph = module.graph
    for node in graph.nodes:
        if isinstance(node.target, torch._ops.HigherOrderOperator):
            raise UserError(
                f"network: its forward branches or loops by {node.target}, which can't be cut; what it does may not "
                "depend on the values of the images."
            )
    fixed = _fixed(graph)
    for node in list(graph.nodes):
        if operation(node) in _WITHOUT_EFFECT:
            graph.erase_node(node)
        elif node.op == "call_function" and node not in fixed:
            _without_writing(graph, node)
            _without_lists(graph, node)
            _without_views(node)
    graph.eliminate_dead_code()
    signature = program.graph_signature
    named = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    inputs = tuple(str(name) for name in signature.user_inputs)
    for node in list(graph.nodes):
        if node.op == "placeholder" and not node.users and node.name not in inputs:
            graph.erase_node(node)  # of a layer without effect, as a mask generator beside a constant mask
    read = {node.name for node in graph.nodes}
    names = {place: name.removeprefix(PREFIX) for place, name in named.items() if place in read}
    sizes = _open_sizes(next(node for node in graph.nodes if node.name == inputs[0]))
    lifted = signature.inputs_to_lifted_tensor_constants
    made = {place: program.constants[name] for place, name in lifted.items() if place in read}
    return Captured(
        graph,
        names,
        inputs=inputs,
        arguments=arguments,
        shapes={node.name: _shape(node, sizes) for node in graph.nodes if isinstance(node.meta.get("val"), Tensor)},
        made=made,
        trainable=frozenset(place for place in signature.inputs_to_parameters if place in read),
        shared=frozenset(place for place, name in names.items() if name in shared),
        fixed=frozenset(node for node in graph.nodes if node in fixed),
    )


def _without_writing(graph: fx.Graph, node: fx.Node) -> None:
    """An operation in place becomes its plain form; later uses of what it wrote to see the result."""
    if not _mutates(node):
        return
    base = operation(node)
    plain = getattr(getattr(aten, base.removesuffix("_"), None), function(node)._overloadname, None)
    if not base.endswith("_") or plain is None:
        raise UserError(f"network: its forward writes by {base}, which can't be followed, give a new tensor instead.")
    place = {each: number for number, each in enumerate(graph.nodes)}
    written = arguments(node)[0]
    assert isinstance(written, fx.Node)
    node.target = plain
    written.replace_all_uses_with(node, delete_user_cb=lambda user: place[user] > place[node])


def _without_views(node: fx.Node) -> None:
    """Strides are no matter here; what copies the whole of something is that itself."""
    if node.target in (aten.view.default, aten._unsafe_view.default):
        node.target = aten.reshape.default
    source = arguments(node)[0] if arguments(node) else None
    if node.target == aten.slice.Tensor and isinstance(source, fx.Node):
        given = arguments(node)[1:]
        defaults: list[Any] = [0, None, None, 1]
        axis, start, end, step = [*given, *defaults[len(given) :]]
        size = source.meta["val"].shape[axis]
        unbounded = end is None or (isinstance(end, int) and (end >= 2**62 or (isinstance(size, int) and end >= size)))
        if start in (0, None) and unbounded and step == 1:
            node.replace_all_uses_with(source)
    elif node.target == aten.slice_scatter.default:
        target, source, *_ = arguments(node)
        if (
            target.meta["val"].shape == source.meta["val"].shape
            and target.meta["val"].dtype == source.meta["val"].dtype
        ):
            node.replace_all_uses_with(source)
    elif node.target == aten.copy.default:
        target, source = arguments(node)[:2]
        if (
            target.meta["val"].shape == source.meta["val"].shape
            and target.meta["val"].dtype == source.meta["val"].dtype
        ):
            node.replace_all_uses_with(source)


def _without_lists(graph: fx.Graph, node: fx.Node) -> None:
    """The parts that a split gives become slices of what was split."""
    if operation(node) not in ("chunk", "split", "split_with_sizes", "unbind", "tensor_split"):
        return
    source = arguments(node)[0]
    assert isinstance(source, fx.Node)
    place = 1 if operation(node) == "unbind" else 2
    dim: Any = arguments(node)[place] if len(arguments(node)) > place else node.kwargs.get("dim", 0)
    axis = int(dim) % source.meta["val"].dim()
    parts = node.meta["val"]
    if isinstance(source.meta["val"].shape[axis], torch.SymInt):
        return
    uses = [user for user in node.users if user.target is operator.getitem]
    if len(uses) < len(node.users):
        return
    starts = list(_starts(parts, axis, unbound=operation(node) == "unbind"))
    for user in uses:
        number = int(arguments(user)[1])
        with graph.inserting_before(user):
            if operation(node) == "unbind":
                part = graph.call_function(aten.select.int, (source, axis, number % len(parts)))
            else:
                start = starts[number]
                part = graph.call_function(aten.slice.Tensor, (source, axis, start, start + parts[number].shape[axis]))
        part.meta = dict(user.meta)
        user.replace_all_uses_with(part)


def _open_sizes(first: fx.Node) -> list[Any]:
    """The symbols of the number of samples and, where it is open, of how long texts are."""
    return [size.node.expr for size in first.meta["val"].shape if isinstance(size, torch.SymInt)]


def _shape(node: fx.Node, sizes: Sequence[Any]) -> tuple[int | None, ...]:
    return tuple(_size(size, sizes) for size in node.meta["val"].shape)


def _size(size: Any, sizes: Sequence[Any]) -> int | None:
    if not isinstance(size, torch.SymInt):
        return int(size)
    on = size.node.expr.free_symbols
    if len(sizes) < 2 or on == sizes[0].free_symbols:
        return None
    return LENGTH if size.node.expr == sizes[1] else OTHER


def _starts(parts: Sequence[Tensor], axis: int, *, unbound: bool) -> Iterator[int]:
    start = 0
    for part in parts:
        yield start
        start += 1 if unbound else part.shape[axis]
