"""Images one at a time: each read, augmented by draws of its own, and put into a batch, by worker processes if asked.

What an image becomes depends on the image and its task alone, and tasks are made by the loader from seed and epoch: any
number of processes gives the same batches.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

from nemo.datasets.pictures import Pictures
from nemo.errors import UserError
from nemo.recipe import Augment

_SCALE = (0.08, 1.0)
_RATIO = (3 / 4, 4 / 3)


class Task(NamedTuple):
    """One image of one batch.

    Attributes:
        position: In the pictures.
        top: First row of the crop in the padded image.
        left: First column of it.
        mirrored: Whether it is.
        seed: Of what else is drawn for it, 0 to 2^62.
    """

    position: int
    top: int = 0
    left: int = 0
    mirrored: bool = False
    seed: int = 0


class Sampler:
    """Makes batches of pictures.

    Args:
        pictures: The images.
        augment: What is done to them, see `nemo.recipe.Augment`; `none` leaves them as they are evaluated.
        padding: Pixels around an image that is cropped.
        processes: That read and augment; 0 does it here.
        pinned: Whether batches go to a GPU, which takes them faster from pinned memory.
    """

    def __init__(
        self, pictures: Pictures, augment: Augment, padding: int, processes: int, *, pinned: bool = False
    ) -> None:
        self._pinned = pinned
        self._samples = _Samples(pictures, augment, padding)
        self._processes = processes
        self._batches = _Batches()
        self._loader: DataLoader[Any] | None = None

    def batches(self, count: int, tasks: Callable[[int], list[Task]]) -> Iterator[Tensor]:
        """The images of each batch in order, uint8 `[b, 3, H, W]`.

        Args:
            count: How many batches.
            tasks: Makes the tasks of a batch, when it is its turn: an epoch may have millions.

        Raises:
            UserError: One cannot be read.
        """
        if not self._processes or not count:
            self._samples.pictures.store.open()
            for number in range(count):
                yield self.batch(tasks(number))
            return
        self._batches.count, self._batches.tasks = count, tasks
        with _without_main():
            made = iter(self._workers())
        for images in made:
            if isinstance(images, str):
                raise UserError(images)
            yield images

    def batch(self, tasks: Sequence[Task]) -> Tensor:
        """One batch, made here.

        Raises:
            UserError: An image cannot be read.
        """
        return torch.from_numpy(self._samples.batch(tasks))

    def _workers(self) -> DataLoader[Any]:
        """The processes; they stay for the next epoch."""
        if self._loader is None:
            self._samples.pictures.store.open()
            # Not forked: a child would hold the sockets of Ray's worker open, and its death would go unnoticed.
            context = multiprocessing.get_context("forkserver")
            context.set_forkserver_preload([__name__])
            self._loader = DataLoader(
                self._samples,
                batch_sampler=self._batches,
                num_workers=self._processes,
                collate_fn=_collated,
                multiprocessing_context=context,
                worker_init_fn=_end_with_parent,
                persistent_workers=True,
                pin_memory=self._pinned,
                generator=torch.Generator().manual_seed(0),  # else it would draw from the training's own random state
            )
        return self._loader


class _Batches:
    """The tasks of an epoch, for a DataLoader that stays."""

    def __init__(self) -> None:
        self.count = 0
        self.tasks: Callable[[int], list[Task]] = lambda number: []

    def __iter__(self) -> Iterator[list[Task]]:
        return map(self.tasks, range(self.count))

    def __len__(self) -> int:
        return self.count


class _Samples(TorchDataset[Any]):
    """The augmented images of tasks."""

    def __init__(self, pictures: Pictures, augment: Augment, padding: int) -> None:
        self.pictures, self._augment, self._padding = pictures, augment, padding
        self._transform: Any = None

    def __getitems__(self, tasks: Sequence[Task]) -> NDArray[np.uint8] | str:
        """`[b, 3, H, W]`; or why an image cannot be read, for torch would wrap a worker's error in its traceback."""
        try:
            return self.batch(tasks)
        except UserError as error:
            return str(error)

    def batch(self, tasks: Sequence[Task]) -> NDArray[np.uint8]:
        """`[b, 3, H, W]`.

        Raises:
            UserError: An image cannot be read.
        """
        images = [np.asarray(self._sample(task)) for task in tasks]
        return np.ascontiguousarray(np.stack(images).transpose(0, 3, 1, 2))

    def _sample(self, task: Task) -> Image.Image:
        fit, image = self.pictures.fit, self.pictures.kept(task.position)
        if self._augment == "imagenet":
            return _mirrored(self._drawn(image, task.seed), task.mirrored)
        image = fit.evaluated(image)
        if self._augment == "none":
            return image
        box = (task.left - self._padding, task.top - self._padding)
        image = image.crop((*box, box[0] + fit.width, box[1] + fit.height))  # black beyond the image
        image = _mirrored(image, task.mirrored)
        return self._drawn(image, task.seed) if self._augment == "trivial" else image

    def _drawn(self, image: Image.Image, seed: int) -> Image.Image:
        """What torchvision's transform makes of an image, by draws from a seed that leave torch's state alone."""
        if self._transform is None:
            self._transform = _transform(self.pictures, self._augment)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            drawn: Image.Image = self._transform(image)
            return drawn


def _transform(pictures: Pictures, augment: Augment) -> Any:
    from torchvision.transforms import InterpolationMode, v2

    if augment == "trivial":
        return v2.TrivialAugmentWide()
    fit = pictures.fit
    shape = fit.width / fit.height  # what is cut out is about as long as what it becomes
    ratio = (_RATIO[0] * shape, _RATIO[1] * shape)
    mode = InterpolationMode(fit.interpolation)
    return v2.RandomResizedCrop((fit.height, fit.width), scale=_SCALE, ratio=ratio, interpolation=mode)


def _mirrored(image: Image.Image, mirrored: bool) -> Image.Image:
    return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirrored else image


def _collated(images: Any) -> Tensor | str:
    return images if isinstance(images, str) else torch.from_numpy(images)


@contextmanager
def _without_main() -> Iterator[None]:
    """Keeps processes that are started from importing this one's main module, of which they need nothing.

    In Ray's workers that costs seconds, and a script without `if __name__ == "__main__":` would begin again in each.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _end_with_parent(_: int) -> None:
    """Ends this process when the one that reads its batches ends, however it does; the fork server goes on else."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
