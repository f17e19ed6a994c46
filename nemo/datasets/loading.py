"""Whether a data set's images are kept in memory or streamed."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from nemo.errors import UserError
from nemo.image_size import size_text

if TYPE_CHECKING:
    from nemo.datasets.description import Description
    from nemo.datasets.fit import Fit

Loading = Literal["memory", "stream"]

MEMORY_SHARE = 0.25
"""A data set whose images would take more than this share of the available memory is streamed, if it can be."""

_CGROUP = Path("/sys/fs/cgroup")
_GB = 2**30


def needed_memory(description: Description, fit: Fit) -> int:
    """Bytes that all images of a data set take; of those whose shapes are kept at most, unless they are very long."""
    return (description.train_size + description.test_size) * 3 * fit.pixels


def available_memory() -> int:
    """Bytes that new data may take on this machine, or in this container."""
    available = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    with suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        available = 1024 * int(next(line for line in lines if line.startswith("MemAvailable:")).split()[1])
    with suppress(OSError, ValueError):  # without a limit it is no number
        limit = int((_CGROUP / "memory.max").read_text())
        available = min(available, max(0, limit - int((_CGROUP / "memory.current").read_text())))
    return available


def choose_loading(
    dataset: str, description: Description, fit: Fit, *, can_stream: bool, wanted: Loading | None
) -> tuple[Loading, str]:
    """How a data set is loaded, and the sentence about it; empty where it is kept in memory without being asked to.

    Args:
        dataset: As the user named it.
        description: What is known of it.
        fit: What is kept of an image.
        can_stream: Whether its images can be left where they lie.
        wanted: None chooses by size.

    Raises:
        UserError: It can't be streamed, but shall be; or it has to be in memory, and this machine has too little.
    """
    if wanted == "stream" and not can_stream:
        raise UserError(f"dataset {dataset}: has no files of images to stream, remove loading.")
    count, size = description.train_size + description.test_size, size_text((fit.height, fit.width))
    needed = needed_memory(description, fit)
    if wanted is None and can_stream:
        available = available_memory()
        if needed > MEMORY_SHARE * available:
            return "stream", (
                f"dataset {dataset}: its {count:,} images for {size} pixels would take {needed / _GB:,.1f} GB, more "
                f"than {MEMORY_SHARE:.0%} of the {available / _GB:,.1f} GB of memory that are available; they are "
                "streamed (loading: memory keeps them there)."
            )
    if wanted == "stream":
        return "stream", f"dataset {dataset}: its {count:,} images are streamed, as loading says."
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    if needed > memory:
        stream = ", or loading: stream" if can_stream else ""
        raise UserError(
            f"dataset {dataset}: {count:,} images of {size} pixels take {needed / _GB:,.0f} GB, this machine has "
            f"{memory / _GB:,.0f}; choose a smaller image_size, or fewer images with train_images{stream}."
        )
    return "memory", f"dataset {dataset}: its images are kept in memory, as loading says." if wanted else ""
