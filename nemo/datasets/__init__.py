"""The data sets by name, described without loading anything or loaded into memory.

Names: `digits`, `cifar10`, `cifar100` (option `coarse`), `svhn` (option `extra`), `parquet:PATH`, `folder:PATH`, and of
texts `text:PATH`.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from nemo.datasets.chosen import chosen_classes, places_of, restricted
from nemo.datasets.description import Description
from nemo.datasets.loading import Loading, choose_loading, needed_memory
from nemo.errors import UserError
from nemo.image_size import ImageSize

if TYPE_CHECKING:
    from nemo.datasets.dataset import Dataset
    from nemo.datasets.fit import Fit
    from nemo.datasets.pictures import Images
    from nemo.datasets.source import Labels, Source, Triple
    from nemo.datasets.texts import TextSource

__all__ = ["DATASET_NAMES", "Description", "describe_dataset", "load_dataset"]

DATASET_NAMES: tuple[str, ...] = ("digits", "cifar10", "cifar100", "svhn", "parquet:PATH", "folder:PATH", "text:PATH")
"""What a study file may name; PATH is a folder."""

STREAMED: tuple[str, ...] = ("parquet", "folder")
"""The kinds of data sets whose images can be left where they lie."""


def describe_dataset(
    name: str, *, root: str | None = None, image_size: ImageSize | None = None, **options: Any
) -> Description:
    """Describes a data set, without torch and without decoding its images.

    Args:
        name: One of `DATASET_NAMES`.
        root: Folder of downloaded sets; default `$NEMO_DATA`, then `~/.cache/nemo`.
        image_size: Pixels to resize to, one number or height and width; default: the set's own (digits: 32).
        **options: The data set's options; `nemo.datasets.options` lists them.

    Raises:
        UserError: An unknown name or option, files that are missing or damaged, a class without images.
    """
    with _readable(name):
        if is_of_texts(name):
            texts = _texts(name, image_size, None, options).describe()
            return restricted(texts, chosen_classes(name, texts.classes, options.get("only")))
        source = _source(name, root, image_size, options)
        description = source.describe()
        source.fit(description.image_size)  # refuses options that do not fit
        description = replace(description, mean=source.mean, std=source.std)
        return restricted(description, chosen_classes(name, description.classes, options.get("only")))


def loading_note(
    description: Description,
    name: str,
    *,
    image_size: ImageSize | None = None,
    loading: Loading | None = None,
    keep_shape: bool = False,
    **options: Any,
) -> str:
    """The sentence about how a data set is loaded on this machine; empty where it is kept in memory as ever.

    Arguments and errors are those of `load_dataset`; the description is the data set's.
    """
    if is_of_texts(name):
        return ""
    source = _source(name, None, image_size, options)
    fit = source.fit(description.image_size, keep_shape=keep_shape)
    return choose_loading(name, description, fit, can_stream=source.can_stream, wanted=loading)[1]


def image_memory(
    description: Description,
    name: str,
    *,
    image_size: ImageSize | None = None,
    loading: Loading | None = None,
    keep_shape: bool = False,
    **options: Any,
) -> int | None:
    """Bytes that the images of a data set take in memory on this machine; None where they are streamed, and of texts.

    Arguments are those of `load_dataset`; the description is the data set's.

    Raises:
        UserError: See `load_dataset`.
    """
    if is_of_texts(name):
        return None
    source = _source(name, None, image_size, options)
    fit = source.fit(description.image_size, keep_shape=keep_shape)
    how, _ = choose_loading(name, description, fit, can_stream=source.can_stream, wanted=loading)
    return needed_memory(description, fit) if how == "memory" else None


def load_dataset(
    name: str,
    *,
    root: str | None = None,
    image_size: ImageSize | None = None,
    loading: Loading | None = None,
    keep_shape: bool = False,
    **options: Any,
) -> Dataset:
    """Loads a data set into memory, downloading it to the root where that is how it is had, or makes it stream.

    The other arguments and errors are those of `describe_dataset`, and so is the fingerprint; its notes are warned of.

    Args:
        name: See `describe_dataset`.
        root: See `describe_dataset`.
        image_size: See `describe_dataset`.
        loading: `memory`, `stream`, or None to choose by size, see `nemo.datasets.loading`; the images are the same.
        keep_shape: Whether images are evaluated by their middle with their shapes kept, as `augment: imagenet` wants
            it, rather than stretched.
        **options: See `describe_dataset`.

    Raises:
        UserError: Besides those, an image that cannot be read, a download that failed, or too little memory.
    """
    dataset, description = read_dataset(
        name, root=root, image_size=image_size, loading=loading, keep_shape=keep_shape, **options
    )
    for note in description.notes:
        warnings.warn(note, stacklevel=2)
    return dataset


def read_dataset(
    name: str,
    *,
    root: str | None = None,
    image_size: ImageSize | None = None,
    loading: Loading | None = None,
    keep_shape: bool = False,
    **options: Any,
) -> tuple[Dataset, Description]:
    """`load_dataset` without warnings, and the description, which has them."""
    import torch

    from nemo.datasets.dataset import Dataset, Split

    with _readable(name):
        if is_of_texts(name):
            return _read_texts(name, _texts(name, image_size, loading, options), options.get("only"))
        source = _source(name, root, image_size, options)
        whole = source.describe()
        chosen = chosen_classes(name, whole.classes, options.get("only"))
        description = restricted(whole, chosen)
        fit = source.fit(description.image_size, keep_shape=keep_shape)
        judged = description if source.can_stream else whole  # what is read
        how, note = choose_loading(name, judged, fit, can_stream=source.can_stream, wanted=loading)
        if note:
            description = replace(description, notes=(*description.notes, note))
        (train, train_labels), (test, test_labels) = _images(source, fit, how, chosen)
        mean, std = _channels(source, train, description.fingerprint, root)
    dataset = Dataset(
        name=description.name,
        classes=description.classes,
        train=Split(train, torch.from_numpy(train_labels)),
        test=Split(test, torch.from_numpy(test_labels)),
        mean=mean,
        std=std,
        padding=source.padding,
        flip=source.flip,
        fingerprint=description.fingerprint,
    )
    return dataset, description


def is_of_texts(name: str) -> bool:
    """Whether a data set's samples are texts."""
    return name.startswith("text:")


def _texts(name: str, image_size: ImageSize | None, loading: Loading | None, options: dict[str, Any]) -> TextSource:
    from nemo.datasets.texts import TextSource

    for field, given in (("image_size", image_size), ("loading", loading)):
        if given is not None:
            raise UserError(f"dataset {name}: {field} is for images, and these are texts; remove it.")
    return TextSource(name, options, name.partition(":")[2])


def _read_texts(name: str, source: TextSource, only: Sequence[str] | None) -> tuple[Dataset, Description]:
    import torch

    from nemo.datasets.dataset import Dataset, Split
    from nemo.datasets.tokenized import Tokenized

    whole = source.describe()
    chosen = chosen_classes(name, whole.classes, only)
    description = restricted(whole, chosen)
    splits = []
    for part in ("train", "test"):
        tokens, labels = source.tokens[part], source.labels[part]
        texts = Tokenized(tokens.flat, tokens.starts, source.longest, paired=source.paired)
        if chosen is not None:
            index, labels = places_of(labels, chosen)
            texts = texts[torch.from_numpy(index)]
        splits.append(Split(texts, torch.from_numpy(labels)))
    nothing, one = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)  # texts are neither normalised nor moved about
    return Dataset(
        name=description.name,
        classes=description.classes,
        train=splits[0],
        test=splits[1],
        mean=nothing,
        std=one,
        padding=0,
        flip=False,
        fingerprint=description.fingerprint,
    ), description


def _images(
    source: Source, fit: Fit, loading: Loading, chosen: Sequence[int] | None
) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
    """The training and the test images as they are loaded, with their labels; of all classes or of some."""
    import torch

    from nemo.datasets.pictures import Held, Pictures, Some

    if loading == "memory" and fit.crop is None and (chosen is None or not source.can_stream):
        arrays, more = source.read(fit)
        parts = (torch.from_numpy(arrays[0]), arrays[1]), (torch.from_numpy(more[0]), more[1])
        return parts if chosen is None else (_of_classes(parts[0], chosen), _of_classes(parts[1], chosen))
    found: list[tuple[Images, Labels]] = []
    for store, labels in source.stores(fit):
        if chosen is not None:
            index, labels = places_of(labels, chosen)
            store = Some(store, index)
            if loading == "memory" and fit.crop is None:  # no image of another class is decoded
                found.append((Pictures(store, fit).read(), labels))
                continue
        if loading == "stream":
            store.open()
        held = Held(store) if loading == "memory" and store.streams else store
        found.append((Pictures(held, fit), labels))
    return found[0], found[1]


def _of_classes(part: tuple[Images, Labels], chosen: Sequence[int]) -> tuple[Images, Labels]:
    import torch

    index, labels = places_of(part[1], chosen)
    return part[0][torch.from_numpy(index)], labels


def _channels(source: Source, images: Images, fingerprint: str, root: str | None) -> tuple[Triple, Triple]:
    """The given or computed mean and standard deviation of each channel, of values scaled to 0..1."""
    if source.mean is not None and source.std is not None:
        return source.mean, source.std
    from nemo.datasets.channels import channels, kept_channels
    from nemo.datasets.files import data_folder
    from nemo.datasets.pictures import Pictures

    if not isinstance(images, Pictures):
        arrays = images.numpy()
        mean, std = channels(arrays[start : start + 256] for start in range(0, len(arrays), 256))
    elif images.store.streams:
        fit = images.fit
        how = f"{fit.height}x{fit.width}-{fit.interpolation}-{'stretched' if fit.crop is None else f'{fit.crop:.6f}'}"
        mean, std = kept_channels(data_folder(root) / "streams" / f"{fingerprint}-{how}.json", images.chunks())
    else:
        mean, std = channels(images.chunks())
    return source.mean or mean, source.std or std


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Says which of a data set's files or folders the system refuses to open."""
    try:
        yield
    except OSError as error:
        raise UserError(
            f"dataset {name}: {error.filename} cannot be read ({error.strerror}); check the path and its permissions."
        ) from error


def _source(name: str, root: str | None, image_size: ImageSize | None, options: dict[str, Any]) -> Source:
    kind, _, path = name.partition(":")
    if kind in ("cifar10", "cifar100", "svhn") and not path:
        from nemo.datasets import torchvision_sets as sets
        from nemo.datasets.files import data_folder

        source = {"cifar10": sets.CIFARSource, "cifar100": sets.CIFAR100Source, "svhn": sets.SVHNSource}[kind]
        return source(name, options, image_size, data_folder(root))
    if name == "digits":
        from nemo.datasets.digits import Digits

        return Digits(name, options, image_size)
    if kind == "parquet" and path:
        from nemo.datasets.parquet import ParquetSource

        return ParquetSource(name, options, image_size, path, root)
    if kind == "folder" and path:
        from nemo.datasets.folder import FolderSource

        return FolderSource(name, options, image_size, path)
    raise UserError(f"dataset: there is no data set {name!r}; choose one of {', '.join(DATASET_NAMES)}.")
