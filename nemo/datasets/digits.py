"""scikit-learn's 1,797 handwritten digits: real images that every installation has."""

from __future__ import annotations

import hashlib

import numpy as np

from nemo.datasets.description import Description
from nemo.datasets.source import ArraySource, Images, Labels
from nemo.datasets.splitting import quotas, stratify
from nemo.errors import UserError

SHA256 = "87ff0c9e40dc7e2c0e34e7257799c2e3f3aec1a016363bb11cad869ec428a826"
"""Of the 8 x 8 images followed by the labels, one byte each."""

_TRAIN, _TEST, _SPLIT = 1437, 360, "stratified-0"
_COUNTS = np.array([178, 182, 177, 183, 181, 182, 181, 179, 174, 180])  # images of each digit, in all


class Digits(ArraySource):
    """The digits: 8 x 8 grey values 0..16, resized, in three equal channels; a fixed stratified split of 1,437 / 360.

    Trained with shifts of 2 pixels and, since a mirrored digit is another sign, no flip.
    """

    mean = (0.3053, 0.3053, 0.3053)  # of the 8 x 8 images
    std = (0.3760, 0.3760, 0.3760)
    padding = 2
    flip = False

    def describe(self) -> Description:
        test = quotas(_COUNTS, _TEST)
        return Description(
            name=self.name,
            classes=tuple("0123456789"),
            image_size=self.size,
            train_size=self.limit("train", _TRAIN),
            test_size=self.limit("test", _TEST),
            fingerprint=self.fingerprint({"sha256": SHA256, "split": _SPLIT}, self.size),
            counts=None if "train_images" in self.options else tuple((_COUNTS - test).tolist()),
            test_counts=None if "test_images" in self.options else tuple(test.tolist()),
        )

    def arrays(self) -> tuple[tuple[Images, Labels], tuple[Images, Labels]]:
        from sklearn.datasets import load_digits

        digits = load_digits()
        raw, labels = digits.images.astype(np.uint8), digits.target.astype(np.int64)
        if hashlib.sha256(raw.tobytes() + labels.astype(np.uint8).tobytes()).hexdigest() != SHA256:
            raise UserError("dataset digits: scikit-learn's digits are not the known ones; reinstall scikit-learn.")
        grey = np.rint(raw * (255 / 16)).astype(np.uint8)
        images = np.repeat(grey[:, None], 3, axis=1)
        train, test = stratify(labels, _TEST, seed=0, what="dataset digits")
        train, test = train[: self.limit("train", _TRAIN)], test[: self.limit("test", _TEST)]
        self.check_classes(tuple("0123456789"), labels[train], labels[test])
        return (images[train], labels[train]), (images[test], labels[test])
