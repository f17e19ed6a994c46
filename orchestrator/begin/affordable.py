"""What a first study may cost on a machine without a GPU: an image size and a width that train in an evening."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HOURS = 4.0
"""CPU hours that the trainings of a first study may take where there is no GPU."""

_RESNET18 = 0.56e9
"""Multiply-adds of a whole ResNet18 on an image of 32 x 32 pixels; they grow with the pixels and the width's square
(`nemo.count_flops`)."""

_PASSES = 3.0
"""Passes that learning from an image costs: one forward, and about two backward."""

_METHODS = 2.3
"""What `standard` and `nemo` cost together, by the former: masks cost about a third (`docs/results.md`)."""

_PER_SECOND = 12e9
"""Multiply-adds a second of one CPU core: ResNet18 x0.25 took 0.54 s for 128 images of 32 pixels on two."""

_SIZES, _WIDTHS = (64, 48, 32), (0.5, 0.25)


@dataclass(frozen=True)
class Affordable:
    """A width of ResNet18, and a size of images.

    Attributes:
        image_size: Pixels of a side; None leaves the images as they are.
        hours: CPU hours of the trainings.
    """

    width: float
    image_size: int | None
    hours: float


def cpu_hours(width: float, pixels: int, images: int, epochs: int) -> float:
    """CPU hours of a first study's trainings with ResNet18, as far as FLOPs tell: it may be half or twice that.

    Args:
        width: Share of the whole network's.
        pixels: Of an image.
        images: To train on.
        epochs: Passes over them.
    """
    operations = _RESNET18 * pixels / 32**2 * width**2 * _PASSES * _METHODS * images * epochs
    return operations / _PER_SECOND / 3600


def affordable(size: tuple[int, int], images: int, epochs: int, sizes: Sequence[int] = _SIZES) -> Affordable:
    """The largest of some sizes and widths that train within `HOURS`, or the cheapest where none does.

    Images are made smaller before the network is made narrower.

    Args:
        size: Height and width of the images, in pixels.
        images: To train on.
        epochs: Passes over them.
        sizes: To which images may be made smaller.
    """
    fitting = [None, *(each for each in sizes if each < min(size))]
    found = [
        Affordable(width, side, cpu_hours(width, side * side if side else size[0] * size[1], images, epochs))
        for width in _WIDTHS
        for side in fitting
    ]
    return next((each for each in found if each.hours <= HOURS), min(found, key=lambda each: each.hours))
