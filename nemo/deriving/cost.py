"""What a network under masks costs, as a function of its masks that has a gradient (method.md 9.3).

A model for the size term of a search, and no measurement: what is reported is counted on the module that was cut.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, fx

from nemo.deriving.masked import Masked
from nemo.graph.nodes import LAYERS, arguments, groups_of, operation

_PRODUCTS = frozenset(["matmul", "bmm"])
_ATTENTION = "scaled_dot_product_attention"


class Cost:
    """Layer by layer: the cost of a layer times the shares of its inputs and of its outputs that are there.

    Of a product of two values the smaller share is there, of a sum what one of them has or the other, of a
    concatenation the mean; a layer without a site gives all. Norms and activations cost nothing.
    """

    def __init__(self, masked: Masked, measure: str) -> None:
        """Takes the network, and `flops` or `parameters`."""
        self._masked, self._measure = masked, measure
        self._number = {site.info.layer: place for place, site in enumerate(masked.sites)}
        self._whole = float(self._total([torch.ones(()) for _ in masked.widths]))

    def share(self, masks: Sequence[Tensor]) -> Tensor:
        """The share of the network's cost that is left, a scalar.

        Args:
            masks: Per site `[K_l]` of 0 and 1.
        """
        return self._total([mask.mean() for mask in masks]) / self._whole

    def _total(self, shares: Sequence[Tensor]) -> Tensor:
        captured = self._masked.captured
        there: dict[fx.Node, Tensor] = {}  # of what depends on a layer
        total = torch.zeros((), dtype=shares[0].dtype, device=shares[0].device)
        for node in captured.graph.nodes:
            if node.op != "call_function":
                continue
            name = operation(node)
            operands = [each for each in node.all_input_nodes if each in there]
            sources = [there[each] for each in operands]
            if name in LAYERS:
                weight = arguments(node)[1]
                assert isinstance(weight, fx.Node)
                layer = captured.layer(weight)
                inputs = sources[0] if sources else None
                grouped = groups_of(node) > 1
                if layer in self._number:
                    outputs = shares[self._number[layer]]
                else:
                    outputs = inputs if grouped and inputs is not None else torch.ones_like(total)
                cost = self._cost(node, weight.name)
                total = total + cost * outputs * (1 if grouped or inputs is None else inputs)
                there[node] = outputs
            elif sources:
                sizes = [float(math.prod(self._sizes(captured.shapes.get(each.name, ())))) for each in operands]
                there[node] = _passed(name, sources, sizes)
                if self._measure == "flops" and name == _ATTENTION:
                    query, key, value = (captured.shapes[operand.name] for operand in arguments(node)[:3])
                    pairs = math.prod(self._sizes(query)[:-1]) * self._sizes(key)[-2]
                    total = total + pairs * (self._sizes(key)[-1] * sources[0] + self._sizes(value)[-1] * sources[-1])
                elif self._measure == "flops" and name in _PRODUCTS:
                    inner = self._sizes(captured.shapes[arguments(node)[0].name])[-1]
                    total = total + math.prod(self._sizes(captured.shapes[node.name])) * inner * sources[-1]
        return total

    def _sizes(self, shape: Sequence[int | None]) -> list[int]:
        """The sizes of one sample; a text is as long as the one that the network was followed on."""
        return [1 if size is None else self._masked.length if size < 0 else size for size in shape]

    def _cost(self, node: fx.Node, weight: str) -> float:
        shape = self._sizes(self._masked.captured.shapes[weight])
        if self._measure == "parameters":
            return float(math.prod(shape))
        return float(math.prod(self._sizes(self._masked.captured.shapes[node.name])) * math.prod(shape[1:]))


def _passed(name: str, sources: Sequence[Tensor], sizes: Sequence[float]) -> Tensor:
    """The share of what an operation that is no layer gives, by the shares and the sizes of what it is given."""
    if len(sources) == 1:
        return sources[0]
    if name == "cat":
        return torch.stack([share * size for share, size in zip(sources, sizes, strict=True)]).sum() / sum(sizes)
    if name in ("add", "sub"):
        return 1 - torch.stack([1 - source for source in sources]).prod()
    if name in _PRODUCTS or name == _ATTENTION:
        return sources[-1]
    return torch.stack(list(sources)).amin()
