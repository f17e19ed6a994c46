"""A folder: studies on a disk, this machine's or one that several machines share."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from nemo.errors import UserError
from orchestrator.storage.files import Taken, atomic_path, readable, set_aside, unwritable, write_bytes
from orchestrator.storage.store import Seen, Stamp, Store


@dataclass(frozen=True)
class Folder(Store):
    """A store in a folder; it is made when something is first written.

    Attributes:
        root: The folder, absolute where other processes are to find it.
    """

    root: Path
    remote: ClassVar[bool] = False

    @property
    def name(self) -> str:
        """See `Store`."""
        return self.root.name

    @property
    def parent(self) -> Self:
        """See `Store`."""
        return type(self)(self.root.parent)

    @property
    def local(self) -> Path:
        """The folder itself."""
        return self.root

    def __truediv__(self, name: str) -> Self:
        return type(self)(self.root / name)

    def __str__(self) -> str:
        return str(self.root)

    def read(self, name: str) -> bytes | None:
        """See `Store`."""
        path = self._path(name)
        with readable(path), suppress(FileNotFoundError, NotADirectoryError):
            return path.read_bytes()
        return None

    def write(self, name: str, data: bytes) -> None:
        """See `Store`; flushed to the disk before it has its name."""
        write_bytes(self._path(name), data)

    def create(self, name: str, data: bytes) -> bool:
        """See `Store`; flushed to the disk before it has its name."""
        path = self._path(name)
        with readable(path):
            if path.exists():
                return False
        try:
            with atomic_path(path, replace=False) as temporary:
                temporary.write_bytes(data)
        except Taken:
            return False
        return True

    def look(self, name: str) -> Seen | None:
        """See `Store`."""
        data = self.read(name)
        return None if data is None else Seen(data)

    def swap(self, name: str, data: bytes, seen: Seen | None) -> bool:
        """See `Store`; compares and writes under a lock that the processes of this host share."""
        with self._guard():
            if self.look(name) != seen:
                return False
            self.write(name, data)
            return True

    def withdraw(self, name: str, seen: Seen) -> None:
        """See `Store`."""
        with self._guard():
            if self.look(name) == seen:
                self.delete(name)

    def delete(self, name: str) -> None:
        """See `Store`."""
        path = self._path(name)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(path.parent, error) from error

    def set_aside(self, name: str, folder: str) -> str:
        """See `Store`."""
        return str(set_aside(self._path(name), self._path(folder)))

    def writing(self, name: str) -> AbstractContextManager[Path]:
        """See `Store`."""
        return atomic_path(self._path(name))

    @contextmanager
    def fetching(self, name: str) -> Iterator[Path | None]:
        """Yields the path of the file itself."""
        path = self._path(name)
        with readable(path):
            there = path.is_file()
        yield path if there else None

    def append(self, name: str, line: bytes) -> None:
        """See `Store`; flushed to the disk before this returns."""
        path = self._path(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with open(path, "ab") as file:
                # The line break comes first, so that half a line before it spoils nothing.
                file.write(b"\n" + line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise unwritable(path.parent, error) from error

    def lines(self, name: str) -> list[bytes]:
        """See `Store`."""
        return [line for line in (self.read(name) or b"").split(b"\n") if line]

    def list(self, folder: str) -> dict[str, Stamp]:
        """See `Store`; one pass over each folder."""
        files: dict[str, Stamp] = {}
        pending = [""]
        while pending:
            below = pending.pop()
            path = f"{self.root}/{folder}/{below}"
            with readable(path), suppress(FileNotFoundError, NotADirectoryError), os.scandir(path) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        pending.append(f"{below}{entry.name}/")
                        continue
                    with suppress(FileNotFoundError):  # it has just been deleted
                        status = entry.stat()
                        files[below + entry.name] = Stamp(status.st_size, status.st_mtime_ns)
        return files

    def below(self, folder: str = "") -> set[str]:
        """See `Store`."""
        path = self._path(folder)
        with readable(path), suppress(FileNotFoundError, NotADirectoryError):
            return {name for name in os.listdir(path) if not name.startswith(".")}
        return set()

    def make_folder(self, folder: str) -> None:
        """See `Store`."""
        path = self._path(folder)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from error

    def has_folder(self, folder: str) -> bool:
        """See `Store`."""
        path = self._path(folder)
        with readable(path):
            return path.is_dir()

    def delete_all(self, folder: str) -> None:
        """See `Store`."""
        path = self._path(folder)
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()

    def _path(self, name: str) -> Path:
        return Path(f"{self.root}/{name}")

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """A lock among the processes of this host, to compare a file and change it."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.root, os.O_RDONLY)
        except OSError as error:
            text = f"{self.root}: cannot be written ({error.strerror}), choose another `storage`."
            raise UserError(text) from error
        try:
            with suppress(OSError):  # some network folders cannot; the loser of a tie learns it when it looks again
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)
