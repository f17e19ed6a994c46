"""The contract of what studies lie in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import ClassVar, NamedTuple, Self


class Stamp(NamedTuple):
    """What tells, without reading it, whether a file is still the same: files are replaced, never written into.

    Attributes:
        size: In bytes.
        version: Another one whenever the content is: its time in ns, or made of its ETag.
    """

    size: int
    version: int


class Seen(NamedTuple):
    """A file as somebody read it, for `swap` and `withdraw`, which do nothing where it has changed since.

    Attributes:
        data: Its content.
        tag: What the store calls this version of it; empty where the content itself is compared.
    """

    data: bytes
    tag: tuple[tuple[str, str | None], ...] = ()


class Store(ABC):
    """Where a study lies, or all studies beside each other: files under names such as `ledger/train/1f.json`.

    What everything above relies on, on a disk as on an object store (`tests/orchestrator/storage/test_store.py` has a
    test for each line):

    * A file is there whole or not at all; whoever reads while it is written sees it as it was before.
    * What a write returned from is there after a crash, and everybody who asks from then on sees it, in listings too.
    * Of two that `create` a file one does, and of two that `swap` what both have seen one does. A disk without file
      locks keeps only the first half of that: the two may tie, and the later one wins.
    * Names that start with a dot are the store's own, and in no listing.
    * What cannot be written, and an object store that does not answer, is an `Unwritable`, one sentence with the place
      and the remedy: no step's fault, and no step goes on without it. What cannot be read is a `UserError`.

    A store is a value: it may be compared, and pickled to workers on other nodes.
    """

    remote: ClassVar[bool]
    """Whether each call is a request over a network, so that many small files are better read at once."""

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
        """The folder on this machine for what belongs to the machine and not to the study."""

    @abstractmethod
    def __truediv__(self, name: str) -> Self:
        """The store below."""

    @abstractmethod
    def __str__(self) -> str:
        """Where it lies, as a person gives it to `--storage`."""

    def check(self) -> None:  # noqa: B027
        """Tells at once what is wrong with an address or with credentials.

        Raises:
            Unwritable: The store does not exist, cannot be reached, or may not be read; one sentence.
        """

    def prove(self) -> None:  # noqa: B027
        """Tries out whether `create` and `swap` keep their promises here, where a server may ignore conditions.

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
        """The contents of those files that are there, by name."""
        contents = ((name, self.read(name)) for name in names)
        return {name: data for name, data in contents if data is not None}

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Makes or replaces a file."""

    @abstractmethod
    def create(self, name: str, data: bytes) -> bool:
        """Makes a file; where there is one it is left as it is, and the answer is False."""

    @abstractmethod
    def look(self, name: str) -> Seen | None:
        """A file as it is now; None where there is none."""

    @abstractmethod
    def swap(self, name: str, data: bytes, seen: Seen | None) -> bool:
        """Replaces a file that is still as it was seen, or makes it where none was; else the answer is False."""

    @abstractmethod
    def withdraw(self, name: str, seen: Seen) -> None:
        """Takes away a file that is still as it was seen; an object store, which can't, leaves it empty."""

    @abstractmethod
    def delete(self, name: str) -> None:
        """Takes a file away, if it is there."""

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
        """Adds a line to those of this name; of one that a crash interrupts, a part may be left."""

    @abstractmethod
    def lines(self, name: str) -> list[bytes]:
        """The lines that were appended, in their order; `delete_all` forgets them."""

    # folders

    @abstractmethod
    def list(self, folder: str) -> dict[str, Stamp]:
        """The files in a folder and in those below it: their names from there on, and their stamps."""

    @abstractmethod
    def below(self, folder: str = "") -> set[str]:
        """The names of the files and folders in a folder, and not below it."""

    @abstractmethod
    def make_folder(self, folder: str) -> None:
        """Makes a folder, if it is not there: files need none, but its absence may say that nobody wants them."""

    @abstractmethod
    def has_folder(self, folder: str) -> bool:
        """Whether a folder was made and has not been deleted since."""

    @abstractmethod
    def delete_all(self, folder: str) -> None:
        """Takes a folder away with everything in it; what cannot be deleted is left."""
