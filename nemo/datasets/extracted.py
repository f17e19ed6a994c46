"""The images of parquet files in one file where each can be read alone: parquet reads a group of rows at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nemo.datasets.fit import Fit
from nemo.datasets.images import decode
from nemo.errors import UserError

_END = "<i8"


class Encoded(Protocol):
    """A set of encoded images; pickled, so that it can be read on other machines."""

    name: str

    def encoded(self, part: str) -> Iterator[tuple[list[bytes], list[str]]]:
        """The images of a part, some at a time, and what each is called in a message."""


class Extracted:
    """The encoded images of one part, copied once on each machine, and decoded each time they are asked for.

    The copy is named by what it holds, so it is made once for all studies, and may be deleted when none runs.

    Args:
        source: What is copied.
        part: "train" or "test".
        rows: File name -> its number of rows, in their order; for messages.
        count: The first so many images are copied.
        digest: Names the copy: other images have another.
        folder: Where copies lie.
        fit: What is kept of an image.
    """

    streams = True

    def __init__(
        self,
        source: Encoded,
        part: str,
        rows: Sequence[tuple[str, int]],
        count: int,
        digest: str,
        folder: Path,
        fit: Fit,
    ) -> None:
        self._source, self._part, self._rows, self._count = source, part, list(rows), count
        self._data, self._index = folder / f"{digest}.images", folder / f"{digest}.ends"
        self._fit = fit
        self._ends: NDArray[np.int64] | None = None
        self._file = -1

    def __len__(self) -> int:
        return self._count

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_ends": None, "_file": -1}  # open files are a process's own

    def __del__(self) -> None:
        if getattr(self, "_file", -1) >= 0:
            os.close(self._file)

    def open(self) -> None:
        """Makes the copy, where it is not there.

        Raises:
            UserError: It cannot be written, or an image is missing.
        """
        try:
            if not self._complete():
                self._data.parent.mkdir(parents=True, exist_ok=True)
                with self._data.with_suffix(".lock").open("w") as lock:
                    fcntl.flock(lock, fcntl.LOCK_EX)
                    if not self._complete():  # another process may have made it meanwhile
                        self._extract()
        except OSError as error:
            raise UserError(
                f"dataset {self._source.name}: {self._data} cannot be written ({error.strerror}); make room there, or "
                "name another folder as data_root in the study file or as $NEMO_DATA."
            ) from error

    def kept(self, place: int) -> NDArray[np.uint8]:
        """What is kept of an image, `[h, w, 3]`.

        Raises:
            UserError: The copy is gone, or it is no image.
        """
        try:
            if self._ends is None:
                self._ends = np.memmap(self._index, dtype=_END, mode="r")
                self._file = os.open(self._data, os.O_RDONLY)
            start, end = (int(self._ends[place - 1]) if place else 0), int(self._ends[place])
            data = os.pread(self._file, end - start, start)
        except OSError as error:
            raise UserError(
                f"dataset {self._source.name}: {error.filename} cannot be read ({error.strerror}); run again, and it "
                "will be made anew."
            ) from error
        return decode(data, self._fit, self._where(place)).transpose(1, 2, 0)

    def _where(self, place: int) -> str:
        for name, rows in self._rows:
            if place < rows:
                return f"the image in row {place} of {name}"
            place -= rows
        return "an image"

    def _complete(self) -> bool:
        if not (self._data.is_file() and self._index.is_file()):
            return False
        if self._index.stat().st_size != self._count * np.dtype(_END).itemsize:
            return False
        return not self._count or int(np.memmap(self._index, dtype=_END, mode="r")[-1]) == self._data.stat().st_size

    def _extract(self) -> None:
        ends: list[int] = []
        written, data, index = 0, self._data.with_suffix(".part"), self._index.with_suffix(".part-ends")
        with data.open("wb") as file:
            for contents, _ in self._source.encoded(self._part):
                for content in contents[: self._count - len(ends)]:
                    written += file.write(content)
                    ends.append(written)
                if len(ends) == self._count:
                    break
            file.flush()
            os.fsync(file.fileno())
        with index.open("wb") as file:
            file.write(np.asarray(ends, dtype=_END).tobytes())
        os.replace(data, self._data)
        os.replace(index, self._index)  # last: with it, the copy is whole
