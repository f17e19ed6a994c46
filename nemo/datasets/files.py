"""What the sets of image files on disk share: finding them, naming them, their default size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from nemo.datasets.images import Encoded, shorter_side
from nemo.datasets.source import Source
from nemo.errors import UserError
from nemo.image_size import ImageSize

MAX_DEFAULT_SIZE = 256
"""Without an `image_size`, larger images are refused: photographs at full size would fill the memory."""


class FilesSource(Source):
    """Images in files under one folder.

    Args:
        name, options, image_size: As for every source.
        path: The folder; `~` is expanded.

    Raises:
        UserError: There is no such folder.
    """

    can_stream = True

    def __init__(self, name: str, options: Mapping[str, Any], image_size: ImageSize | None, path: str) -> None:
        super().__init__(name, options, image_size)
        self.path = Path(os.path.expanduser(path))
        if not self.path.is_dir():
            raise UserError(f"dataset {name}: there is no folder {self.path}; correct the path.")

    @property
    def label(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    def noted(self, *notes: str) -> tuple[str, ...]:
        """The notes of a description, without empty ones."""
        return tuple(f"dataset {self.name}: {note}" for note in notes if note)

    def size_of(self, first: Encoded, where: str) -> int | tuple[int, ...]:
        """The size to resize to: `image_size`, or the shorter side of the first training image.

        Raises:
            UserError: The image cannot be read, or is too large to be a default.
        """
        if self.image_size is not None:
            return self.image_size
        size = shorter_side(first, where)
        if size > MAX_DEFAULT_SIZE:
            raise UserError(
                f"dataset {self.name}: its images are {size} pixels in size; set image_size to what they shall "
                "be resized to, 32 or 64 for example."
            )
        return size


def data_folder(root: str | None) -> Path:
    """The folder of data that are downloaded or made: the one that is given, `$NEMO_DATA`, else `~/.cache/nemo`."""
    return Path(os.path.expanduser(root or os.environ.get("NEMO_DATA") or "~/.cache/nemo"))


def content_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file.

    Raises:
        UserError: It cannot be read, or is no regular file, which might never end.
    """
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content(path: Path) -> bytes:
    """The content of a file.

    Raises:
        UserError: See `content_sha256`.
    """
    with _opened(path) as file:
        return file.read()


@contextmanager
def _opened(path: Path) -> Iterator[BufferedReader]:
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is a folder, a pipe or a device; leave it out.")
        with path.open("rb") as file:
            yield file
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the file and its permissions.") from error


def upright(turned: int) -> dict[str, bool]:
    """What a fingerprint has of images that EXIF turns: they were once read lying, and results of then are others."""
    return {"upright": True} if turned else {}


def told_turned(turned: int) -> str:
    """The sentence about images that EXIF turns; empty without any."""
    return f"{turned:,} of its images {'are' if turned > 1 else 'is'} turned as EXIF says." if turned else ""
