"""A network computed by its graph, with masks behind its activations.

A site's own hook masks before the activation, where nothing of a masked unit's gradient comes back: a ReLU has none at
0, and a unit that a search took away could not return. Behind it the same function has that gradient (method.md 9.2).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from nemo.graph.capture import Captured
from nemo.graph.cut import in_precision
from nemo.graph.nodes import LAYERS, function, operation
from nemo.graph.sites import SiteInfo

Heard = Callable[[int, Tensor], None]


class Replay:
    """Computes what a network computes in eval mode, operation by operation; nothing learns but the masks."""

    def __init__(self, captured: Captured, network: nn.Module, sites: Sequence[SiteInfo]) -> None:
        """Takes a network, what `capture` gave for it, and its sites; its weights may not change any more."""
        parameter = next(network.parameters())
        self._dtype, self._device = parameter.dtype, parameter.device
        named = {**dict(network.named_parameters(remove_duplicate=False)), **dict(network.named_buffers())}
        own = {place: named[name] for place, name in captured.names.items()}
        made = {place: self._moved(value) for place, value in captured.made.items()}
        self._state = {place: value.detach() for place, value in {**own, **made}.items()}
        self._image = captured.inputs[0]
        self._steps: list[tuple[fx.Node, Any, Any, list[fx.Node]]] = []
        self._behind: dict[fx.Node, tuple[int, bool]] = {}
        numbers = {info.layer: number for number, info in enumerate(sites)}
        last: dict[fx.Node, fx.Node] = {}
        for node in captured.graph.nodes:
            last.update(dict.fromkeys(node.all_input_nodes, node))
            layer = _layer(node, captured)
            if layer in numbers:
                info, place = sites[numbers[layer]], node
                for follows in (info.norm, info.activation):
                    if follows is not None:
                        (place,) = place.users
                self._behind[place] = numbers[layer], operation(node) == "linear"
        for node in captured.graph.nodes:
            done = [each for each in node.all_input_nodes if last[each] is node]
            args, kwargs = fx.node.map_aggregate((node.args, node.kwargs), self._argument)
            self._steps.append((node, args, kwargs, done))

    def __call__(self, images: Tensor, masks: Sequence[Tensor], heard: Heard | None = None) -> Tensor:
        """Maps images `[B, 3, H, W]` to logits `[B, N]` under masks, per site `[K_l]`.

        Args:
            images: Normalised.
            masks: Of 0 and 1.
            heard: Told of every site, by its number, what it puts out under its mask, `[B, ..., K_l]`.
        """
        values: dict[fx.Node, Any] = {}
        for node, args, kwargs, done in self._steps:
            if node.op == "placeholder":
                values[node] = images if node.name == self._image else self._state.get(node.name)
            elif node.op == "output":
                break
            else:
                given, named = fx.node.map_arg((args, kwargs), values.__getitem__)
                value = function(node)(*given, **named)
                if node in self._behind:
                    number, at_end = self._behind[node]
                    mask = masks[number].to(value.dtype)
                    value = value * (mask if at_end else mask.view(-1, *(1,) * (value.dim() - 2)))
                    if heard is not None:
                        heard(number, value if at_end else value.movedim(1, -1))
                values[node] = value
            for each in done:
                del values[each]
        logits: Tensor = values[next(iter(node.all_input_nodes))]
        return logits

    def _moved(self, value: Tensor) -> Tensor:
        return value.to(self._device, self._dtype if value.dtype is torch.float64 else value.dtype)

    def _argument(self, value: Any) -> Any:
        return self._device if isinstance(value, torch.device) else in_precision(value, self._dtype)


def _layer(node: fx.Node, captured: Captured) -> str | None:
    if node.op != "call_function" or operation(node) not in LAYERS or not isinstance(node.args[1], fx.Node):
        return None
    return captured.layer(node.args[1])
