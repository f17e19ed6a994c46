"""A folder of images with one sub-folder per class."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nemo.datasets.description import Description
from nemo.datasets.files import FilesSource, content, told_turned, upright
from nemo.datasets.fit import Fit
from nemo.datasets.image_files import ImageFiles
from nemo.datasets.images import decode_all, is_turned
from nemo.datasets.leftovers import is_taken, leftovers
from nemo.datasets.source import Images, Labels
from nemo.datasets.splitting import stratify
from nemo.errors import UserError

if TYPE_CHECKING:
    from nemo.datasets.pictures import Store

_TEST_SHARE = 0.2  # where the folder has no train and test of its own


class FolderSource(FilesSource):
    """`PATH/train/<class>/*` and `PATH/test/<class>/*`, or `PATH/<class>/*` with a fixed stratified 80 / 20 split.

    The classes are the sub-folders in alphabetical order. The images come in one fixed shuffled order, so that the
    first n of them are a fair sample.
    """

    @cached_property
    def _roots(self) -> dict[str, Path]:
        """The folders that hold the classes' folders: "train" and "test", or "all"."""
        roots = {part: self.path / part for part in ("train", "test") if (self.path / part).is_dir()}
        if len(roots) == 1:
            missing = ({"train", "test"} - roots.keys()).pop()
            raise UserError(f"dataset {self.name}: {self.path} has no folder {missing!r}; add it.")
        return roots or {"all": self.path}

    @cached_property
    def _parts(self) -> tuple[tuple[str, ...], dict[str, tuple[list[Path], Labels]]]:
        """The classes, and for "train" and "test" the files and their labels."""
        roots = self._roots
        classes = tuple(sorted({entry.name for root in roots.values() for entry in _folders(root)}))
        parts = {part: _shuffled(*_list(root, classes)) for part, root in roots.items()}
        if "all" in parts:
            files, labels = parts.pop("all")
            self.check_classes(classes, labels, labels)
            held = round(_TEST_SHARE * len(labels))
            split = stratify(labels, held, seed=0, what=f"dataset {self.name}", names=classes)
            parts = {
                part: ([files[i] for i in index], labels[index])
                for part, index in zip(("train", "test"), split, strict=True)
            }
        for part, (files, labels) in parts.items():
            n = self.limit(part, len(files))
            parts[part] = (files[:n], labels[:n])
        self.check_classes(classes, parts["train"][1], parts["test"][1])
        return classes, parts

    def describe(self) -> Description:
        classes, parts = self._parts
        digests: dict[str, list[tuple[str, str]]] = {"train": [], "test": []}
        turned = 0
        for part, (files, _) in parts.items():
            for file in files:
                data = content(file)
                digests[part].append((file.relative_to(self.path).as_posix(), hashlib.sha256(data).hexdigest()))
                turned += is_turned(data)
        size = self._size()
        return Description(
            name=self.label,
            classes=classes,
            image_size=size,
            train_size=len(parts["train"][0]),
            test_size=len(parts["test"][0]),
            fingerprint=self.fingerprint({"folder": digests, **upright(turned)}, size),
            counts=tuple(np.bincount(parts["train"][1], minlength=len(classes)).tolist()),
            test_counts=tuple(np.bincount(parts["test"][1], minlength=len(classes)).tolist()),
            notes=self.noted(leftovers(self.path, self._roots), told_turned(turned)),
        )

    def read(self, fit: Fit) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        parts = self._parts[1]
        train, test = (
            (decode_all([file.read_bytes for file in files], fit, [str(file) for file in files]), labels)
            for files, labels in (parts["train"], parts["test"])
        )
        return train, test

    def stores(self, fit: Fit) -> tuple[tuple[Store, Labels], tuple[Store, Labels]]:
        parts = self._parts[1]
        train, test = ((ImageFiles(files, self.path, fit), labels) for files, labels in (parts["train"], parts["test"]))
        return train, test

    def _size(self) -> int | tuple[int, ...]:
        first = self._parts[1]["train"][0][0]
        return self.size_of(first.read_bytes, str(first))


def _folders(root: Path) -> list[Path]:
    return [entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]


def _list(root: Path, classes: tuple[str, ...]) -> tuple[list[Path], Labels]:
    files, labels = [], []
    for label, name in enumerate(classes):
        folder = root / name
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        images = [file for file in entries if is_taken(file)]
        files += images
        labels += [label] * len(images)
    return files, np.asarray(labels, dtype=np.int64)


def _shuffled(files: list[Path], labels: Labels) -> tuple[list[Path], Labels]:
    order = np.random.RandomState(0).permutation(len(files))
    return [files[i] for i in order], labels[order]
