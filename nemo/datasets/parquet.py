"""Parquet files in the layout of the usual model hubs: a column of encoded images and a column of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from nemo.datasets.columns import (
    Names,
    called_images,
    called_labels,
    class_names,
    image_column,
    image_columns,
    label_column,
    renumbered,
    told_choice,
    told_names,
)
from nemo.datasets.description import Description, fingerprint
from nemo.datasets.extracted import Extracted
from nemo.datasets.files import FilesSource, content_sha256, data_folder, told_turned, upright
from nemo.datasets.fit import Fit
from nemo.datasets.images import GIT_LFS, NOT_FETCHED, decode_all, is_turned
from nemo.datasets.shards import find_shards, unread
from nemo.datasets.source import Images, Labels
from nemo.errors import UserError
from nemo.image_size import ImageSize

if TYPE_CHECKING:
    from nemo.datasets.pictures import Store

_PARTS = ("train", "test")
_MOST_CLASSES = 100_000
_UNREADABLE = (pa.ArrowException, OSError, UnicodeError, OverflowError, MemoryError)  # what damage makes pyarrow raise
_ROWS = 4096  # rows whose encoded bytes are in memory at a time


class ParquetSource(FilesSource):
    """`PATH/train.parquet` and `PATH/test.parquet`, or shards `train*.parquet` and `test*.parquet`.

    The images are the column `struct{bytes, path}` (or plain binary) of encoded images; the labels an integer column.
    Which column, where there are several: see `nemo.datasets.columns`; the options `image` and `label` name others.
    The class names are those in the schema's metadata, or the option `classes`, or the labels themselves. Labels of
    files whose names are in another order than in the first one are renumbered.

    Args:
        name, options, image_size, path: As for every set of files.
        cache: Folder below which what is streamed is copied; default `$NEMO_DATA`, then `~/.cache/nemo`.
    """

    own_options = ("classes", "image", "label")

    def __init__(
        self,
        name: str,
        options: Mapping[str, Any],
        image_size: ImageSize | None,
        path: str,
        cache: str | None = None,
    ) -> None:
        super().__init__(name, options, image_size, path)
        self._cache = cache

    @cached_property
    def _files(self) -> dict[str, list[Path]]:
        return {part: find_shards(self.name, self.path, part) for part in _PARTS}

    def shards(self, part: str) -> list[Path]:
        """The files of "train" or "test"."""
        return self._files[part]

    @cached_property
    def _names(self) -> Names:
        """The class names of every file."""
        shards = [shard for part in self._files.values() for shard in part]
        return {shard: class_names(_file(shard).schema_arrow, self._label_column(shard)) for shard in shards}

    @cached_property
    def _common_names(self) -> list[str]:
        """Those of the first file that has any."""
        return next((list(names) for names in self._names.values() if names), [])

    @cached_property
    def _read_labels(self) -> tuple[dict[str, Labels], list[Path]]:
        """Those of "train" and "test", limited to the images that are used; and the files that were renumbered."""
        found, moved = {}, []
        for part, shards in self._files.items():
            tables = []
            for shard in shards:
                labels, own = _read(shard, self._label_column(shard)), self._names[shard]
                if own and list(own) != self._common_names:
                    as_read = labels
                    labels = renumbered(labels, own, self._common_names, shard, "classes" in self.options)
                    moved += [shard] * bool((labels != as_read).any())
                tables.append(labels)
            joined = np.concatenate(tables)
            found[part] = joined[: self.limit(part, len(joined))]
        return found, moved

    @property
    def _labels(self) -> dict[str, Labels]:
        return self._read_labels[0]

    @cached_property
    def _classes(self) -> tuple[str, ...]:
        highest = max((int(labels.max()) for labels in self._labels.values() if len(labels)), default=-1)
        numbers = tuple(str(label) for label in range(highest + 1))
        classes = tuple(self.options.get("classes") or self._common_names or numbers)
        if len(classes) <= highest:
            raise UserError(
                f"dataset {self.name}: it has labels up to {highest}, but classes names only {len(classes)}; name all."
            )
        self.check_classes(classes, self._labels["train"], self._labels["test"])
        return classes

    def describe(self) -> Description:
        classes, size = self._classes, self._size()
        data: dict[str, object] = {"parquet": self.contents}
        # What was once read otherwise has another fingerprint, and what was read as it is now has the same.
        turned, moved = sum(self._turned(part) for part in self._files), self._read_labels[1]
        data |= upright(turned)
        if moved:
            data["renumbered"] = True
        passed_over = [shard for part in self._files.values() for shard in part if self._passes_over(shard)]
        if passed_over and "image" not in self.options:
            data["image"] = [self.image_column(shard) for shard in passed_over]
        return Description(
            name=self.label,
            classes=classes,
            image_size=size,
            train_size=len(self._labels["train"]),
            test_size=len(self._labels["test"]),
            fingerprint=self.fingerprint(data, size),
            counts=tuple(np.bincount(self._labels["train"], minlength=len(classes)).tolist()),
            test_counts=tuple(np.bincount(self._labels["test"], minlength=len(classes)).tolist()),
            notes=self.noted(
                unread(self.path, [*self._names]),
                *self._told_choices(),
                told_names(self._names, moved, "classes" in self.options),
                told_turned(turned),
            ),
        )

    def read(self, fit: Fit) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        self._classes  # noqa: B018 - checks the labels before the long work
        return self._part("train", fit), self._part("test", fit)

    def stores(self, fit: Fit) -> tuple[tuple[Store, Labels], tuple[Store, Labels]]:
        self._classes  # noqa: B018 - checks the labels before the long work
        source = ParquetSource(
            self.name, self.options, self.image_size, str(self.path.absolute()), self._cache
        )  # knows nothing
        folder = data_folder(self._cache).absolute() / "streams"
        stores = []
        for part in _PARTS:
            rows = [(str(shard), int(_file(shard).metadata.num_rows)) for shard in self.shards(part)]
            count = len(self._labels[part])
            columns = [self.image_column(shard) for shard in self.shards(part)]
            digest = fingerprint(contents=self.contents[part], columns=columns, count=count)
            stores.append((Extracted(source, part, rows, count, digest, folder, fit), self._labels[part]))
        return stores[0], stores[1]

    @cached_property
    def contents(self) -> dict[str, list[str]]:
        """The SHA-256 (hex) of every file, by part."""
        return {part: [content_sha256(shard) for shard in shards] for part, shards in self._files.items()}

    def _part(self, part: str, fit: Fit) -> tuple[Images, Labels]:
        labels = self._labels[part]
        images = np.empty((len(labels), 3, fit.height, fit.width), dtype=np.uint8)
        done = 0
        for contents, wheres in self.encoded(part):
            n = min(len(contents), len(labels) - done)
            images[done : done + n] = decode_all(contents[:n], fit, wheres[:n])
            done += n
            if done == len(labels):
                break
        return images, labels

    def _turned(self, part: str) -> int:
        """How many of the images that are used EXIF turns."""
        left, turned = len(self._labels[part]), 0
        for contents, _ in self.encoded(part):
            turned += sum(map(is_turned, contents[:left]))
            left -= len(contents)
            if left <= 0:
                break
        return turned

    def encoded(self, part: str, rows: int = _ROWS) -> Iterator[tuple[list[bytes], list[str]]]:
        """The encoded images in batches, with what each is called in a message."""
        for shard in self.shards(part):
            file, row = _file(shard), 0
            column = self.image_column(shard)
            try:
                for batch in file.iter_batches(rows, columns=[column]):
                    array = batch.column(0)
                    struct = pa.types.is_struct(array.type)
                    contents = (array.field("bytes") if struct else array).to_pylist()
                    wheres = [f"the image in row {row + i} of {shard}" for i in range(len(contents))]
                    row += len(contents)
                    for place, (content, where) in enumerate(zip(contents, wheres, strict=True)):
                        if not content:
                            raise _empty(where, array[place].as_py() if struct else None)
                    yield contents, wheres
                _check_rows(file, row)
            except _UNREADABLE as error:
                raise _damaged(shard, error) from error

    def _size(self) -> int | tuple[int, ...]:
        contents, wheres = next(self.encoded("train", rows=1))
        return self.size_of(contents[0], wheres[0])

    def image_column(self, shard: Path) -> str:
        """The column of a file that holds its images."""
        return image_column(_file(shard).schema_arrow, shard, self.options.get("image"))

    def _label_column(self, shard: Path) -> str:
        return label_column(_file(shard).schema_arrow, shard, self.options.get("label"))

    def _passes_over(self, shard: Path) -> bool:
        """Whether the column of images is not the first that could be it, which was once taken."""
        return self.image_column(shard) != image_columns(_file(shard).schema_arrow)[0]

    def _told_choices(self) -> list[str]:
        """The sentences about columns that were chosen among several, or have other names in other files."""
        told = []
        for what, option, candidates, chosen in (
            ("images", "image", called_images, self.image_column),
            ("labels", "label", called_labels, self._label_column),
        ):
            columns = {shard: chosen(shard) for shard in self._names}
            first = next(iter(columns))
            schema = _file(first).schema_arrow
            told.append(told_choice(what, columns[first], candidates(schema), self.options.get(option)))
            for shard in [shard for shard, column in columns.items() if column != columns[first]][:1]:
                told.append(
                    f"its {what} are the column {columns[first]!r} of {first.name}, {columns[shard]!r} of {shard.name}."
                )
        return told


def _file(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except _UNREADABLE as error:
        raise _damaged(path, error) from error


def _empty(where: str, value: Mapping[str, object] | None) -> UserError:
    if path := (value or {}).get("path"):
        return UserError(f"{where} is a path alone, {path}; write the file with the images' bytes in it.")
    return UserError(f"{where} is empty; remove the row.")


def _damaged(path: Path, error: Exception) -> UserError:
    with suppress(OSError), path.open("rb") as file:
        if file.read(len(GIT_LFS)) == GIT_LFS:
            return UserError(f"{path} {NOT_FETCHED}")
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
