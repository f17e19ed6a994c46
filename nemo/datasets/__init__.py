"""The data sets by name, described without loading anything or loaded into memory.

Names: `digits`, `cifar10`, `cifar100` (option `coarse`), `svhn` (option `extra`), `parquet:PATH`, `folder:PATH`.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo.datasets.description import Description
from nemo.errors import UserError

if TYPE_CHECKING:
    from nemo.datasets.dataset import Dataset
    from nemo.datasets.source import Images, Source, Triple

__all__ = ["DATASET_NAMES", "Description", "describe_dataset", "load_dataset"]

DATASET_NAMES: tuple[str, ...] = ("digits", "cifar10", "cifar100", "svhn", "parquet:PATH", "folder:PATH")
"""What a study file may name; PATH is a folder."""


def describe_dataset(
    name: str, *, root: str | None = None, image_size: int | None = None, **options: Any
) -> Description:
    """Describes a data set, without torch and without decoding its images.

    Args:
        name: One of `DATASET_NAMES`.
        root: Folder of downloaded sets; default `$NEMO_DATA`, then `~/.cache/nemo`.
        image_size: Height and width in pixels to resize to; default: the set's own (digits: 32).
        **options: The data set's options; `nemo.datasets.options` lists them.

    Raises:
        UserError: An unknown name or option, files that are missing or damaged, a class without images.
    """
    with _readable(name):
        return _source(name, root, image_size, options).describe()


def load_dataset(name: str, *, root: str | None = None, image_size: int | None = None, **options: Any) -> Dataset:
    """Loads a data set into memory, downloading it to the root where that is how it is had.

    Arguments and errors are those of `describe_dataset`, and so is the fingerprint; its notes are warned of.

    Raises:
        UserError: Besides those, an image that cannot be read, or a download that failed.
    """
    dataset, description = read_dataset(name, root=root, image_size=image_size, **options)
    for note in description.notes:
        warnings.warn(note, stacklevel=2)
    return dataset


def read_dataset(
    name: str, *, root: str | None = None, image_size: int | None = None, **options: Any
) -> tuple[Dataset, Description]:
    """`load_dataset` without warnings, and the description, which has them."""
    import torch

    from nemo.datasets.dataset import Dataset, Split

    with _readable(name):
        source = _source(name, root, image_size, options)
        description = source.describe()
        _check_memory(name, description)
        train, test = source.read()
    mean, std = _channels(source, train[0])
    dataset = Dataset(
        name=description.name,
        classes=description.classes,
        train=Split(torch.from_numpy(train[0]), torch.from_numpy(train[1])),
        test=Split(torch.from_numpy(test[0]), torch.from_numpy(test[1])),
        mean=mean,
        std=std,
        padding=source.padding,
        flip=source.flip,
        fingerprint=description.fingerprint,
    )
    return dataset, description


def _check_memory(name: str, description: Description) -> None:
    """Refuses images that the memory cannot hold, before they are read."""
    count, size = description.train_size + description.test_size, description.image_size
    needed, memory = count * 3 * size**2, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        raise UserError(
            f"dataset {name}: {count:,} images of {size}x{size} pixels take {needed / 2**30:,.0f} GB, this machine has "
            f"{memory / 2**30:,.0f}; choose a smaller image_size, or fewer images with train_images."
        )


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Says which of a data set's files or folders the system refuses to open."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"dataset {name}: {error.filename} cannot be read ({error.strerror}); check the path and its permissions."
        ) from error


def _source(name: str, root: str | None, image_size: int | None, options: dict[str, Any]) -> Source:
    kind, _, path = name.partition(":")
    if kind in ("cifar10", "cifar100", "svhn") and not path:
        from nemo.datasets import torchvision_sets as sets

        folder = Path(os.path.expanduser(root or os.environ.get("NEMO_DATA") or "~/.cache/nemo"))
        source = {"cifar10": sets.CIFARSource, "cifar100": sets.CIFAR100Source, "svhn": sets.SVHNSource}[kind]
        return source(name, options, image_size, folder)
    if name == "digits":
        from nemo.datasets.digits import Digits

        return Digits(name, options, image_size)
    if kind == "parquet" and path:
        from nemo.datasets.parquet import ParquetSource

        return ParquetSource(name, options, image_size, path)
    if kind == "folder" and path:
        from nemo.datasets.folder import FolderSource

        return FolderSource(name, options, image_size, path)
    raise UserError(f"dataset: there is no data set {name!r}; choose one of {', '.join(DATASET_NAMES)}.")


def _channels(source: Source, images: Images) -> tuple[Triple, Triple]:
    """The given or computed mean and standard deviation of each channel, of values scaled to 0..1."""
    if source.mean is not None and source.std is not None:
        return source.mean, source.std
    import numpy as np

    values = np.arange(256) / 255
    counts = np.zeros((3, 256))  # exact, and small
    for start in range(0, len(images), 256):  # bincount widens its input to 8 bytes a pixel
        for channel in range(3):
            counts[channel] += np.bincount(images[start : start + 256, channel].reshape(-1), minlength=256)
    means = [float(n @ values / n.sum()) for n in counts]
    stds = [float(np.sqrt(n @ (values - m) ** 2 / n.sum())) for n, m in zip(counts, means, strict=True)]
    mean: Any = tuple(means)
    std: Any = tuple(value or 1.0 for value in stds)  # a constant channel stays zero instead of dividing by it
    return source.mean or mean, source.std or std
