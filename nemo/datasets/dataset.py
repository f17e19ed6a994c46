"""A data set as it is trained on, and its parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from nemo.datasets.pictures import Pictures
from nemo.datasets.splitting import stratify
from nemo.datasets.tokenized import Tokenized
from nemo.image_size import plain_size

Inputs = Tensor | Pictures | Tokenized
"""What a split's labels belong to."""


@dataclass(frozen=True)
class Split:
    """Images, or texts, and their labels.

    Attributes:
        images: uint8 `[n, 3, H, W]`, or pictures in its place: kept at sizes of their own, or streamed; or texts.
        labels: int64 `[n]`.
    """

    images: Inputs
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """A data set, with how its images are normalised and augmented (method.md 4.2).

    Attributes:
        name: The short name that reports show.
        classes: Class names; the index is the label.
        train: Training images.
        test: Test images.
        mean: Mean of each channel, of values scaled to 0..1.
        std: Standard deviation of each channel.
        padding: Black pixels around a training image before it is cropped at random to its own size again.
        flip: Whether half of the training images are mirrored.
        fingerprint: The same as its description's.
    """

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    padding: int
    flip: bool
    fingerprint: str

    @property
    def num_classes(self) -> int:
        """The number of classes, N."""
        return len(self.classes)

    @property
    def image_size(self) -> int | tuple[int, ...]:
        """Height and width in pixels, one number of square images; of texts the tokens of the longest, as a tuple."""
        shape = tuple(self.train.images.shape)
        return plain_size(shape[1:] if len(shape) == 2 else shape[2:])

    @property
    def is_text(self) -> bool:
        """Whether its inputs are texts."""
        return isinstance(self.train.images, Tokenized)

    @property
    def paired(self) -> bool:
        """Whether its inputs are pairs of texts."""
        return isinstance(self.train.images, Tokenized) and self.train.images.paired


def split_validation(split: Split, share: float, seed: int, names: Sequence[str] | None = None) -> tuple[Split, Split]:
    """Holds out a stratified share of the images, on which anything that is chosen can be chosen.

    The same arguments give the same parts; every class keeps at least one image on both sides.

    Args:
        split: The training images.
        share: The part to hold out, between 0 and 1.
        seed: Seed of the draw.
        names: The classes' names, for the message.

    Returns:
        The images to train on and the validation images, both in their order in `split`.

    Raises:
        UserError: A class has one image only.
    """
    kept, held = validation_places(split.labels, share, seed, names)
    return Split(split.images[kept], split.labels[kept]), Split(split.images[held], split.labels[held])


def validation_places(
    labels: Tensor, share: float, seed: int, names: Sequence[str] | None = None
) -> tuple[Tensor, Tensor]:
    """Where the images of both parts of `split_validation` lie, without touching an image.

    Args:
        labels: `[n]`, of the training images.
        share: See `split_validation`.
        seed: See `split_validation`.
        names: See `split_validation`.

    Returns:
        The places in `labels` of the images to train on and of the validation images, int64, ascending.

    Raises:
        UserError: A class has one image only.
    """
    known = labels.cpu().numpy()
    what = f"validation: {share:g} of the training images"
    parts = stratify(known, round(share * len(known)), seed, what, names)
    kept, held = (torch.from_numpy(part).to(labels.device) for part in parts)
    return kept, held


def select_classes(split: Split, classes: Sequence[int]) -> Split:
    """The images of some classes, for a sub-task.

    Args:
        split: Images of all classes.
        classes: Labels to keep; a kept image's new label is its class' place in this list.

    Returns:
        The images in their order in `split`; only they are copied.
    """
    wanted = torch.tensor(classes, dtype=torch.int64, device=split.labels.device)
    place = split.labels[:, None] == wanted  # [n, len(classes)]
    index = place.any(dim=1).nonzero().flatten()
    return Split(split.images[index], place[index].to(torch.uint8).argmax(dim=1))


def some_of(split: Split, count: int, *, seed: int) -> Split:
    """So many of a split's images, drawn by a seed, in the order of the draw; all where there are fewer."""
    chosen = torch.randperm(len(split), generator=torch.Generator().manual_seed(seed))[:count]
    return Split(split.images[chosen], split.labels[chosen])
