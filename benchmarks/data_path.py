"""Augmented training images per second: nemo's loader over a DataLoader with torchvision's transforms.

Both sides see the same images on one thread of one process, in turns; the ratio is of medians of process CPU time,
and beside it of the minima. Run it from the repository's root: `python benchmarks/data_path.py`.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable

import torch
import torchvision
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms

from nemo.datasets.dataset import Dataset, Split
from nemo.loader import Loader


class Pictures(torch.utils.data.Dataset[tuple[torch.Tensor, int]]):
    """The usual pipeline: a Pillow image per sample, transformed one by one."""

    def __init__(self, dataset: Dataset) -> None:
        self.images = dataset.train.images.permute(0, 2, 3, 1).numpy()
        self.labels = dataset.train.labels.tolist()
        self.transform = transforms.Compose(
            [
                transforms.RandomCrop(dataset.image_size, padding=dataset.padding),
                transforms.RandomHorizontalFlip(),
                transforms.ToTensor(),
                transforms.Normalize(dataset.mean, dataset.std),
            ]
        )

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.images[index])), self.labels[index]


def seconds(epoch: Callable[[], object]) -> float:
    """CPU seconds of this process for one epoch."""
    begin = time.process_time()
    epoch()
    return time.process_time() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--channels-last", action="store_true")
    args = parser.parse_args()

    torch.set_num_threads(1)
    split = Split(
        torch.randint(0, 256, (args.images, 3, args.size, args.size), dtype=torch.uint8),
        torch.randint(0, 10, (args.images,)),
    )
    classes = tuple("0123456789")
    dataset = Dataset("random", classes, split, split, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), 4, True, "")
    loader = Loader(split, dataset=dataset, batch_size=args.batch_size, train=True, channels_last=args.channels_last)
    usual = DataLoader(Pictures(dataset), batch_size=args.batch_size, shuffle=True)
    sides = {
        "nemo": lambda: [batch.size for batch in loader.epoch()],
        "torchvision": lambda: [len(labels) for _, labels in usual],
    }
    times: dict[str, list[float]] = {side: [] for side in sides}
    for side in sides.values():  # warm up
        side()
    for _ in range(args.repeats):
        for name, side in sides.items():
            times[name].append(seconds(side))

    print(
        f"{platform.processor() or platform.machine()}, Python {platform.python_version()}, "
        f"torch {torch.__version__}, torchvision {torchvision.__version__}, one thread"
    )
    print(f"{args.images} images of {args.size} x {args.size}, batches of {args.batch_size}, {args.repeats} repeats")
    for name, values in times.items():
        print(
            f"{name:12} {args.images / statistics.median(values):10,.0f} images per CPU second (median), "
            f"{args.images / min(values):10,.0f} (best)"
        )
    print(
        f"ratio        {statistics.median(times['torchvision']) / statistics.median(times['nemo']):10.1f} (medians), "
        f"{min(times['torchvision']) / min(times['nemo']):10.1f} (minima)"
    )


if __name__ == "__main__":
    main()
