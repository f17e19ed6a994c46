"""What the sets of image files on disk share: finding them, naming them, their default size."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nemo.datasets.images import Encoded, shorter_side
from nemo.datasets.source import Source
from nemo.errors import UserError

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

    def __init__(self, name: str, options: Mapping[str, Any], image_size: int | None, path: str) -> None:
        super().__init__(name, options, image_size)
        self.path = Path(os.path.expanduser(path))
        if not self.path.is_dir():
            raise UserError(f"dataset {name}: there is no folder {self.path}; correct the path.")

    @property
    def label(self) -> str:
        """The folder's own name."""
        return self.path.resolve().name

    def size_of(self, first: Encoded, where: str) -> int:
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


def content_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file.

    Raises:
        UserError: It cannot be read, or is no regular file, which might never end.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path} is a folder, a pipe or a device; leave it out.")
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}); check the file and its permissions.") from error
