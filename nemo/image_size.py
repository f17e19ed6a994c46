"""The size of images: one number of pixels for square ones, height and width for others."""

from __future__ import annotations

from collections.abc import Sequence

ImageSize = int | Sequence[int]
"""Pixels: one number of a square, or height and width. In JSON the latter is a list."""


def height_width(size: ImageSize) -> tuple[int, int]:
    """Height and width in pixels."""
    if isinstance(size, int):
        return size, size
    height, width = size
    return int(height), int(width)


def plain_size(size: ImageSize) -> int | tuple[int, int]:
    """The size as it is written: a square has one way to be written, so that it has one key."""
    height, width = height_width(size)
    return height if height == width else (height, width)


def size_text(size: ImageSize) -> str:
    """`32x32`; the height comes first."""
    return "{}x{}".format(*height_width(size))


def brief_size(size: ImageSize) -> str:
    """`32` of squares, `48x64` of others."""
    return str(size) if isinstance(size, int) else size_text(size)
