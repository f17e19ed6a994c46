"""Where a data set comes from: described without loading it, then read into arrays."""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nemo.datasets.description import Description, fingerprint
from nemo.datasets.fit import Fit
from nemo.datasets.images import resize_all
from nemo.datasets.options import COMMON, check_options
from nemo.errors import UserError
from nemo.image_size import ImageSize, brief_size, height_width, plain_size, size_text

if TYPE_CHECKING:
    from nemo.datasets.pictures import Store

Images = NDArray[np.uint8]  # [n, 3, H, W]
Labels = NDArray[np.int64]  # [n]
Triple = tuple[float, float, float]

KEPT_SHARE = 0.875
"""The share of the shorter side that evaluation keeps of images whose shape is kept, where the option `crop` says no
other: of 256 pixels 224, as is usual for ImageNet."""


class Source(ABC):
    """One kind of data set; a subclass per kind. `can_stream` says whether its images can be left where they lie.

    Args:
        name: As the user wrote it, for messages.
        options: Option name -> value; those in `options.COMMON` and the subclass' `own_options`.
        image_size: Height and width in pixels to resize to, one number of squares; None: the kind's own.

    Raises:
        UserError: An option or the size is not one that the kind takes.
    """

    can_stream: ClassVar[bool] = False
    own_options: ClassVar[tuple[str, ...]] = ()
    mean: Triple | None = None  # None: computed from the training images
    std: Triple | None = None
    padding: int = 4
    flip: bool = True
    default_size: int = 32  # of sets whose images are all of one size

    def __init__(self, name: str, options: Mapping[str, Any], image_size: ImageSize | None) -> None:
        check_options(name, options, COMMON + self.own_options)
        if image_size is not None and min(height_width(image_size)) < 1:
            raise UserError(f"dataset {name}: image_size must be at least 1 pixel, not {brief_size(image_size)}.")
        self.name, self.options = name, options
        self.image_size = None if image_size is None else plain_size(image_size)
        self.mean = tuple(options["mean"]) if "mean" in options else self.mean
        self.std = tuple(options["std"]) if "std" in options else self.std
        self.padding = options.get("padding", self.padding)
        self.flip = options.get("flip", self.flip)

    @property
    def size(self) -> int | tuple[int, ...]:
        """Height and width in pixels of a set whose images are all of one size."""
        return self.image_size or self.default_size

    def fit(self, size: ImageSize, *, keep_shape: bool = False) -> Fit:
        """How images become those of a size.

        Args:
            size: Height and width in pixels.
            keep_shape: Whether images keep their shapes whatever the options say; the option `crop` says so, too.
        """
        height, width = height_width(size)
        share = self.options.get("crop", KEPT_SHARE if keep_shape else None)
        if share is not None and share > 1:  # pixels
            if share < min(height, width):
                raise UserError(
                    f"dataset {self.name}: crop resizes the shorter side to {share} pixels, and image_size cuts "
                    f"{size_text(size)} out of it; give at least {min(height, width)}, or a share of at most 1."
                )
            share = min(height, width) / share
        return Fit(height, width, self.options.get("interpolation", "bilinear"), share)

    @abstractmethod
    def describe(self) -> Description:
        """The description, cheaply.

        Raises:
            UserError: What is known to be missing or wrong without decoding an image.
        """

    @abstractmethod
    def read(self, fit: Fit) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        """The training and the test images, stretched to a size and limited to the description's numbers.

        Raises:
            UserError: A file is missing, damaged or cannot be read.
        """

    @abstractmethod
    def stores(self, fit: Fit) -> tuple[tuple[Store, Labels], tuple[Store, Labels]]:
        """The same images where each is read when it is asked for, or keeps its shape.

        Raises:
            UserError: See `read`.
        """

    def fingerprint(self, data: object, image_size: ImageSize) -> str:
        """The fingerprint of the data (anything that JSON holds) and of the options."""
        named = self.options.items()  # class names change no number, and false is what a flag is anyway
        options = {name: value for name, value in named if name not in ("classes", "only") and value is not False}
        if options.get("interpolation") == "bilinear":
            del options["interpolation"]  # as it is without
        own = {"mean": self.mean, "std": self.std, "padding": self.padding, "flip": self.flip}
        return fingerprint(data=data, image_size=image_size, options={**options, **own})

    def limit(self, part: str, available: int) -> int:
        """How many of the available images of `part` ("train" or "test") are used.

        Raises:
            UserError: The option asks for more than there are.
        """
        wanted = self.options.get(f"{part}_images", available)
        if wanted > available:
            raise UserError(
                f"dataset {self.name}: {part}_images is {wanted}, but there are only {available} {part} images."
            )
        return int(wanted)

    def check_classes(self, classes: tuple[str, ...], train: Labels, test: Labels) -> None:
        """Refuses a data set in which a class has no image.

        Raises:
            UserError: See the function of this name.
        """
        check_classes(self.name, classes, train, test)


class ArraySource(Source):
    """A set whose images are arrays of one size, small enough for the memory."""

    @abstractmethod
    def arrays(self) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        """The training and the test images at their own size, limited to the description's numbers.

        Raises:
            UserError: A file is missing, damaged or cannot be read.
        """

    def read(self, fit: Fit) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        (train, train_labels), (test, test_labels) = self.arrays()
        return (resize_all(train, fit), train_labels), (resize_all(test, fit), test_labels)

    def stores(self, fit: Fit) -> tuple[tuple[Store, Labels], tuple[Store, Labels]]:
        from nemo.datasets.pictures import Arrays

        train, test = ((Arrays(images, fit), labels) for images, labels in self.arrays())
        return train, test


def check_classes(dataset: str, classes: tuple[str, ...], train: Labels, test: Labels, samples: str = "images") -> None:
    """Refuses a data set in which a class has no sample.

    Args:
        dataset: Its name, for messages.
        classes: The names.
        train: Labels of the training samples.
        test: Labels of the test samples.
        samples: What they are.

    Raises:
        UserError: Fewer than two classes, or a class without training or test samples.
    """
    if len(classes) < 2:
        raise UserError(f"dataset {dataset}: it has {len(classes)} classes, but a network needs 2.")
    for part, labels in (("training", train), ("test", test)):
        empty = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
        if len(empty):
            name = classes[empty[0]]
            alike = [other for other in classes if other != name and _folded(other) == _folded(name)]
            hint = f", or is it {alike[0]!r}?" if alike else "."
            raise UserError(
                f"dataset {dataset}: class {name!r} has no {part} {samples}; add some, or leave the class out{hint}"
            )


def _folded(name: str) -> str:
    """A name without what is easily overlooked: case, spaces around it, and how Unicode writes its accents."""
    return unicodedata.normalize("NFKC", name).strip().casefold()
