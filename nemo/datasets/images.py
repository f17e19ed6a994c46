"""Image files and arrays to RGB of one size, with Pillow."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from nemo.errors import UserError

MAX_PIXELS = 64_000_000
"""An image with more pixels is refused: a small file can unpack to gigabytes."""

_FORMATS = ("PNG", "JPEG")
_SMALL = 64 * 64  # up to here Pillow spends its time under the interpreter's lock, and threads are in each other's way

Encoded = bytes | Callable[[], bytes]
"""An image file's bytes, or what reads them."""


def _open(content: Encoded, where: str) -> Image.Image:
    try:
        image = Image.open(io.BytesIO(content if isinstance(content, bytes) else content()), formats=_FORMATS)
    except Image.DecompressionBombError as error:  # Pillow's own limit is higher
        raise _too_large(where) from error
    except Exception as error:
        raise UserError(f"{where} is not a readable PNG or JPEG image; replace it or leave it out.") from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(where)
    return image


def _too_large(where: str) -> UserError:
    return UserError(f"{where} has more pixels than the {MAX_PIXELS:,} that an image may have; make it smaller.")


def shorter_side(content: Encoded, where: str) -> int:
    """The shorter side of an image in pixels, from its header.

    Raises:
        UserError: It is not a PNG or JPEG image, or too large.
    """
    return min(_open(content, where).size)


def decode(content: Encoded, size: int, where: str) -> NDArray[np.uint8]:
    """One image as `[3, size, size]`: RGB, resized (bilinear) without keeping its proportions.

    16-bit grey is scaled to 8 bits; transparency is dropped, as torchvision's loaders do.

    Args:
        content: The image.
        size: Height and width in pixels.
        where: What the image is called in a message.

    Raises:
        UserError: The image cannot be read.
    """
    image = _open(content, where)
    try:
        image.draft(None, (2 * size, 2 * size))  # unpacks a large JPEG at a fraction of its size, some 5 times faster
        if image.mode.startswith("I"):  # convert() would clip 16 bits at 255
            image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
        array = np.asarray(_resized(image.convert("RGB"), size))
    except Exception as error:  # Pillow raises a dozen types on damaged files: each means the same here
        raise UserError(f"{where} is a damaged image ({error}); replace it or leave it out.") from error
    return array.transpose(2, 0, 1)


def _resized(image: Image.Image, size: int) -> Image.Image:
    return image if image.size == (size, size) else image.resize((size, size), Image.Resampling.BILINEAR)


def decode_all(contents: Sequence[Encoded], size: int, wheres: Sequence[str]) -> NDArray[np.uint8]:
    """Many images as `[n, 3, size, size]`, large ones by threads.

    Raises:
        UserError: As `decode`, for the first image that cannot be read.
    """
    out = np.empty((len(contents), 3, size, size), dtype=np.uint8)
    first = _open(contents[0], wheres[0])
    threads = 1 if first.width * first.height <= _SMALL else min(8, cpu_count() or 1)

    def fill(index: int) -> None:
        out[index] = decode(contents[index], size, wheres[index])

    if threads == 1:
        for index in range(len(contents)):
            fill(index)
        return out
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, range(len(contents))))  # the list raises what a thread raised
    return out


def resize_all(images: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Arrays `[n, 3, H, W]` resized (bilinear) to `[n, 3, size, size]`; the same array where nothing changes."""
    if images.shape[2:] == (size, size):
        return images
    out = np.empty((len(images), 3, size, size), dtype=np.uint8)
    for index, image in enumerate(images):
        out[index] = np.asarray(_resized(Image.fromarray(image.transpose(1, 2, 0)), size)).transpose(2, 0, 1)
    return out
