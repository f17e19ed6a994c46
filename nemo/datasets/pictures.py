"""Images that are not one array: kept at sizes of their own, or read when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from nemo.datasets.fit import Fit

Pixels = NDArray[np.uint8]  # [h, w, 3]
_CHUNK = 256


class Store(Protocol):
    """Where images lie. Stores are pickled for worker processes, which share nothing else."""

    @property
    def streams(self) -> bool:
        """Whether images are read and decoded each time, which is work for processes of their own."""

    def __len__(self) -> int:
        """Images that it has."""

    def open(self) -> None:
        """Makes it ready on this machine; called before worker processes are started.

        Raises:
            UserError: What it needs cannot be read or written.
        """

    def kept(self, place: int) -> Pixels:
        """What is kept of an image, see `Fit.kept`.

        Raises:
            UserError: The image cannot be read.
        """


class Pictures:
    """Some of the images of a store, in an order; in the place of the tensor of images of a `Split`.

    Args:
        store: Where they lie.
        fit: How they become images of one size.
        places: int64 `[n]` in the store; None for all of it.
    """

    def __init__(self, store: Store, fit: Fit, places: NDArray[np.int64] | None = None) -> None:
        self.store, self.fit = store, fit
        self.places = np.arange(len(store)) if places is None else places

    def __len__(self) -> int:
        return len(self.places)

    def __getitem__(self, index: Tensor | slice) -> Pictures:
        """Those at some positions (int64, a mask or a slice), without reading any."""
        chosen: Any = index if isinstance(index, slice) else index.cpu().numpy()
        return Pictures(self.store, self.fit, self.places[chosen])

    @property
    def nbytes(self) -> int:
        """Bytes that it takes in memory, where no image is."""
        return self.places.nbytes

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """`(n, 3, H, W)`, as of the tensor that `read` makes."""
        return len(self), 3, self.fit.height, self.fit.width

    def kept(self, position: int) -> Image.Image:
        """What is kept of an image, see `Fit.kept`."""
        return Image.fromarray(self.store.kept(int(self.places[position])))

    def chunks(self) -> Iterator[Pixels]:
        """The images as they are evaluated, uint8 `[n, 3, H, W]` at a time, read by threads.

        Raises:
            UserError: One cannot be read.
        """
        self.store.open()

        def image(position: int) -> Pixels:
            return np.asarray(self.fit.evaluated(self.kept(position)))

        with ThreadPoolExecutor(min(8, cpu_count() or 1)) as pool:
            for start in range(0, len(self), _CHUNK):
                images = list(pool.map(image, range(start, min(start + _CHUNK, len(self)))))
                yield np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))

    def read(self) -> Tensor:
        """All of them as they are evaluated: uint8 `[n, 3, H, W]`.

        Raises:
            UserError: One cannot be read.
        """
        return torch.from_numpy(np.concatenate(list(self.chunks()))) if len(self) else torch.empty(self.shape).byte()


class Arrays:
    """Images in an array, `[n, 3, h, w]`."""

    streams = False

    def __init__(self, images: NDArray[np.uint8], fit: Fit) -> None:
        self._images, self._fit = images, fit

    def __len__(self) -> int:
        return len(self._images)

    def open(self) -> None:
        """Nothing: they are in memory."""

    def kept(self, place: int) -> Pixels:
        image = Image.fromarray(np.ascontiguousarray(self._images[place].transpose(1, 2, 0)))
        return np.asarray(self._fit.kept(image))


class Held:
    """What is kept of the images of another store, in memory: one array of bytes, which Ray shares without a copy."""

    streams = False

    def __init__(self, store: Store) -> None:
        store.open()
        with ThreadPoolExecutor(min(8, cpu_count() or 1)) as pool:
            images = list(pool.map(store.kept, range(len(store))))
        self._sizes = np.asarray([image.shape[:2] for image in images], dtype=np.int64).reshape(-1, 2)
        self._ends = np.cumsum(3 * self._sizes.prod(axis=1))
        self._bytes = np.empty(int(self._ends[-1]) if images else 0, dtype=np.uint8)
        for place in range(len(images)):  # each is dropped when it is copied, so that none is held twice
            end = int(self._ends[place])
            self._bytes[end - images[place].size : end] = images[place].reshape(-1)
            images[place] = images[place][:0]

    def __len__(self) -> int:
        return len(self._sizes)

    def open(self) -> None:
        """Nothing: they are in memory."""

    def kept(self, place: int) -> Pixels:
        height, width = self._sizes[place]
        end = self._ends[place]
        return self._bytes[end - 3 * height * width : end].reshape(height, width, 3)


class Some:
    """Some of the images of another store."""

    def __init__(self, store: Store, places: NDArray[np.int64]) -> None:
        self._store, self._places = store, places

    @property
    def streams(self) -> bool:
        return self._store.streams

    def __len__(self) -> int:
        return len(self._places)

    def open(self) -> None:
        self._store.open()

    def kept(self, place: int) -> Pixels:
        return self._store.kept(int(self._places[place]))


class Joined:
    """Several stores, one behind the other."""

    def __init__(self, stores: Sequence[Store]) -> None:
        self._stores = list(stores)
        self._ends = np.cumsum([len(store) for store in stores])

    @property
    def streams(self) -> bool:
        return any(store.streams for store in self._stores)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def open(self) -> None:
        for store in self._stores:
            store.open()

    def kept(self, place: int) -> Pixels:
        number = int(np.searchsorted(self._ends, place, side="right"))
        return self._stores[number].kept(place - (int(self._ends[number - 1]) if number else 0))


Images = Tensor | Pictures
"""The images of a split: uint8 `[n, 3, H, W]`, or what stands in its place."""


def as_pictures(images: Images) -> Pictures:
    """The images with their size in pictures; a tensor on the CPU is shared."""
    if isinstance(images, Pictures):
        return images
    fit = Fit(int(images.shape[2]), int(images.shape[3]))
    return Pictures(Arrays(images.cpu().numpy(), fit), fit)


def join(parts: Sequence[Images]) -> Images:
    """The images of several splits, one behind the other.

    Args:
        parts: All of one size. Where they are fitted to it in several ways, they are read.
    """
    tensors = [part for part in parts if isinstance(part, Tensor)]
    if len(tensors) == len(parts):
        return torch.cat(tensors)
    pictures = [as_pictures(part) for part in parts]
    if len({each.fit for each in pictures}) > 1:
        return torch.cat([each.read() for each in pictures])
    places = np.cumsum([0, *(len(each.store) for each in pictures)])
    whole = [each.places + start for each, start in zip(pictures, places, strict=False)]
    return Pictures(Joined([each.store for each in pictures]), pictures[0].fit, np.concatenate(whole))
