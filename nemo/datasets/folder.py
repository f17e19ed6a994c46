"""A folder of images with one sub-folder per class."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np

from nemo.datasets.description import Description
from nemo.datasets.files import FilesSource, content_sha256
from nemo.datasets.images import decode_all
from nemo.datasets.source import Images, Labels
from nemo.datasets.splitting import stratify
from nemo.errors import UserError

_SUFFIXES = (".png", ".jpg", ".jpeg")
_TEST_SHARE = 0.2  # where the folder has no train and test of its own


class FolderSource(FilesSource):
    """`PATH/train/<class>/*` and `PATH/test/<class>/*`, or `PATH/<class>/*` with a fixed stratified 80 / 20 split.

    The classes are the sub-folders in alphabetical order. The images come in one fixed shuffled order, so that the
    first n of them are a fair sample.
    """

    @cached_property
    def _parts(self) -> tuple[tuple[str, ...], dict[str, tuple[list[Path], Labels]]]:
        """The classes, and for "train" and "test" the files and their labels."""
        roots = {part: self.path / part for part in ("train", "test") if (self.path / part).is_dir()}
        if len(roots) == 1:
            missing = ({"train", "test"} - roots.keys()).pop()
            raise UserError(f"dataset {self.name}: {self.path} has no folder {missing!r}; add it.")
        roots = roots or {"all": self.path}
        classes = tuple(sorted({entry.name for root in roots.values() for entry in _folders(root)}))
        parts = {part: _shuffled(*_list(root, classes)) for part, root in roots.items()}
        if "all" in parts:
            files, labels = parts.pop("all")
            self.check_classes(classes, labels, labels)
            split = stratify(labels, round(_TEST_SHARE * len(labels)), seed=0, what=f"dataset {self.name}")
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
        digests = {
            part: [(file.relative_to(self.path).as_posix(), content_sha256(file)) for file in files]
            for part, (files, _) in parts.items()
        }
        size = self._size()
        return Description(
            name=self.label,
            classes=classes,
            image_size=size,
            train_size=len(parts["train"][0]),
            test_size=len(parts["test"][0]),
            fingerprint=self.fingerprint({"folder": digests}, size),
        )

    def read(self) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        size = self._size()
        parts = self._parts[1]
        train, test = (
            (decode_all([file.read_bytes for file in files], size, [str(file) for file in files]), labels)
            for files, labels in (parts["train"], parts["test"])
        )
        return train, test

    def _size(self) -> int:
        first = self._parts[1]["train"][0][0]
        return self.size_of(first.read_bytes, str(first))


def _folders(root: Path) -> list[Path]:
    return [entry for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith(".")]


def _list(root: Path, classes: tuple[str, ...]) -> tuple[list[Path], Labels]:
    files, labels = [], []
    for label, name in enumerate(classes):
        folder = root / name
        entries = sorted(folder.iterdir()) if folder.is_dir() else []
        images = [file for file in entries if file.suffix.lower() in _SUFFIXES and not file.name.startswith(".")]
        files += images
        labels += [label] * len(images)
    return files, np.asarray(labels, dtype=np.int64)


def _shuffled(files: list[Path], labels: Labels) -> tuple[list[Path], Labels]:
    order = np.random.RandomState(0).permutation(len(files))
    return [files[i] for i in order], labels[order]
