"""Segments: the results of one kind folded into few files, so that reading 100,000 of them is a handful of reads."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass
from hashlib import sha256
from os import scandir
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from nemo.errors import UserError
from orchestrator.files import set_aside, write_bytes

_log = logging.getLogger(__name__)

AT_LEAST = 500
"""So many results are worth a segment; fewer are read as fast from their own files."""

_SCHEMA = pa.schema(
    {"key": pa.string(), "size": pa.int64(), "modified": pa.int64(), "document": pa.large_string()}  # modified in ns
)
_BATCH = 1000


class Stamp(NamedTuple):
    """What tells that a file is still the same: results are replaced, never written into."""

    size: int
    modified: int


def stamps(folder: Path) -> dict[str, Stamp]:
    """Key -> stamp of every result in a folder, from one listing."""
    found = {}
    try:
        with scandir(folder) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and not entry.name.startswith("."):
                    status = entry.stat()
                    found[entry.name.removesuffix(".json")] = Stamp(status.st_size, status.st_mtime_ns)
    except FileNotFoundError:
        pass
    return found


@dataclass(frozen=True)
class Segment:
    """One segment as it lies in its file; immutable.

    Attributes:
        keys: Those of its results whose files are still as they were when it was written.
    """

    path: Path
    keys: Set[str]
    _data: pa.Buffer

    def documents(self, keys: Set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
        """Key and document of some of its results, by key."""
        for batch in pq.ParquetFile(pa.BufferReader(self._data)).iter_batches(_BATCH, columns=["key", "document"]):
            for key, text in zip(batch["key"].to_pylist(), batch["document"], strict=True):
                if key in keys:
                    yield key, json.loads(text.as_py())


class Segments:
    """The segments of the results of one kind: a cache of what their files say, which nothing depends on.

    A row is used while its result's file has the size and the time that it had when it was folded; so a result whose
    file is gone is not finished, and one that was computed again is read from its file. A segment is named by the hash
    of its content: a damaged one is found, told once and set aside, which only costs time. One driver writes.

    Args:
        folder: Where they lie; it is made when one is written.
        quarantine: Where damaged ones go; None leaves them where they are.
    """

    def __init__(self, folder: Path, quarantine: Path | None) -> None:
        self._folder, self._quarantine = folder, quarantine
        self._told: set[Path] = set()

    def read(self, files: Mapping[str, Stamp]) -> list[Segment]:
        """The whole segments; `files` are the results as they are now."""
        found = [self._open(path, files) for path in sorted(self._folder.glob("*.parquet"))]
        return [segment for segment in found if segment is not None]

    def fold(
        self, files: Mapping[str, Stamp], read: Callable[[str], Mapping[str, Any] | None], at_least: int = AT_LEAST
    ) -> None:
        """Writes a segment of the results that are in none, if there are enough of them.

        It takes in the segments that are no larger than itself: so there are never many, and no result is written
        again more than a few times.

        Args:
            files: The results, listed before any of them is read.
            read: Gives the document of a result, None if it is damaged.
            at_least: How many are enough.
        """
        segments = self.read(files)
        loose = files.keys() - {key for segment in segments for key in segment.keys}
        if len(loose) < at_least:
            return
        texts = {key: json.dumps(document) for key in loose if (document := read(key)) is not None}
        absorbed = []
        for segment in sorted(segments, key=lambda segment: len(segment.keys)):
            if len(segment.keys) <= len(texts):
                texts |= {key: json.dumps(document) for key, document in segment.documents(segment.keys)}
                absorbed.append(segment)
        try:
            written = self._write({key: (*files[key], texts[key]) for key in sorted(texts)})
            for segment in absorbed:
                if segment.path != written:
                    segment.path.unlink(missing_ok=True)
        except (UserError, OSError) as error:
            _log.warning("%s Until then results are read one by one.", error)

    def _write(self, rows: Mapping[str, tuple[int, int, str]]) -> Path:
        sizes, times, texts = zip(*rows.values(), strict=True) if rows else ((), (), ())
        columns = {"key": [*rows], "size": sizes, "modified": times, "document": texts}
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table(columns, _SCHEMA), sink, compression="zstd", row_group_size=10 * _BATCH)
        data = sink.getvalue()
        path = self._folder / f"{_name(data)}.parquet"
        write_bytes(path, data.to_pybytes())
        return path

    def _open(self, path: Path, files: Mapping[str, Stamp]) -> Segment | None:
        try:
            data = pa.py_buffer(path.read_bytes())
        except FileNotFoundError:  # the driver has just taken it into another one
            return None
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror}), make it readable.") from error
        try:
            if _name(data) != path.stem:
                raise pa.ArrowInvalid("its checksum is wrong")
            columns = pq.read_table(pa.BufferReader(data), columns=_SCHEMA.names[:3]).to_pydict()
            rows = zip(*(columns[name] for name in _SCHEMA.names[:3]), strict=True)
            return Segment(path, {key for key, *stamp in rows if files.get(key) == Stamp(*stamp)}, data)
        except (pa.ArrowException, OSError, KeyError, TypeError) as error:
            self._set_aside(path, error)
            return None

    def _set_aside(self, path: Path, error: Exception) -> None:
        if path not in self._told:
            _log.warning("%s: ignored, %s; its results are read one by one.", path, error)
            self._told.add(path)
        if self._quarantine is not None:
            set_aside(path, self._quarantine)


def _name(data: pa.Buffer) -> str:
    return sha256(data).hexdigest()[:20]
