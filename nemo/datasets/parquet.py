"""Parquet files in the layout of the usual model hubs: a column of encoded images and a column of labels."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nemo.datasets.description import Description
from nemo.datasets.files import FilesSource, content_sha256
from nemo.datasets.images import decode_all
from nemo.datasets.source import Images, Labels
from nemo.errors import UserError

_LABELS = ("label", "labels", "fine_label")
_MOST_CLASSES = 100_000
_UNREADABLE = (pa.ArrowException, OSError, UnicodeError, OverflowError, MemoryError)  # what damage makes pyarrow raise
_ROWS = 4096  # rows whose encoded bytes are in memory at a time


class ParquetSource(FilesSource):
    """`PATH/train.parquet` and `PATH/test.parquet`, or shards `train*.parquet` and `test*.parquet`.

    The images are the column `struct{bytes, path}` (or plain binary) of PNG or JPEG bytes. The labels are the integer
    column `label`, `labels` or `fine_label`, else the only integer column; option `label` names another. The class
    names are those in the schema's metadata, or the option `classes`, or the labels themselves.
    """

    own_options = ("classes", "label")

    def _shards(self, part: str) -> list[Path]:
        single = self.path / f"{part}.parquet"
        found = [single] if single.is_file() else sorted(self.path.glob(f"{part}*.parquet"))
        shards = [shard for shard in found if shard.is_file()]  # reading a pipe might never end
        if not shards:
            raise UserError(f"dataset {self.name}: {self.path} has no {part}.parquet; add it or correct the path.")
        return shards

    @cached_property
    def _labels(self) -> dict[str, Labels]:
        """Of "train" and "test", limited to the images that are used."""
        found = {}
        for part in ("train", "test"):
            tables = [_read(shard, self._label_column(shard)) for shard in self._shards(part)]
            labels = np.concatenate(tables)
            found[part] = labels[: self.limit(part, len(labels))]
        return found

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        shard = self._shards("train")[0]
        highest = max((int(labels.max()) for labels in self._labels.values() if len(labels)), default=-1)
        numbers = tuple(str(label) for label in range(highest + 1))
        named = _names(_file(shard).schema_arrow, self._label_column(shard))
        classes = tuple(self.options.get("classes") or named or numbers)
        if len(classes) <= highest:
            raise UserError(
                f"dataset {self.name}: it has labels up to {highest}, but classes names only {len(classes)}; name all."
            )
        self.check_classes(classes, self._labels["train"], self._labels["test"])
        return classes

    def describe(self) -> Description:
        classes, size = self._classes, self._size()
        digests = {part: [content_sha256(shard) for shard in self._shards(part)] for part in ("train", "test")}
        return Description(
            name=self.label,
            classes=classes,
            image_size=size,
            train_size=len(self._labels["train"]),
            test_size=len(self._labels["test"]),
            fingerprint=self.fingerprint({"parquet": digests}, size),
        )

    def read(self) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        self._classes  # noqa: B018 - checks the labels before the long work
        size = self._size()
        return self._part("train", size), self._part("test", size)

    def _part(self, part: str, size: int) -> tuple[Images, Labels]:
        labels = self._labels[part]
        images = np.empty((len(labels), 3, size, size), dtype=np.uint8)
        done = 0
        for contents, wheres in self._encoded(part):
            n = min(len(contents), len(labels) - done)
            images[done : done + n] = decode_all(contents[:n], size, wheres[:n])
            done += n
            if done == len(labels):
                break
        return images, labels

    def _encoded(self, part: str, rows: int = _ROWS) -> Iterator[tuple[list[bytes], list[str]]]:
        """The encoded images in batches, with what each is called in a message."""
        for shard in self._shards(part):
            file, row = _file(shard), 0
            column = self._image_column(shard)
            try:
                for batch in file.iter_batches(rows, columns=[column]):
                    array = batch.column(0)
                    contents = (array.field("bytes") if pa.types.is_struct(array.type) else array).to_pylist()
                    wheres = [f"the image in row {row + i} of {shard}" for i in range(len(contents))]
                    row += len(contents)
                    for content, where in zip(contents, wheres, strict=True):
                        if not content:
                            raise UserError(f"{where} is empty; remove the row.")
                    yield contents, wheres
                _check_rows(file, row)
            except _UNREADABLE as error:
                raise _damaged(shard, error) from error

    def _size(self) -> int:
        contents, wheres = next(self._encoded("train", rows=1))
        return self.size_of(contents[0], wheres[0])

    def _image_column(self, shard: Path) -> str:
        schema = _file(shard).schema_arrow
        for field in schema:
            kind = field.type
            if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
                kind = kind.field("bytes").type
            if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
                return str(field.name)
        raise UserError(
            f"{shard} has no column of images, struct{{bytes, path}} or binary, among {', '.join(schema.names)}."
        )

    def _label_column(self, shard: Path) -> str:
        schema = _file(shard).schema_arrow
        integers = [field.name for field in schema if pa.types.is_integer(field.type)]
        wanted = [self.options["label"]] if "label" in self.options else [*_LABELS, *integers[: len(integers) == 1]]
        for name in wanted:
            if name in integers:
                return str(name)
        raise UserError(
            f"{shard} has no integer column {wanted[0]!r} with the labels among {', '.join(schema.names)}; name it "
            "with the dataset's option label."
        )


def _file(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except _UNREADABLE as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> UserError:
    reason = str(error).partition("\n")[0].rstrip(".") or type(error).__name__
    return UserError(f"{path} is damaged or no parquet file ({reason}); fetch it again.")


def _read(path: Path, column: str) -> Labels:
    """The labels of one file."""
    try:
        file = _file(path)
        array = file.read([column]).column(0)
        _check_rows(file, len(array))
    except _UNREADABLE as error:
        raise _damaged(path, error) from error
    if array.null_count:
        raise UserError(f"{path}: column {column!r} has empty labels; remove those rows.")
    labels = array.to_numpy().astype(np.int64)
    if len(labels) and labels.min() < 0:
        raise UserError(f"{path}: column {column!r} has the negative label {labels.min()}; remove those rows.")
    if len(labels) and labels.max() >= _MOST_CLASSES:
        raise UserError(
            f"{path}: column {column!r} has the label {labels.max()}, but there can be {_MOST_CLASSES:,} classes; "
            "number them from 0."
        )
    return labels


def _check_rows(file: pq.ParquetFile, rows: int) -> None:
    """Refuses a column of another length: images and labels would no longer belong together."""
    if rows != file.metadata.num_rows:
        raise pa.ArrowInvalid(f"a column has {rows} of {file.metadata.num_rows} rows")


def _names(schema: pa.Schema, column: str) -> list[str] | None:
    """The class names in the metadata that the `datasets` library writes, where there are any."""
    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
        return [str(name) for name in features[column]["names"]]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
