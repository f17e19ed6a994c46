"""Image files that are read each time they are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nemo.datasets.files import content
from nemo.datasets.fit import Fit
from nemo.datasets.images import decode


class ImageFiles:
    """Files by their names, in one array of bytes: a million paths are not worth a million objects.

    Args:
        files: All of them below the folder.
        folder: On every machine the same.
        fit: What is kept of an image.
    """

    streams = True

    def __init__(self, files: Sequence[Path], folder: Path, fit: Fit) -> None:
        self._folder, self._fit = folder.absolute(), fit  # read later, when the working folder may be another one
        self._names = np.asarray([os.fsencode(file.relative_to(folder)) for file in files], dtype=np.bytes_)

    def __len__(self) -> int:
        return len(self._names)

    def open(self) -> None:
        """Nothing: each file is opened when it is read."""

    def kept(self, place: int) -> NDArray[np.uint8]:
        """What is kept of an image, `[h, w, 3]`.

        Raises:
            UserError: The file cannot be read, here and now, or is no image.
        """
        file = self._folder / os.fsdecode(bytes(self._names[place]))
        return decode(content(file), self._fit, str(file)).transpose(1, 2, 0)
