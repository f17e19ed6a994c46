"""Where a data set comes from: described without loading it, then read into arrays."""

from __future__ import annotations

import unicodedata
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nemo.datasets.description import Description, fingerprint
from nemo.datasets.options import check_options
from nemo.errors import UserError

Images = NDArray[np.uint8]  # [n, 3, H, W]
Labels = NDArray[np.int64]  # [n]
Triple = tuple[float, float, float]


class Source(ABC):
    """One kind of data set; a subclass per kind.

    Args:
        name: As the user wrote it, for messages.
        options: Option name -> value; those in `options.COMMON` and the subclass' `own_options`.
        image_size: Height and width in pixels to resize to; None: the kind's own.

    Raises:
        UserError: An option or the size is not one that the kind takes.
    """

    own_options: ClassVar[tuple[str, ...]] = ()
    mean: Triple | None = None  # None: computed from the training images
    std: Triple | None = None
    padding: int = 4
    flip: bool = True
    default_size: int = 32  # of sets whose images are all of one size

    def __init__(self, name: str, options: Mapping[str, Any], image_size: int | None) -> None:
        check_options(name, options, self.own_options)
        if image_size is not None and image_size < 1:
            raise UserError(f"dataset {name}: image_size must be at least 1 pixel, not {image_size}.")
        self.name, self.options, self.image_size = name, options, image_size
        self.mean = tuple(options["mean"]) if "mean" in options else self.mean
        self.std = tuple(options["std"]) if "std" in options else self.std
        self.padding = options.get("padding", self.padding)
        self.flip = options.get("flip", self.flip)

    @property
    def size(self) -> int:
        """Height and width in pixels of a set whose images are all of one size."""
        return self.image_size or self.default_size

    @abstractmethod
    def describe(self) -> Description:
        """The description, cheaply.

        Raises:
            UserError: What is known to be missing or wrong without decoding an image.
        """

    @abstractmethod
    def read(self) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        """The training and the test images, resized and limited to the description's numbers.

        Raises:
            UserError: A file is missing, damaged or cannot be read.
        """

    def fingerprint(self, data: object, image_size: int) -> str:
        """The fingerprint of the data (anything that JSON holds) and of the options."""
        named = self.options.items()  # class names change no number, and false is what a flag is anyway
        options = {name: value for name, value in named if name != "classes" and value is not False}
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
            UserError: Fewer than two classes, or a class without training or test images.
        """
        if len(classes) < 2:
            raise UserError(f"dataset {self.name}: it has {len(classes)} classes, but a network needs 2.")
        for part, labels in (("training", train), ("test", test)):
            empty = np.flatnonzero(np.bincount(labels, minlength=len(classes)) == 0)
            if len(empty):
                name = classes[empty[0]]
                alike = [other for other in classes if other != name and _folded(other) == _folded(name)]
                hint = f", or is it {alike[0]!r}?" if alike else "."
                raise UserError(
                    f"dataset {self.name}: class {name!r} has no {part} images; add some, or leave the class out{hint}"
                )


def _folded(name: str) -> str:
    """A name without what is easily overlooked: case, spaces around it, and how Unicode writes its accents."""
    return unicodedata.normalize("NFKC", name).strip().casefold()
