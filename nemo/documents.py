"""Files that a person wrote: a study, a configuration."""

from __future__ import annotations

import errno
from pathlib import Path

LARGEST = 1_000_000
"""Bytes; what a person writes is a few pages."""


def read_document(path: Path) -> str:
    """The text of a file.

    Raises:
        OSError: It cannot be read, is a pipe or a device, which might never end, or is larger than `LARGEST`.
        UnicodeDecodeError: It is no text in UTF-8.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "Not a regular file")
    with path.open("rb") as file:
        content = file.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"Larger than {LARGEST // 1000} kB")
    return content.decode()
