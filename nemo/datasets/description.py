"""What is known of a data set before it is loaded: enough to plan a study, and without torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass


@dataclass(frozen=True)
class Description:
    """A data set as a plan sees it.

    Attributes:
        name: The short name that reports show ("cifar100-coarse", a folder's own name for files).
        classes: Class names; the index is the label.
        image_size: The size of an input: height and width in pixels, one number of square images; of texts the tokens
            of the longest, as a tuple of one.
        train_size: Training images.
        test_size: Test images.
        fingerprint: SHA-256 (hex) of everything that changes the tensors or their augmentation; enters steps' keys.
        counts: Training images of each class; None of sets whose labels are not known before they are loaded.
        test_counts: Test images of each class, likewise.
        vocabulary: Of texts one more than the highest number of a token.
        mean, std: Of each channel, of values scaled to 0..1; None where they are computed when the images are read,
            and of texts.
        notes: What is not read, or otherwise than it lies there; a sentence each, that begins with the data set.
    """

    name: str
    classes: tuple[str, ...]
    image_size: int | tuple[int, ...]
    train_size: int
    test_size: int
    fingerprint: str
    counts: tuple[int, ...] | None = None
    notes: tuple[str, ...] = ()
    vocabulary: int | None = None
    test_counts: tuple[int, ...] | None = None
    mean: tuple[float, float, float] | None = None
    std: tuple[float, float, float] | None = None


def fingerprint(**parts: object) -> str:
    """SHA-256 (hex) of the canonical JSON of the parts."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
