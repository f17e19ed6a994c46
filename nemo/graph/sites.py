"""Which layers of a network can be masked: found on its graph, for any network."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor, fx, nn
from torch.nn import functional

from nemo.errors import UserError
from nemo.example import Example
from nemo.graph.capture import Captured, capture
from nemo.graph.nodes import LAYERS, arguments, module_of, operation
from nemo.patterns import chosen

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    **{name: getattr(functional, name) for name in ("relu", "relu6", "gelu", "silu", "hardswish", "elu", "mish")},
    "hardtanh": functional.relu6,  # as torch writes relu6 down
}
"""Activations that tell how much of a unit is passed on."""

_GLOBAL_POOLS = frozenset(f"adaptive_{kind}_pool{dims}d" for kind in ("avg", "max") for dims in (1, 2, 3))


@dataclass(frozen=True)
class SiteInfo:
    """A layer that can be masked.

    Attributes:
        layer: Its name.
        norm: The BatchNorm that alone reads it, behind which the mask is applied; None: behind the layer.
        kernels: Number of its outputs, K_l.
        features: Number of its inputs, from whose mean over the positions the mask is computed.
        activation: The activation that alone reads its masked output, such as `relu`; None where there is none.
    """

    layer: str
    norm: str | None
    kernels: int
    features: int
    activation: str | None = None


@dataclass(frozen=True)
class FoundSites:
    """What can be masked, in the order in which it computes, and why the other layers can't: layer -> reason."""

    sites: tuple[SiteInfo, ...]
    refused: Mapping[str, str]


def find_sites(net: nn.Module, example: Example, *, sites: Sequence[str] = ()) -> FoundSites:
    """Finds the layers of a network that can be masked.

    A site is a convolution or linear layer that is called once, by its module, with another one or an embedding before
    it and another one behind it, and that sees more than one position of every sample.

    Args:
        net: Any network that `torch.export` can follow; not changed.
        example: Inputs as it takes them, the first axis of each the batch.
        sites: Patterns of names as `stage*.conv*`, of which one has to fit; one with `!` before it leaves out. Empty
            for all.

    Raises:
        UserError: The network can't be followed, or a pattern fits no layer.
    """
    return sites_of(net, capture(net, example), sites)


def needed_sites(net: nn.Module, example: Example | None, sites: Sequence[str]) -> tuple[SiteInfo, ...]:
    """The sites of `find_sites`, at least one.

    Raises:
        UserError: There is none, or no example; or see `find_sites`.
    """
    if example is None:
        raise UserError(
            "example: a network of another kind than ours is followed on an example, pass inputs as it takes them."
        )
    return one_at_least(find_sites(net, example, sites=sites))


def one_at_least(found: FoundSites) -> tuple[SiteInfo, ...]:
    """The sites that were found.

    Raises:
        UserError: There is none; with the reasons of the first layers.
    """
    if not found.sites:
        why = "; ".join(f"{layer} {reason}" for layer, reason in list(found.refused.items())[:3]) or "it has none"
        raise UserError(f"network: no layer of it can be masked ({why}), see nemo.find_sites.")
    return found.sites


def sites_of(net: nn.Module, captured: Captured, patterns: Sequence[str] = ()) -> FoundSites:
    """`find_sites` on a network that has been captured."""
    layers = [node for node in captured.graph.nodes if operation(node) in LAYERS and node.op == "call_function"]
    before, behind, pooled = _surroundings(captured.graph, layers)
    batch = captured.input_batch
    modules = dict(net.named_modules())
    found: dict[str, SiteInfo] = {}
    refused: dict[str, str] = {}
    seen: set[str] = set()
    for node in layers:
        weight = arguments(node)[1]
        assert isinstance(weight, fx.Node)
        name = captured.layer(weight)
        module = modules.get(name) if name else None
        if weight.name in captured.shared:
            refused[module_of(node) or name] = "shares its weight with another layer"
            continue
        label = name or module_of(node) or node.name
        reason = _refusal(node, module, name, batch, before=before[node], behind=behind[node], pooled=pooled)
        if name in seen:
            found.pop(name, None)
            reason = "is used more than once"
        seen.add(name)
        if reason is None and isinstance(module, (nn.Linear, *CONVOLUTIONS)):
            found[name] = _describe(node, name, module)
        else:
            refused[label] = reason or "is no Conv or Linear layer"
    chosen_names = chosen(list(found), patterns, "sites", "the layers that can be masked")
    refused.update({name: "is left out by `sites`" for name in found if name not in chosen_names})
    return FoundSites(tuple(found[name] for name in found if name in chosen_names), refused)


def _surroundings(
    graph: fx.Graph, layers: list[fx.Node]
) -> tuple[dict[fx.Node, bool], dict[fx.Node, bool], dict[fx.Node, bool]]:
    """By node: is a layer or an embedding before it, a layer behind it, and has it one value a channel?"""
    own = set(layers)
    before: dict[fx.Node, bool] = {}
    behind: dict[fx.Node, bool] = {}
    pooled: dict[fx.Node, bool] = {}
    for node in graph.nodes:
        sources = node.all_input_nodes
        before[node] = any(before[each] or each in own or operation(each) == "embedding" for each in sources)
        data = [each for each in sources if before[each] or each in own or pooled[each]]
        pooled[node] = _pools(node) or (bool(data) and all(pooled[each] for each in data))
    for node in reversed(graph.nodes):
        behind[node] = any(behind[user] or user in own for user in node.users)
    return before, behind, pooled


def _pools(node: fx.Node) -> bool:
    """Whether a node leaves one value of every channel."""
    if operation(node) in _GLOBAL_POOLS and hasattr(node.meta.get("val"), "shape"):
        return all(size == 1 for size in node.meta["val"].shape[2:])
    if (
        operation(node) in ("mean", "amax")
        and len(arguments(node)) > 1
        and isinstance(arguments(node)[1], list | tuple)
    ):
        dims = arguments(node)[0].meta["val"].dim()
        axes = {int(axis) % dims for axis in arguments(node)[1]}
        return dims > 2 and axes in (set(range(2, dims)), set(range(1, dims - 1)))
    return False


def _refusal(
    node: fx.Node,
    module: nn.Module | None,
    name: str,
    batch: object,
    *,
    before: bool,
    behind: bool,
    pooled: Mapping[fx.Node, bool],
) -> str | None:
    """Why a layer can't be masked; None if it can."""
    source = arguments(node)[0]
    assert isinstance(source, fx.Node)
    shape = source.meta["val"].shape
    if module is None or module_of(node) != name or not isinstance(module, (nn.Linear, *CONVOLUTIONS)):
        return "is not called as a module of its own"
    if not before:
        return "reads the input"
    if not behind:
        return "gives the logits"
    if getattr(module, "groups", 1) > 1:
        return "is grouped: it follows what feeds it"
    if str(shape[0]) != str(batch):
        return "the leading axis of its input is not the batch"
    if len(shape) < 3:
        return "sees one vector a sample"
    return "sees one value a channel" if pooled[source] else None


def _describe(node: fx.Node, name: str, module: nn.Module) -> SiteInfo:
    norm = None
    users = list(node.users)
    if len(users) == 1 and operation(users[0]) == "batch_norm" and users[0].args[0] is node:
        norm = module_of(users[0]) or None
        users = list(users[0].users)
    follows = operation(users[0]) if len(users) == 1 else ""
    if follows == "hardtanh" and [float(bound) for bound in arguments(users[0])[1:3]] != [0.0, 6.0]:
        follows = ""
    activation = follows if follows in ACTIVATIONS else None
    if isinstance(module, nn.Linear):
        return SiteInfo(name, None, module.out_features, module.in_features, activation)
    assert isinstance(module, CONVOLUTIONS)
    return SiteInfo(name, norm, module.out_channels, module.in_channels, activation)
