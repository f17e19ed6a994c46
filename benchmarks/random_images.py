"""Random images of CIFAR-10's size, for benchmarks to which it does not matter what is on them."""

from __future__ import annotations

import torch

from nemo.datasets.dataset import Dataset, Split

CLASSES = 10


def random_images(train: int, test: int, size: int = 32) -> Dataset:
    """So many `size` x `size` images, every class in turn; cropped and mirrored like CIFAR-10's."""
    generator = torch.Generator().manual_seed(0)
    splits = [
        Split(
            torch.randint(0, 256, (images, 3, size, size), dtype=torch.uint8, generator=generator),
            torch.arange(images) % CLASSES,
        )
        for images in (train, test)
    ]
    classes = tuple(map(str, range(CLASSES)))
    return Dataset("random", classes, *splits, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 4, True, "")
