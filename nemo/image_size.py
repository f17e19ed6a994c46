"""The size of inputs: of images one number of pixels or height and width, of texts the tokens of the longest."""

from __future__ import annotations

from collections.abc import Sequence

ImageSize = int | Sequence[int]
"""Pixels: one number of a square, or height and width; or the longest text in tokens, as a sequence of one. In
JSON these are lists."""


INTERPOLATIONS = ("nearest", "bilinear", "bicubic", "lanczos")
"""By which images can be resized."""


def is_text(size: ImageSize) -> bool:
    """Whether inputs of this size are texts."""
    return not isinstance(size, int) and len(size) == 1


def height_width(size: ImageSize) -> tuple[int, int]:
    """Height and width in pixels, of images."""
    if isinstance(size, int):
        return size, size
    height, width = size
    return int(height), int(width)


def input_shape(size: ImageSize) -> tuple[int, ...]:
    """The shape of one input: channels, height and width of an image, or the tokens of the longest text."""
    if not isinstance(size, int) and is_text(size):
        return (int(size[0]),)
    return (3, *height_width(size))


def plain_size(size: ImageSize) -> int | tuple[int, ...]:
    """The size as it is written: a square has one way to be written, so that it has one key."""
    if not isinstance(size, int) and is_text(size):
        return (int(size[0]),)
    height, width = height_width(size)
    return height if height == width else (height, width)


def size_text(size: ImageSize) -> str:
    """`32x32`, the height comes first; of texts `64 tokens`."""
    if not isinstance(size, int) and is_text(size):
        return f"{size[0]} tokens"
    return "{}x{}".format(*height_width(size))


def brief_size(size: ImageSize) -> str:
    """`32` of squares, `48x64` of others, `64 tokens` of texts."""
    return str(size) if isinstance(size, int) else size_text(size)
