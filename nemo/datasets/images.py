"""Image files and arrays to RGB of one size, with Pillow."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, PngImagePlugin

from nemo.datasets.fit import Fit
from nemo.errors import UserError
from nemo.image_size import ImageSize, height_width

MAX_PIXELS = 64_000_000
"""An image with more pixels is refused: a small file can unpack to gigabytes."""

_FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF")
_TELLS_ORIENTATION = (
    b"Exif\0\0",
    b"eXIf",
    b"EXIF",
    b"Raw profile type exif",
    b"tiff:Orientation",
    b"XML:com.adobe.xmp",
)
_TIFF = (b"II*\0", b"MM\0*")  # which have the orientation among their own tags
_ORIENTATION, _UPRIGHT = 0x0112, 1  # of EXIF
_LYING = range(5, 9)  # by a quarter turn
_SMALL = 64 * 64  # up to here Pillow spends its time under the interpreter's lock, and threads are in each other's way

PngImagePlugin.MAX_TEXT_CHUNK = max(PngImagePlugin.MAX_TEXT_CHUNK, 1 << 24)
# Pillow refuses a sound image for a comment or a colour profile of more than a megabyte, which other programs write;
# all of an image's together have a limit of 64 MB besides.

GIT_LFS = b"version https://git-lfs"
"""What a file begins with that Git LFS has left in a file's place: a clone without `git lfs` has nothing else."""

NOT_FETCHED = "is a pointer of Git LFS and not the file itself; git lfs pull fetches it."

Encoded = bytes | Callable[[], bytes]
"""An image file's bytes, or what reads them."""


def _open(content: Encoded, where: str) -> Image.Image:
    data = b""
    try:
        data = content if isinstance(content, bytes) else content()
        image = Image.open(io.BytesIO(data), formats=_FORMATS)
    except Image.DecompressionBombError as error:  # Pillow's own limit is higher
        raise _too_large(where) from error
    except Exception as error:
        if data.startswith(GIT_LFS):
            raise UserError(f"{where} {NOT_FETCHED}") from error
        raise UserError(
            f"{where} is not a readable PNG, JPEG, WebP, BMP, TIFF or GIF image; replace it or leave it out."
        ) from error
    if image.width * image.height > MAX_PIXELS:
        raise _too_large(where)
    return image


def _too_large(where: str) -> UserError:
    return UserError(f"{where} has more pixels than the {MAX_PIXELS:,} that an image may have; make it smaller.")


def shorter_side(content: Encoded, where: str) -> int:
    """The shorter side of an image in pixels, from its header.

    Raises:
        UserError: It is no image of a format that is read, or too large.
    """
    return min(_open(content, where).size)


def decode(content: Encoded, size: ImageSize | Fit, where: str) -> NDArray[np.uint8]:
    """One image as `[3, H, W]`: RGB, upright, resized, as it is kept for training, see `Fit.kept`.

    Of 16 bits the upper 8 are kept. Palettes, grey, black and white and CMYK become RGB as Pillow converts them.
    Transparency is dropped, as torchvision's loaders do: a pixel has the colour that is stored with it. Of several
    frames or pages the first is taken. EXIF's orientation is applied.

    Args:
        content: The image.
        size: Height and width in pixels, to which it is stretched bilinearly, or how it is fitted to them.
        where: What the image is called in a message.

    Raises:
        UserError: The image cannot be read.
    """
    fit, image = _fit(size), _open(content, where)
    height, width = fit.drafted
    try:
        if height != width and _orientation(image) in _LYING:
            height, width = width, height
        image.draft(None, (width, height))  # unpacks a large JPEG at a fraction of its size, some 5 times faster
        image.load()
        orientation, mode = _orientation(image), image.mode
        if mode.startswith("I;16"):  # convert() would clip 16 bits at 255
            image = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
        array = np.asarray(fit.kept(_turned(image.convert("RGB"), orientation)))
    except Exception as error:  # Pillow raises a dozen types on damaged files: each means the same here
        raise UserError(f"{where} is a damaged image ({error}); replace it or leave it out.") from error
    if mode in ("I", "F"):
        raise UserError(f"{where} has 32-bit values, of which nobody knows the range; save it with 8 or 16 bits.")
    return array.transpose(2, 0, 1)


def is_turned(content: bytes) -> bool:
    """Whether an image file says that it is to be turned or mirrored; quick for those that say nothing."""
    if content[:4] not in _TIFF and not any(mark in content for mark in _TELLS_ORIENTATION):
        return False
    try:
        return _orientation(_open(content, "image")) != _UPRIGHT
    except Exception:  # reading it will tell
        return False


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation, 1 to 8; 1 where there is none that can be read, as all viewers do."""
    try:
        orientation = image.getexif().get(_ORIENTATION, _UPRIGHT)
    except Exception:  # damaged metadata of a sound image
        return _UPRIGHT
    return orientation if orientation in range(1, 9) else _UPRIGHT


def _turned(image: Image.Image, orientation: int) -> Image.Image:
    if orientation == _UPRIGHT:
        return image
    image.info.clear()  # the rest of the metadata may be damaged
    exif = image.getexif()
    exif.clear()
    exif[_ORIENTATION] = orientation
    return ImageOps.exif_transpose(image)


def _fit(size: ImageSize | Fit) -> Fit:
    return size if isinstance(size, Fit) else Fit(*height_width(size))


def decode_all(contents: Sequence[Encoded], size: ImageSize | Fit, wheres: Sequence[str]) -> NDArray[np.uint8]:
    """Many images, stretched to `[n, 3, H, W]`, large ones by threads.

    Raises:
        UserError: As `decode`, for the first image that cannot be read.
    """
    fit = _fit(size)
    out = np.empty((len(contents), 3, fit.height, fit.width), dtype=np.uint8)
    first = _open(contents[0], wheres[0])
    threads = 1 if first.width * first.height <= _SMALL else min(8, cpu_count() or 1)

    def fill(index: int) -> None:
        out[index] = decode(contents[index], fit, wheres[index])

    if threads == 1:
        for index in range(len(contents)):
            fill(index)
        return out
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(fill, range(len(contents))))  # the list raises what a thread raised
    return out


def resize_all(images: NDArray[np.uint8], size: ImageSize | Fit) -> NDArray[np.uint8]:
    """Arrays `[n, 3, h, w]` stretched to `[n, 3, H, W]`; the same array where nothing changes."""
    fit = _fit(size)
    if images.shape[2:] == (fit.height, fit.width):
        return images
    out = np.empty((len(images), 3, fit.height, fit.width), dtype=np.uint8)
    for index, image in enumerate(images):
        out[index] = np.asarray(fit.kept(Image.fromarray(image.transpose(1, 2, 0)))).transpose(2, 0, 1)
    return out
