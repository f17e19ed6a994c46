"""What a network is called with: one tensor of images or texts, several by place, or several by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nemo.image_size import ImageSize, input_shape
from nemo.tokens import example_texts

Example = Tensor | tuple[Tensor, ...] | dict[str, Tensor]
"""Inputs of a network; the first axis of each is the batch."""


def blank(
    shape: Sequence[int],
    count: int = 2,
    *,
    device: torch.device | str | None = None,
    dtype: torch.dtype | None = None,
) -> Tensor:
    """Inputs that mean nothing: black images, or texts of one token.

    Args:
        shape: Of one: `(3, H, W)`, or `(T,)`.
        count: How many.
        device: Where.
        dtype: Of images; tokens are int64.
    """
    return torch.zeros(count, *shape, device=device, dtype=torch.int64 if len(shape) == 1 else dtype)


def noise(size: ImageSize, count: int = 2) -> Tensor:
    """Inputs that mean nothing but differ: images in 0..1 by torch's random state, or the same texts every time."""
    shape = input_shape(size)
    return example_texts(shape[0], count) if len(shape) == 1 else torch.rand(count, *shape)


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
