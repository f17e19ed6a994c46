"""The interface of the storage that studies lie in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, NamedTuple, Self


class Stamp(NamedTuple):
    """Identifies a version of a file without reading it: files are replaced, never modified in place.

    Attributes:
        size: In bytes.
        version: Changes whenever the content does: the modification time in ns, or a number made of the ETag.
    """

    size: int
    version: int


class Seen(NamedTuple):
    """A file as it was read, for `swap` and `withdraw`, which do nothing if it has changed since.

    Attributes:
        data: Its content.
        tag: The store's identifier of this version; empty where the content itself is compared.
    """

    data: bytes
    tag: tuple[tuple[str, str | None], ...] = ()


class Store(ABC):
    """Where a study lies, or all studies beside each other: files under names such as `ledger/train/1f.json`.

    What everything above relies on, on a disk as on an object store (`tests/orchestrator/storage/test_store.py` has a
    test for each line):

    * A file exists whole or not at all; a reader sees the old content until the new one is written completely.
    * A write that has returned survives a crash, and every later reader sees it, in listings too.
    * Of two processes that `create` the same file, one succeeds; so it is with two that `swap` the same version. On a
      disk without file locks only the former holds: two that `swap` at once may both succeed, and the later one wins.
    * Names that start with a dot are the store's own, and in no listing.
    * A failed write, and a disk or an object store that does not answer, raise `Unwritable`, one sentence with the
      place and the remedy: it is no step's fault, and stops the study. What may not be read raises `UserError`.

    A store is a value: it may be compared, and pickled to workers on other nodes.
    """

    remote: ClassVar[bool]
    """Whether it is a bucket: each call is a request, so many small files are better read at once; a stamp's version
    proves its content; and what has to be a file, such as Ray's own and MLflow's, lies elsewhere, in `local`."""

    # places

    @property
    @abstractmethod
    def name(self) -> str:
        """The last part of where it lies: the study's name."""

    @property
    @abstractmethod
    def parent(self) -> Self:
        """The store around this one."""

    @property
    @abstractmethod
    def local(self) -> Path:
        """The folder on this machine for files that belong to the machine and not to the study."""

    @abstractmethod
    def __truediv__(self, name: str) -> Self:
        """The store below."""

    @abstractmethod
    def __str__(self) -> str:
        """Where it lies, as a person gives it to `--storage`."""

    def check(self) -> None:  # noqa: B027
        """Checks the address and the credentials with one request.

        Raises:
            Unwritable: The store does not exist, cannot be reached, or may not be read; one sentence.
        """

    def prove(self) -> None:  # noqa: B027
        """Tests whether `create` and `swap` work here: an object store's server may ignore their conditions.

        Raises:
            Unwritable: They do not.
        """

    def where(self, name: str) -> str:
        """Where a file lies, for messages."""
        return f"{self}/{name}"

    # whole files

    @abstractmethod
    def read(self, name: str) -> bytes | None:
        """The content of a file; None where there is none."""

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """The contents of those files that exist, by name."""
        contents = ((name, self.read(name)) for name in names)
        return {name: data for name, data in contents if data is not None}

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Makes or replaces a file."""

    @abstractmethod
    def create(self, name: str, data: bytes) -> bool:
        """Makes a file; an existing one is left as it is, and False is returned."""

    @abstractmethod
    def look(self, name: str) -> Seen | None:
        """A file as it is now; None where there is none."""

    @abstractmethod
    def swap(self, name: str, data: bytes, seen: Seen | None) -> bool:
        """Replaces a file that has not changed since it was `seen`, or makes it if none was; else returns False."""

    @abstractmethod
    def withdraw(self, name: str, seen: Seen) -> None:
        """Deletes a file that has not changed since it was `seen`; an object store, which can't, leaves it empty."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Deletes a file, if it exists."""

    @abstractmethod
    def set_aside(self, name: str, folder: str) -> str:
        """Moves a damaged file into a folder, under a name that says what it was and when it was found.

        Returns:
            Where it lies now, for messages. Another reader may have been faster.
        """

    # large files

    @abstractmethod
    def writing(self, name: str) -> AbstractContextManager[Path]:
        """Yields the path of a local file to write; when the block ends well, it becomes the file of this name."""

    @abstractmethod
    def fetching(self, name: str) -> AbstractContextManager[Path | None]:
        """Yields the path of a local file with this content while the block runs; None where there is none."""

    # lines

    @abstractmethod
    def append(self, name: str, line: bytes) -> None:
        """Appends a line to those of this name; a crash may leave a part of one."""

    @abstractmethod
    def lines(self, name: str) -> list[bytes]:
        """The lines that were appended, in their order; `delete_all` deletes them."""

    # folders

    @abstractmethod
    def list(self, folder: str) -> dict[str, Stamp]:
        """The files in a folder and its subfolders: their paths relative to it, and their stamps."""

    @abstractmethod
    def below(self, folder: str = "") -> set[str]:
        """The names of the files and folders directly in a folder."""

    @abstractmethod
    def make_folder(self, folder: str) -> None:
        """Makes a folder, if it does not exist: files need none, but its absence can mean that they are obsolete."""

    @abstractmethod
    def has_folder(self, folder: str) -> bool:
        """Whether a folder was made and has not been deleted since."""

    @abstractmethod
    def delete_all(self, folder: str) -> None:
        """Deletes a folder with everything in it; what cannot be deleted is left."""
