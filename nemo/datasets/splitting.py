"""The stratified split, on labels alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nemo.errors import UserError

Labels = NDArray[np.int64]


def quotas(counts: Labels, held: int) -> Labels:
    """How many images `stratify` holds out of each class.

    Args:
        counts: Images of each class, at least two.
        held: Images to hold out in all.
    """
    quota = counts * held / counts.sum()
    take = np.clip(np.floor(quota).astype(np.int64), 1, counts - 1)
    for index in np.argsort(take - quota, kind="stable"):
        if take.sum() >= held:
            break
        take[index] += take[index] < counts[index] - 1
    return take


def stratify(
    labels: Labels, held: int, seed: int, what: str, names: Sequence[str] | None = None
) -> tuple[Labels, Labels]:
    """Holds out images of every class in proportion.

    Each class gives its share of the held-out images (largest remainders first, ties to the lower label), at least
    one and never all of its images. The draw depends on the labels, `held` and `seed` alone: numpy's legacy generator
    is frozen, so the split is the same with every version.

    Args:
        labels: `[n]`.
        held: Images to hold out; more where every class' one image asks for more.
        seed: Seed of the draw.
        what: What is split, for the message.
        names: The classes' names, for the message; numbers where they are not known.

    Returns:
        The kept and the held-out indices, ascending.

    Raises:
        UserError: A class has one image only.
    """
    classes, counts = np.unique(labels, return_counts=True)
    if counts.min() < 2:
        single = int(classes[counts.argmin()])
        raise UserError(
            f"{what}: class {single if names is None else repr(names[single])} has a single image, which cannot be on "
            "both sides of a split; add images to it or leave the class out."
        )
    take = quotas(counts, held)
    draw = np.random.RandomState(seed)
    chosen = [draw.permutation(np.flatnonzero(labels == c))[:n] for c, n in zip(classes, take, strict=True)]
    is_held = np.zeros(len(labels), dtype=bool)
    is_held[np.concatenate(chosen)] = True
    return np.flatnonzero(~is_held), np.flatnonzero(is_held)
