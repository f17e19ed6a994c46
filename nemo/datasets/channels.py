"""The mean and deviation of the channels of training images, by which all are normalised."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nemo.datasets.options import OPTIONS

Triple = tuple[float, float, float]


def channels(chunks: Iterable[NDArray[np.uint8]]) -> tuple[Triple, Triple]:
    """Mean and deviation of each channel, of values scaled to 0..1; the deviation of a constant channel is 1.

    Args:
        chunks: Some images each, `[n, 3, H, W]`.
    """
    values = np.arange(256) / 255
    counts = np.zeros((3, 256))  # exact, and small
    for images in chunks:
        for channel in range(3):
            counts[channel] += np.bincount(images[:, channel].reshape(-1), minlength=256)
    means = [float(n @ values / n.sum()) for n in counts]
    stds = [float(np.sqrt(n @ (values - m) ** 2 / n.sum())) for n, m in zip(counts, means, strict=True)]
    red, green, blue = means
    stds = [value or 1.0 for value in stds]  # a constant channel stays zero instead of dividing by it
    return (red, green, blue), (stds[0], stds[1], stds[2])


def kept_channels(file: Path, chunks: Iterable[NDArray[np.uint8]]) -> tuple[Triple, Triple]:
    """`channels`, taken once: of images that are streamed that is a pass over all of them.

    Args:
        file: Where they are kept; named by the data.
        chunks: See `channels`.
    """
    with suppress(OSError, ValueError, KeyError, TypeError):
        known = json.loads(file.read_text())
        if all(OPTIONS[name].accepts(known[name]) for name in ("mean", "std")):
            return tuple(known["mean"]), tuple(known["std"])
    mean, std = channels(chunks)
    with suppress(OSError):  # it is only the time of the next pass that is lost
        file.parent.mkdir(parents=True, exist_ok=True)
        written = file.with_suffix(f".{os.getpid()}")
        written.write_text(json.dumps({"mean": mean, "std": std}))
        os.replace(written, file)
    return mean, std
