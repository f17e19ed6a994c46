"""A bucket of an object store: S3 and what speaks like it, Google's and Azure's."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path, PurePosixPath
from secrets import token_hex
from typing import TYPE_CHECKING, Any, ClassVar, Self

from obstore.exceptions import AlreadyExistsError, PreconditionError

from orchestrator.storage.client import PATIENCE, SHORT_PATIENCE, as_unwritable, client_of, shared_client
from orchestrator.storage.files import Unwritable, atomic_path
from orchestrator.storage.layout import quarantined
from orchestrator.storage.store import Seen, Stamp, Store

if TYPE_CHECKING:
    from obstore import ObjectMeta
    from obstore.store import ObjectStore

_AT_A_TIME = 16
"""So many small files are read at a time."""

_OPEN = ".open"
"""A file that marks a folder as made: object stores have no folders."""

_WRITE = "nemo-write"
"""An attribute of each file that identifies the request that wrote it."""

_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")


def bucket_at(url: str) -> Bucket:
    """The bucket that a URL names.

    Raises:
        UserError: It names none, or has more than its place, such as a password.
    """
    client_of(url, PATIENCE)
    return Bucket(url.rstrip("/"))


@dataclass(frozen=True)
class Bucket(Store):
    """A store in a bucket, below a prefix.

    Credentials, the region and the endpoint come from the environment, on every node: see `docs/storage.md`.

    Attributes:
        url: Such as `s3://bucket/prefix`.
    """

    url: str
    remote: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """See `Store`."""
        return self.url.rpartition("/")[2]

    @property
    def parent(self) -> Self:
        """See `Store`."""
        return type(self)(self.url.rpartition("/")[0])

    @cached_property
    def local(self) -> Path:
        """A folder of its own in the user's state folder, for each bucket, prefix and endpoint."""
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        endpoint = next(filter(None, map(os.environ.get, _ENDPOINTS)), "")
        mark = hashlib.sha256(f"{endpoint} {self.url}".encode()).hexdigest()[:12]
        return Path(state) / "nemo" / f"{self.name}-{mark}"

    def __truediv__(self, name: str) -> Self:
        return type(self)(f"{self.url}/{name}")

    def __str__(self) -> str:
        return self.url

    def __getstate__(self) -> dict[str, Any]:
        return {"url": self.url}  # connections and credentials stay where they are

    def check(self) -> None:
        """See `Store`; asks for one name, and not for long."""
        with as_unwritable(self.url):
            next(iter(client_of(self.url, SHORT_PATIENCE).list(chunk_size=1)), None)

    def prove(self) -> None:
        """See `Store`; with a file of its own."""
        name = f".proof-{token_hex(8)}"
        self.create(name, b"first")
        seen = self.look(name)
        created = self.create(name, b"second")
        self.write(name, b"third")
        swapped = self.swap(name, b"fourth", seen)
        self.delete(name)
        if created or swapped:
            raise Unwritable(
                f"{self.url}: its server takes a put and ignores on what condition (If-None-Match, If-Match), so two "
                "drivers could overwrite each other; renew the server, or set `storage` in the study to another."
            )

    # whole files

    def read(self, name: str) -> bytes | None:
        """See `Store`."""
        seen = self.look(name)
        return None if seen is None else seen.data

    def read_all(self, names: Iterable[str]) -> dict[str, bytes]:
        """See `Store`; several at a time."""
        all_names = list(names)
        if not all_names:
            return {}
        with ThreadPoolExecutor(min(_AT_A_TIME, len(all_names))) as pool:
            contents = zip(all_names, pool.map(self.read, all_names), strict=True)
            return {name: data for name, data in contents if data is not None}

    def write(self, name: str, data: bytes) -> None:
        """See `Store`."""
        with as_unwritable(self.url):
            self._store.put(name, data)

    def create(self, name: str, data: bytes) -> bool:
        """See `Store`: a put with `If-None-Match: *`, or what the store has in its place."""
        return self._put_if(name, data, None)

    def look(self, name: str) -> Seen | None:
        """See `Store`."""
        with as_unwritable(self.url):
            try:
                answer = self._store.get(name)
                return Seen(bytes(answer.bytes()), _tag(answer.meta))
            except FileNotFoundError:
                return None

    def swap(self, name: str, data: bytes, seen: Seen | None) -> bool:
        """See `Store`: a put with `If-Match` on the ETag, or what the store has in its place."""
        return self._put_if(name, data, seen)

    def withdraw(self, name: str, seen: Seen) -> None:
        """See `Store`; it is left empty, because no object store deletes on a condition."""
        self.swap(name, b"", seen)

    def delete(self, name: str) -> None:
        """See `Store`."""
        with as_unwritable(self.url), suppress(FileNotFoundError):
            self._store.delete(name)

    def set_aside(self, name: str, folder: str) -> str:
        """See `Store`; a copy, and then a deletion."""
        target = f"{folder}/{quarantined(PurePosixPath(name), datetime.now(UTC))}"
        with as_unwritable(self.url), suppress(FileNotFoundError):  # another reader was faster
            self._store.rename(name, target)
        return self.where(target)

    # large files

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """See `Store`; large files are sent in parts."""
        with _temporary(name) as path:
            with atomic_path(path) as temporary:
                yield temporary
            with as_unwritable(self.url):
                self._store.put(name, path)

    @contextmanager
    def fetching(self, name: str) -> Iterator[Path | None]:
        """See `Store`."""
        with _temporary(name) as path:
            yield path if self._fetch(name, path) else None

    # lines

    def append(self, name: str, line: bytes) -> None:
        """See `Store`; each line is a file of its own, for object stores append nothing."""
        self.write(f"{name}/{time.time_ns():020d}-{token_hex(4)}", line)

    def lines(self, name: str) -> list[bytes]:
        """See `Store`; in the order of the writers' clocks."""
        names = [f"{name}/{each}" for each in sorted(self.list(name))]
        return [line for _, line in sorted(self.read_all(names).items())]

    # folders

    def list(self, folder: str) -> dict[str, Stamp]:
        """See `Store`; a request for each thousand of them."""
        files: dict[str, Stamp] = {}
        with as_unwritable(self.url):
            for chunk in self._store.list(folder, chunk_size=1000):
                for meta in chunk:
                    name = meta["path"].removeprefix(f"{folder}/")
                    if not _hidden(name):
                        files[name] = Stamp(meta["size"], _version(meta))
        return files

    def below(self, folder: str = "") -> set[str]:
        """See `Store`."""
        with as_unwritable(self.url):
            listing = self._store.list_with_delimiter(folder or None)
        paths = [*listing["common_prefixes"], *(meta["path"] for meta in listing["objects"])]
        return {name for path in paths if not _hidden(name := PurePosixPath(path).name)}

    def make_folder(self, folder: str) -> None:
        """See `Store`; an empty file in it says so."""
        self.write(f"{folder}/{_OPEN}", b"")

    def has_folder(self, folder: str) -> bool:
        """See `Store`."""
        with as_unwritable(self.url):
            try:
                self._store.head(f"{folder}/{_OPEN}")
            except FileNotFoundError:
                return False
        return True

    def delete_all(self, folder: str) -> None:
        """See `Store`."""
        with suppress(Unwritable), as_unwritable(self.url), suppress(FileNotFoundError):
            for chunk in self._store.list(folder, chunk_size=1000):
                self._store.delete([meta["path"] for meta in chunk])

    # inside

    @cached_property
    def _store(self) -> ObjectStore:
        return shared_client(self.url)

    def _put_if(self, name: str, data: bytes, seen: Seen | None) -> bool:
        mode: Any = "create" if seen is None else dict(seen.tag)
        own = {_WRITE: token_hex(16)}
        with as_unwritable(self.url):
            try:
                self._store.put(name, data, mode=mode, attributes=own, use_multipart=False)
                return True
            except (AlreadyExistsError, PreconditionError):
                pass
            except FileNotFoundError:  # the file was deleted; or the bucket, which the next request reports
                if seen is None:
                    raise
            # If the first answer was lost, the client retried the put, and it was its own first try that it met.
            try:
                return dict(self._store.get(name).attributes).get(_WRITE) == own[_WRITE]
            except FileNotFoundError:
                return False

    def _fetch(self, name: str, path: Path) -> bool:
        with as_unwritable(self.url):
            try:
                answer = self._store.get(name)
            except FileNotFoundError:
                return False
            with atomic_path(path) as temporary, open(temporary, "wb") as file:
                for chunk in answer:
                    file.write(chunk)
            return True


@contextmanager
def _temporary(name: str) -> Iterator[Path]:
    """A path for a local copy, which is deleted at the end of the block; its last part is that of the file's name."""
    with tempfile.TemporaryDirectory(prefix="nemofile-") as folder:
        yield Path(folder) / PurePosixPath(name).name


def _tag(meta: ObjectMeta) -> tuple[tuple[str, str], ...]:
    known = ("e_tag", meta["e_tag"]), ("version", meta["version"])
    return tuple((name, value) for name, value in known if value is not None)


def _version(meta: ObjectMeta) -> int:
    """A number made of the ETag, which changes whenever the content does."""
    tag = meta["e_tag"] or meta["last_modified"].isoformat()
    return int.from_bytes(hashlib.sha256(tag.encode()).digest()[:7])


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))
