"""What lies in a folder of images and is not read: counted, so that nothing is left out without a word."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".tif", ".tiff", ".gif")
"""Files with these names are read as images, whichever of the formats they are in."""

_SHOWN = 5


def is_taken(file: Path) -> bool:
    """Whether a file of a class's folder is one of its images, by its name."""
    return file.suffix.lower() in SUFFIXES and not file.name.startswith(".")


def leftovers(root: Path, parts: Mapping[str, Path]) -> str:
    """The sentence about everything in a data set's folder that is not read; empty where there is nothing.

    Args:
        root: The data set's folder.
        parts: The folders in it that hold the classes' folders.
    """
    found = _Found(root)
    if root not in parts.values():
        for entry in _entries(root):
            if entry not in parts.values():
                found.add(entry, "beside train and test")
    for part in parts.values():
        for entry in _entries(part):
            if not entry.is_dir() or entry.name.startswith("."):
                found.add(entry, "beside the classes' folders")
                continue
            for image in _entries(entry):
                if not is_taken(image):
                    found.add(image, "in folders within a class" if image.is_dir() else _format(image))
    return found.text


class _Found:
    """Counts files by the reason why they are not read."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._counts = Counter[str]()
        self._first: str | None = None

    def add(self, entry: Path, reason: str) -> None:
        """Counts a file, or all that a folder holds; what is hidden is counted as one."""
        count = 1
        if entry.name.startswith("."):
            reason = "hidden"
        elif entry.is_dir():
            unreadable: list[OSError] = []
            count = sum(len(files) for _, _, files in os.walk(entry, onerror=unreadable.append))
            self._counts["in folders that may not be read"] += len(unreadable)
        self._counts[reason] += count
        if self._first is None and count:
            self._first = entry.relative_to(self._root).as_posix()

    @property
    def text(self) -> str:
        counts = {reason: count for reason, count in self._counts.most_common() if count}
        if not counts:
            return ""
        total, shown = sum(counts.values()), list(counts.items())
        rest = sum(count for _, count in shown[_SHOWN:])
        reasons = [f"{count:,} {reason}" for reason, count in shown[:_SHOWN]] + [f"{rest:,} others"] * bool(rest)
        files = "1 file is" if total == 1 else f"{total:,} files are"
        return _printable(f"{files} not read: {', '.join(reasons)}; the first is {self._first}.")


def _printable(text: str) -> str:
    """The text with its line ends, control characters and bytes that are no UTF-8 as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir())


def _format(file: Path) -> str:
    return f"of the format {file.suffix.lower()}" if file.suffix else "without a format in their names"
