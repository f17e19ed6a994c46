"""CIFAR-10, CIFAR-100 and SVHN, downloaded and verified through torchvision."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from nemo.datasets.description import Description
from nemo.datasets.source import ArraySource, Images, Labels, Triple
from nemo.datasets.superclasses import COARSE_OF_FINE, FINE_CLASSES, SUPERCLASSES
from nemo.errors import UserError
from nemo.image_size import ImageSize

_CIFAR_CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_CIFAR_MEAN, _CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)


@dataclass(frozen=True)
class Known:
    """What is known of one set without its files: torchvision's checksum of each archive, and the numbers."""

    archives: Mapping[str, str]  # part -> MD5
    classes: tuple[str, ...]
    sizes: Mapping[str, int]  # part -> images
    mean: Triple
    std: Triple
    even: bool = False  # whether it has as many images of each class


CIFAR10 = Known(
    {"archive": "c58f30108f718f92721af3b95e74349a"},
    _CIFAR_CLASSES,
    {"train": 50_000, "test": 10_000},
    _CIFAR_MEAN,
    _CIFAR_STD,
    even=True,
)
CIFAR100 = Known(
    {"archive": "eb9058c3a382ffc7106e4002c42a8d85"},
    FINE_CLASSES,
    {"train": 50_000, "test": 10_000},
    _CIFAR_MEAN,
    _CIFAR_STD,
    even=True,
)
SVHN = Known(
    {
        "train": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "test": "eb5a983be6a315427106f1b164d9cef3",
        "extra": "a93ce644f1a588dc4d68dda5feec44a7",
    },
    tuple("0123456789"),
    {"train": 73_257, "test": 26_032, "extra": 531_131},
    (0.485, 0.456, 0.406),
    (0.229, 0.224, 0.225),
)


class TorchvisionSource(ArraySource):
    """One of torchvision's sets (method.md 4.2: normalisation, padding 4, flip; SVHN is flipped too, for parity).

    Args:
        name, options, image_size: As for every source.
        root: Folder that holds, or gets, torchvision's files.
    """

    known: Known

    def __init__(self, name: str, options: Mapping[str, Any], image_size: ImageSize | None, root: Path) -> None:
        self.mean, self.std = self.known.mean, self.known.std
        super().__init__(name, options, image_size)
        self.root = root

    def _label(self) -> str:
        return self.name

    def _classes(self) -> tuple[str, ...]:
        return self.known.classes

    def _train_parts(self) -> tuple[str, ...]:
        return ("train",)

    def _part(self, part: str, root: Path, download: bool) -> tuple[Images, Labels]:
        """One part at its own size; raises whatever torchvision raises."""
        raise NotImplementedError

    def _files(self, part: str) -> tuple[dict[str, str], dict[str, str]]:
        """File under the root -> MD5: the files that are read, and the archive from which they may be unpacked."""
        raise NotImplementedError

    def describe(self) -> Description:
        available = sum(self.known.sizes[part] for part in self._train_parts())
        return Description(
            name=self._label(),
            classes=self._classes(),
            image_size=self.size,
            train_size=self.limit("train", available),
            test_size=self.limit("test", self.known.sizes["test"]),
            fingerprint=self.fingerprint({"md5": dict(self.known.archives)}, self.size),
            counts=self._counts("train"),
            test_counts=self._counts("test"),
        )

    def _counts(self, part: str) -> tuple[int, ...] | None:
        """Images of each class, of sets that have as many of each; None of some of the images."""
        if not self.known.even or f"{part}_images" in self.options:
            return None
        return (self.known.sizes[part] // len(self._classes()),) * len(self._classes())

    def arrays(self) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        parts = [self._load(part) for part in self._train_parts()]
        images, labels = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        test_images, test_labels = self._load("test")
        train, test = self.limit("train", len(labels)), self.limit("test", len(test_labels))
        self.check_classes(self._classes(), labels[:train], test_labels[:test])
        return (images[:train], labels[:train]), (test_images[:test], test_labels[:test])

    def _load(self, part: str) -> tuple[Images, Labels]:
        from torchvision.datasets.utils import check_md5

        files, archive = self._files(part)
        for file, md5 in {**files, **archive}.items():
            path = self.root / file
            if path.is_file() and not check_md5(path, md5):
                raise UserError(
                    f"{path} is damaged (its checksum is not that of {self.name}); delete it and it will be downloaded "
                    "again, or put the original in its place."
                )
        if not all((self.root / file).is_file() for file in files):
            self._download(part, [*files, *archive])
        return self._part(part, self.root, download=False)

    def _download(self, part: str, files: list[str]) -> None:
        """Downloads and unpacks beside the root's files and moves what is complete.

        So a download that is cut off leaves no damaged file behind, and two processes may download at once.
        """
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.root, prefix="download-") as scratch:
                for file in files:
                    if (self.root / file).is_file():
                        (Path(scratch) / file).parent.mkdir(exist_ok=True)
                        shutil.copyfile(self.root / file, Path(scratch) / file)
                self._part(part, Path(scratch), download=True)
                for path in sorted(Path(scratch).rglob("*")):
                    target = self.root / path.relative_to(scratch)
                    if path.is_dir():
                        target.mkdir(exist_ok=True)
                    else:
                        os.replace(path, target)
        except (OSError, RuntimeError, EOFError) as error:  # urllib's errors are OSErrors
            raise UserError(
                f"{self.name} could not be downloaded to {self.root} ({error}); put {files[-1]} there yourself, or "
                "name the folder that has it as data_root in the study file or as $NEMO_DATA."
            ) from error


class CIFARSource(TorchvisionSource):
    """CIFAR-10: 50,000 + 10,000 images of 10 classes."""

    known = CIFAR10
    torchvision_name = "CIFAR10"

    def _files(self, part: str) -> tuple[dict[str, str], dict[str, str]]:
        from torchvision import datasets

        cls = getattr(datasets, self.torchvision_name)
        meta = [[cls.meta["filename"], cls.meta["md5"]]]
        files = {f"{cls.base_folder}/{file}": md5 for file, md5 in cls.train_list + cls.test_list + meta}
        return files, {cls.filename: cls.tgz_md5}

    def _part(self, part: str, root: Path, download: bool) -> tuple[Images, Labels]:
        from torchvision import datasets

        data = getattr(datasets, self.torchvision_name)(root, train=part == "train", download=download)
        return np.ascontiguousarray(data.data.transpose(0, 3, 1, 2)), np.asarray(data.targets, dtype=np.int64)


class CIFAR100Source(CIFARSource):
    """CIFAR-100: 50,000 + 10,000 images of 100 classes; option `coarse`: of their 20 superclasses."""

    known = CIFAR100
    torchvision_name = "CIFAR100"
    own_options = ("coarse",)

    def _label(self) -> str:
        return "cifar100-coarse" if self.options.get("coarse") else self.name

    def _classes(self) -> tuple[str, ...]:
        return tuple(SUPERCLASSES) if self.options.get("coarse") else FINE_CLASSES

    def _part(self, part: str, root: Path, download: bool) -> tuple[Images, Labels]:
        images, labels = super()._part(part, root, download)
        return images, np.asarray(COARSE_OF_FINE, dtype=np.int64)[labels] if self.options.get("coarse") else labels


class SVHNSource(TorchvisionSource):
    """SVHN: 73,257 + 26,032 house-number digits; option `extra`: 531,131 easier training images more."""

    known = SVHN
    own_options = ("extra",)

    def _label(self) -> str:
        return "svhn-extra" if self.options.get("extra") else self.name

    def _train_parts(self) -> tuple[str, ...]:
        return ("train", "extra") if self.options.get("extra") else ("train",)

    def _files(self, part: str) -> tuple[dict[str, str], dict[str, str]]:
        from torchvision import datasets

        _, file, md5 = datasets.SVHN.split_list[part]
        return {file: md5}, {}

    def _part(self, part: str, root: Path, download: bool) -> tuple[Images, Labels]:
        from torchvision import datasets

        data = datasets.SVHN(root, split=part, download=download)
        return np.ascontiguousarray(data.data), data.labels
