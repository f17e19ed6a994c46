"""Writing files atomically: they exist whole or not at all."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from nemo.errors import UserError
from orchestrator.storage.layout import quarantined

_PROBE = 1 << 20
"""Bytes that are written to find out whether a disk is full."""


class Unwritable(UserError):
    """The study's store cannot be written, is full or does not answer: it is no step's fault, and stops the study."""


class Taken(Exception):
    """A file that should be new exists already."""


def unwritable(folder: Path, reason: OSError) -> Unwritable:
    """The sentence about a folder that could not be written."""
    return Unwritable(
        f"{folder}: cannot be written ({reason.strerror or reason}), make it writable with room to spare, "
        "or set `storage` in the study to another folder."
    )


@contextmanager
def readable(place: Path | str) -> Iterator[None]:
    """Turns an OSError into one sentence about what cannot be read.

    Raises:
        UserError: It may not be read.
        Unwritable: Its disk, or the server of a network folder, does not give it.
    """
    try:
        yield
    except OSError as error:
        kind = UserError if isinstance(error, PermissionError) else Unwritable
        raise kind(f"{place}: cannot be read ({error.strerror or error}), make it readable.") from error


@contextmanager
def atomic_path(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Yields a temporary name beside `path`; when the block ends well, what was written there becomes `path`.

    The file and its folder are flushed to the disk before this returns.

    Args:
        path: The file.
        replace: Whether an existing file may be replaced.

    Raises:
        Unwritable: The folder cannot be written, or is full.
        Taken: The file exists already, and may not be replaced.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
        os.chmod(temporary, 0o644)
        if replace or not _link(temporary, path):
            os.replace(temporary, path)
        flush(path.parent)
    except Taken:
        raise
    except Exception as error:
        reason = error if isinstance(error, OSError) else _write_error(temporary)
        if reason is None:
            raise
        raise unwritable(path.parent, reason) from error
    finally:
        if temporary is not None:
            with suppress(OSError):  # of a disk that is away, which the error above tells already
                temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Writes a file through `atomic_path`."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)


def set_aside(path: Path, folder: Path) -> Path:
    """Moves a damaged file into a folder, under a name that says what it was and when it was found; returns that.

    Raises:
        Unwritable: The folder cannot be written.
    """
    target = folder / quarantined(path, datetime.now(UTC))
    try:
        folder.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):  # another reader was faster
            os.replace(path, target)
    except OSError as error:
        raise Unwritable(f"{folder}: cannot be written ({error.strerror}), make it writable.") from error
    return target


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal.

    Raises:
        UserError: It cannot be read, see `readable`.
    """
    with readable(path), open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_error(path: Path | None) -> OSError | None:
    """Why nothing can be written to a file: torch and safetensors raise other errors than OSError on a full disk."""
    try:
        if path is not None:
            with open(path, "ab") as file:
                file.write(bytes(_PROBE))
    except OSError as error:
        return error
    return None


def _link(temporary: Path, path: Path) -> bool:
    """Gives a file its name unless another one has it; False on a disk without hard links.

    On such a disk the check and the rename are two steps, and of two processes at once the later one wins.

    Raises:
        Taken: Another one has it.
    """
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise Taken(path) from None
    except OSError:
        if path.exists():
            raise Taken(path) from None
        return False
    return True


def flush(path: Path) -> None:
    """Flushes a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
