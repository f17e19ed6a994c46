"""What a network is called with: one tensor, several by place, or several by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

Example = Tensor | tuple[Tensor, ...] | dict[str, Tensor]
"""Inputs of a network; the first axis of each is the batch."""


def call(network: nn.Module, example: Example) -> Any:
    """Runs a network on an example."""
    if isinstance(example, Tensor):
        return network(example)
    return network(**example) if isinstance(example, dict) else network(*example)


def logits_of(output: Any) -> Any:
    """The logits in what a network gives: the field of that name, the first of a sequence, or all of it."""
    if hasattr(output, "logits"):
        return output.logits
    return output[0] if isinstance(output, tuple | list) else output


def map_example(change: Callable[[Tensor], Tensor], example: Example) -> Example:
    """The example with every tensor changed."""
    if isinstance(example, Tensor):
        return change(example)
    if isinstance(example, dict):
        return {name: change(value) for name, value in example.items()}
    return tuple(change(value) for value in example)


def batch_of(example: Example) -> int:
    """Number of samples."""
    first = (
        example
        if isinstance(example, Tensor)
        else next(iter(example.values() if isinstance(example, dict) else example))
    )
    return len(first)
