"""Augmented training images per second: nemo's loader over a DataLoader with torchvision's transforms.

Both sides see the same images on one thread of one process, without worker processes.

    python benchmarks/data_path.py --save
"""

from __future__ import annotations

import statistics

import torch
from measuring import arguments, in_turns, ratio, report
from PIL import Image
from random_images import random_images
from torch.utils.data import DataLoader
from torchvision import transforms

from nemo.datasets.dataset import Dataset
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


def main() -> None:
    parser = arguments(__doc__, rounds=5)
    parser.add_argument("--images", type=int, default=5_000)
    parser.add_argument("--size", type=int, default=32, help="pixels")
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--channels-last", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    dataset = random_images(options.images, 1, options.size)
    batch_size, channels_last = options.batch_size, options.channels_last
    loader = Loader(dataset.train, dataset=dataset, batch_size=batch_size, train=True, channels_last=channels_last)
    usual = DataLoader(Pictures(dataset), batch_size=batch_size, shuffle=True)
    sides = {
        "nemo": lambda: [batch.size for batch in loader.epoch()],
        "torchvision": lambda: [len(labels) for _, labels in usual],
    }
    seconds = in_turns(sides, options.rounds)
    what = "images per second: nemo over torchvision"
    report("data_path", options, [ratio(what, seconds, "torchvision", "nemo", at_least=10)], {what: seconds})
    for side, values in seconds.items():
        print(f"\n{side}: {options.images / statistics.median(values):,.0f} images per CPU second (median)", end="")
    print()


if __name__ == "__main__":
    main()
