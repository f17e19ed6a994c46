"""Segments: the results of one kind folded into few files, so that reading 100,000 of them is a handful of reads."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nemo.errors import UserError
from orchestrator.storage import Stamp, Store

_log = logging.getLogger(__name__)

AT_LEAST = 500
"""So many results are worth a segment; fewer are read as fast from their own files."""

AT_LEAST_REMOTE = 20
"""The same where each file is a request."""

_SCHEMA = pa.schema(
    {"key": pa.string(), "size": pa.int64(), "modified": pa.int64(), "document": pa.large_string()}  # `Stamp.version`
)
_BATCH = 1000


Read = Callable[[Iterable[str]], Iterable[tuple[str, Mapping[str, Any]]]]
"""Gives the documents of results by key, without the damaged ones."""


@dataclass(frozen=True)
class Segment:
    """One segment as it lies in its file; immutable.

    Attributes:
        keys: The keys of its results whose files have not changed since it was written.
    """

    name: str
    keys: Set[str]
    _data: pa.Buffer

    def documents(self, keys: Set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and document of some of its results, by key."""
        for batch in pq.ParquetFile(pa.BufferReader(self._data)).iter_batches(_BATCH, columns=["key", "document"]):
            for key, text in zip(batch["key"].to_pylist(), batch["document"], strict=True):
                if key in keys:
                    yield key, json.loads(text.as_py())


class Segments:
    """The segments of the results of one kind: a cache of the results' own files, which may be deleted at any time.

    A row is used while its result's file has the stamp that it had when it was folded; so a result whose file is gone
    is not finished, and one that was computed again is read from its file. A segment is named by the hash of its
    content: a damaged one is detected, warned of once and set aside, which only costs time. One driver writes.

    Args:
        store: The study's.
        folder: Their folder in the store.
        quarantine: Where damaged ones go; None leaves them where they are.
    """

    def __init__(self, store: Store, folder: str, quarantine: str | None) -> None:
        self._store, self._folder, self._quarantine = store, folder, quarantine
        self._warned: set[str] = set()

    def read(self, files: Mapping[str, Stamp]) -> list[Segment]:
        """The whole segments; `files` are the results as they are now."""
        names = sorted(f"{self._folder}/{name}" for name in self._store.list(self._folder) if name.endswith(".parquet"))
        segments = [self._open(name, files) for name in names]
        return [segment for segment in segments if segment is not None]

    def fold(self, files: Mapping[str, Stamp], read: Read, at_least: int = AT_LEAST) -> None:
        """Writes a segment of the results that are in none, if there are enough of them.

        It takes in the segments that are no larger than itself: so there are never many, and no result is written
        again more than a few times.

        Args:
            files: The results, listed before any of them is read.
            read: Gives the documents of results.
            at_least: How many are enough.
        """
        segments = self.read(files)
        loose = files.keys() - {key for segment in segments for key in segment.keys}
        if len(loose) < at_least:
            return
        texts = {key: json.dumps(document) for key, document in read(loose)}
        absorbed = []
        for segment in sorted(segments, key=lambda segment: len(segment.keys)):
            if len(segment.keys) <= len(texts):
                texts |= {key: json.dumps(document) for key, document in segment.documents(segment.keys)}
                absorbed.append(segment)
        try:
            written = self._write({key: (*files[key], texts[key]) for key in sorted(texts)})
            for segment in absorbed:
                if segment.name != written:
                    self._store.delete(segment.name)
        except (UserError, OSError) as error:
            _log.warning("%s Until then results are read one by one.", error)

    def _write(self, rows: Mapping[str, tuple[int, int, str]]) -> str:
        sizes, times, texts = zip(*rows.values(), strict=True) if rows else ((), (), ())
        columns = {"key": [*rows], "size": sizes, "modified": times, "document": texts}
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns, _SCHEMA), sink, compression="zstd", row_group_size=10 * _BATCH)
        data = sink.getvalue()
        name = f"{self._folder}/{_hash(data)}.parquet"
        self._store.write(name, data.to_pybytes())
        return name

    def _open(self, name: str, files: Mapping[str, Stamp]) -> Segment | None:
        content = self._store.read(name)
        if content is None:  # the driver has just taken it into another one
            return None
        data = pa.py_buffer(content)
        try:
            if name != f"{self._folder}/{_hash(data)}.parquet":
                raise pa.ArrowInvalid("its checksum is wrong")
            columns = pq.read_table(pa.BufferReader(data), columns=_SCHEMA.names[:3]).to_pydict()
            rows = zip(*(columns[name] for name in _SCHEMA.names[:3]), strict=True)
            return Segment(name, {key for key, *stamp in rows if files.get(key) == Stamp(*stamp)}, data)
        except (pa.ArrowException, OSError, KeyError, TypeError) as error:
            self._set_aside(name, error)
            return None

    def _set_aside(self, name: str, error: Exception) -> None:
        if name not in self._warned:
            _log.warning("%s: ignored, %s; its results are read one by one.", self._store.where(name), error)
            self._warned.add(name)
        if self._quarantine is not None:
            self._store.set_aside(name, self._quarantine)


def _hash(data: pa.Buffer) -> str:
    return sha256(data).hexdigest()[:20]
