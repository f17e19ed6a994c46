"""Batches: sharded over workers, of images augmented a batch or an image at a time, of texts about one length.

Images in a tensor stay uint8 on the device. A crop is read through overlapping windows of one row each, so that it
costs one copy of its bytes (performance.md, "Data").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from nemo.datasets.dataset import Dataset, Split
from nemo.datasets.pictures import Pictures, as_pictures
from nemo.datasets.tokenized import Tokenized, bucketed
from nemo.errors import UserError
from nemo.recipe import Augment, augmentation
from nemo.sampling import Sampler, Task


@dataclass(frozen=True)
class Batch:
    """One worker's share of one global batch.

    Attributes:
        images: float32 `[b, 3, H, W]`, normalised, on the device; or texts, int64 `[b, T]`, see `nemo.tokens`.
        labels: int64 `[b]`, on the device.
        size: Images in the global batch, over all workers.
        counts: Images of each worker in this batch; they add up to `size`. A worker that counts 0 is given the first
            images of the global batch, which must not count, so that it takes part in collective operations.
    """

    images: Tensor
    labels: Tensor
    size: int
    counts: tuple[int, ...]


@dataclass(frozen=True)
class Draws:
    """What one epoch draws, for each position of its order.

    Attributes:
        order: int64 `[n]`, the image at each position.
        top: int64 `[n]`, first row of the crop in the padded image.
        left: int64 `[n]`, first column of the crop.
        mirrored: bool `[n]`.
        seeds: int64 `[n]`, of what is drawn for each image alone.
    """

    order: Tensor
    top: Tensor
    left: Tensor
    mirrored: Tensor
    seeds: Tensor

    def at(self, positions: slice) -> Draws:
        """Those of some positions."""
        return Draws(*(getattr(self, field.name)[positions] for field in fields(self)))


@dataclass(frozen=True)
class _Share:
    """What one worker takes of a global batch of `size` images: positions in the epoch's order."""

    mine: slice
    size: int
    counts: tuple[int, ...]


_SEEDS = 2**62


def draw(n: int, padding: int, flip: bool, seed: int, epoch: int) -> Draws:
    """Draws an epoch of n images; depends on its arguments alone, not on device or workers."""
    state = np.random.SeedSequence([seed, epoch]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) >> 1)
    order = torch.randperm(n, generator=generator)
    top, left = torch.randint(0, 2 * padding + 1, (2, n), generator=generator)
    mirrored = torch.rand(n, generator=generator) < (0.5 if flip else 0.0)
    seeds = torch.randint(0, _SEEDS, (n,), generator=generator)  # last, for it came last
    return Draws(order, top, left, mirrored, seeds)


def _tasks(draws: Draws) -> list[Task]:
    columns = (getattr(draws, field.name).tolist() for field in fields(draws))
    return [Task(*row) for row in zip(*columns, strict=True)]


def augment(images: Tensor, top: Tensor, left: Tensor, mirrored: Tensor, padding: int) -> Tensor:
    """Crops and mirrors a batch, as torchvision's RandomCrop (black padding) and RandomHorizontalFlip would.

    Args:
        images: uint8 `[b, C, H, W]`.
        top: int64 `[b]`, first row of the crop in the padded image.
        left: int64 `[b]`, first column of the crop.
        mirrored: bool `[b]`.
        padding: Pixels.

    Returns:
        uint8 `[b, C, H, W]`.
    """
    b, c, h, w = images.shape
    if padding:
        padded = F.pad(images, (padding,) * 4)  # [b, C, H', W']
        height, width = padded.shape[2:]
        windows = padded.view(-1).as_strided((padded.numel() - w + 1, w), (1, 1))  # a row of w pixels from any pixel on
        channel = torch.arange(b * c, device=images.device).view(b, c, 1) * height
        row = channel + torch.arange(h, device=images.device) + top.view(b, 1, 1)  # [b, C, H]
        images = windows.index_select(0, (row * width + left.view(b, 1, 1)).view(-1)).view(b, c, h, w)
    both = torch.stack([images, images.flip(3)], dim=1).view(2 * b, c * h * w)  # rows copy faster than `where`
    return both.index_select(0, torch.arange(0, 2 * b, 2, device=images.device) + mirrored).view(b, c, h, w)


def share_counts(size: int, world: int, least: int) -> tuple[int, ...]:
    """How a global batch is shared: as equal as possible, larger shares first, none but the last of 0 below `least`."""
    active = max(1, min(world, size // least))
    return tuple(size // active + (rank < size % active) if rank < active else 0 for rank in range(world))


class Loader:
    """The batches of a split: of a tensor of images a batch at a time, of pictures an image at a time, or of texts.

    Training batches are shuffled and augmented by draws that depend on the seed and the epoch alone: any number of
    workers sees the same global batches, and an epoch that is run again the same images. Each global batch is cut into
    contiguous shares of at least 2 images, since BatchNorm cannot train on one; a last batch of a single image is
    dropped. Evaluation goes through the images in order. Texts are padded to the longest of their global batch, and in
    training batches are made of texts of about one length.

    Args:
        split: The images.
        dataset: Whose normalisation and augmentation apply.
        batch_size: Images in a global batch.
        train: Shuffled and augmented, or in order.
        augment: What is done to images of training, see `nemo.recipe.Augment`; True and False are `crop` and `none`.
        seed: Seed of the draws.
        device: Where the batches are wanted. The images are kept there too, unless that takes half of its free memory.
        channels_last: Memory format of the batches.
        rank: This worker.
        world: Number of workers.

    Images that are streamed are read by as many worker processes as torch uses threads here.

    Raises:
        UserError: Training in batches of fewer than 2 images.
    """

    def __init__(
        self,
        split: Split,
        *,
        dataset: Dataset,
        batch_size: int,
        train: bool,
        augment: bool | Augment = True,
        seed: int = 0,
        device: str | torch.device = "cpu",
        channels_last: bool = False,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        if train and batch_size < 2:
            raise UserError(f"recipe: batch_size is {batch_size}, but BatchNorm needs at least 2 images to train on.")
        self.device = torch.device(device)
        self.augment: Augment = augmentation(augment) if train else "none"
        self.batch_size, self.train, self.seed = batch_size, train, seed
        self.padding = dataset.padding if self.augment in ("crop", "trivial") else 0
        self.flip = dataset.flip and self.augment != "none"
        self.rank, self.world = rank, world
        self.images, self.home = split.images, torch.device("cpu")
        self._sampler: Sampler | None = None
        if isinstance(self.images, Tokenized):
            self.padding, self.flip = 0, False
        elif isinstance(self.images, Pictures) or self.augment in ("imagenet", "trivial"):
            pictures = as_pictures(self.images)
            processes = process_count(pictures, batch_size)
            pinned = self.device.type == "cuda"
            self._sampler = Sampler(pictures, self.augment, self.padding, processes, pinned=pinned)
        else:
            self.home = _home(self.images, self.device)
            self.images = self.images.to(self.home)
        self.labels = split.labels.to(self.home)
        self.memory_format = torch.channels_last if channels_last else torch.contiguous_format
        mean, std = (torch.tensor(part, device=self.device).view(1, 3, 1, 1) for part in (dataset.mean, dataset.std))
        self._scale, self._shift = 1 / (255 * std), -mean / std

    def __len__(self) -> int:
        """Global batches in an epoch."""
        batches, rest = divmod(len(self.labels), self.batch_size)
        return batches + (rest > (1 if self.train else 0))

    def epoch(self, epoch: int = 0) -> Iterator[Batch]:
        """The batches of one epoch, for this worker.

        Args:
            epoch: Which epoch's draws; evaluation has none.
        """
        draws = None
        if self.train:  # one transfer an epoch, so that no batch waits for the host
            drawn = self._draw(epoch)
            draws = Draws(*(getattr(drawn, field.name).to(self.home) for field in fields(Draws)))
        shares = [self._share(index) for index in range(len(self))]
        for share, (images, labels) in zip(shares, self._taken([share.mine for share in shares], draws), strict=True):
            yield Batch(self._normalise(images), labels.to(self.device, non_blocking=True), share.size, share.counts)

    def _draw(self, epoch: int) -> Draws:
        drawn = draw(len(self.labels), self.padding, self.flip, self.seed, epoch)
        if not isinstance(self.images, Tokenized):
            return drawn
        generator = torch.Generator().manual_seed(int(drawn.seeds[0]))
        return replace(drawn, order=bucketed(self.images.lengths, drawn.order, self.batch_size, generator))

    def _share(self, index: int) -> _Share:
        """This worker's share of a global batch."""
        begin = index * self.batch_size
        size = min(self.batch_size, len(self.labels) - begin)
        counts = share_counts(size, self.world, 2 if self.train else 1)
        mine = counts[self.rank]
        start = begin + (sum(counts[: self.rank]) if mine else 0)
        return _Share(slice(start, start + (mine or min(2, size))), size, counts)

    def some(self, places: Tensor) -> Tensor:
        """Some images, normalised, and augmented as in training by draws from torch's random state.

        Args:
            places: int64 `[b]` in the split, on the device that holds its images.
        """
        if isinstance(self.images, Tokenized):
            return self.images.batch(places).to(self.device)
        top = left = torch.zeros(len(places), dtype=torch.int64)
        mirrored = torch.zeros(len(places), dtype=torch.bool)
        if self.padding or self.flip:
            top, left = torch.randint(0, 2 * self.padding + 1, (2, len(places)), device=self.home)
            mirrored = torch.rand(len(places), device=self.home) < (0.5 if self.flip else 0.0)
        if self._sampler is not None:
            random = self.augment in ("imagenet", "trivial")
            seeds = torch.randint(0, _SEEDS, (len(places),)) if random else torch.zeros_like(places)
            return self._normalise(self._sampler.batch(_tasks(Draws(places, top, left, mirrored, seeds))))
        assert isinstance(self.images, Tensor)
        images = self.images.index_select(0, places)
        if self.padding or self.flip:
            images = augment(images, top, left, mirrored, self.padding)
        return self._normalise(images)

    def _taken(self, positions: Sequence[slice], draws: Draws | None) -> Iterator[tuple[Tensor, Tensor]]:
        """The (augmented) uint8 images and the labels at some positions of the epoch, a batch each."""
        if self._sampler is None:
            for each in positions:
                yield self._take(each, draws)
            return

        def tasks(number: int) -> list[Task]:
            here = positions[number]
            return [Task(each) for each in range(here.start, here.stop)] if draws is None else _tasks(draws.at(here))

        for here, images in zip(positions, self._sampler.batches(len(positions), tasks), strict=True):
            yield images, self.labels[here if draws is None else draws.order[here]]

    def _take(self, positions: slice, draws: Draws | None) -> tuple[Tensor, Tensor]:
        if isinstance(self.images, Tokenized):
            return self._texts(self.images, positions, draws)
        assert isinstance(self.images, Tensor)
        if draws is None:
            return self.images[positions], self.labels[positions]
        chosen = draws.order[positions]
        images, labels = self.images.index_select(0, chosen), self.labels.index_select(0, chosen)
        if self.padding or self.flip:
            images = augment(
                images, draws.top[positions], draws.left[positions], draws.mirrored[positions], self.padding
            )
        return images, labels

    def _texts(self, texts: Tokenized, positions: slice, draws: Draws | None) -> tuple[Tensor, Tensor]:
        """Padded as the global batch is: a text's neighbours on other workers change nothing."""
        whole = positions.start // self.batch_size * self.batch_size
        batch = slice(whole, min(whole + self.batch_size, len(texts)))
        if draws is None:
            chosen, around = torch.arange(positions.start, positions.stop), torch.arange(batch.start, batch.stop)
        else:
            chosen, around = draws.order[positions].cpu(), draws.order[batch].cpu()
        width = int(texts.lengths_at(around).max())
        return texts.batch(chosen, width), self.labels[chosen.to(self.labels.device)]

    def _normalise(self, images: Tensor) -> Tensor:
        if not isinstance(self.images, Tensor | Pictures):
            return images.to(self.device, non_blocking=True)
        floats = images.to(self.device, non_blocking=True).to(torch.float32)
        return floats.mul_(self._scale).add_(self._shift).contiguous(memory_format=self.memory_format)


def process_count(pictures: Pictures, batch_size: int) -> int:
    """How many processes read pictures: none for what is in memory, or for a single batch."""
    batches = -(-len(pictures) // batch_size)
    return min(torch.get_num_threads(), batches) if pictures.store.streams and batches > 1 else 0


def _home(images: Tensor, device: torch.device) -> torch.device:
    """Where the images are kept: on the device, or on the host where they would take half of a GPU's free memory."""
    if device.type == "cuda" and images.device != device:
        free, _ = torch.cuda.mem_get_info(device)
        if images.numel() > free // 2:
            return torch.device("cpu")
    return device
