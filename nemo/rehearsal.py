"""Training what is going to be cut: beside every batch, some more images go through the network as a module.

A module is the network with the sample masks of each image replaced by one constant: the union of its classes' module
masks (method.md 6.1). From some epoch on, each step draws a sub-task, takes images of its classes, and sends them
through exactly that network, normalised by their own statistics, as a module is whose BatchNorm is recalibrated when it
is cut. The batch itself goes through as published, and the running statistics are its alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from nemo.datasets.dataset import Dataset, Split
from nemo.distributed import Workers
from nemo.evaluation import BATCH
from nemo.loader import Loader
from nemo.modes import eval_mode

_THRESHOLDS = (0.5, 0.95)
"""A step rehearses at a threshold between these; what is cut at another one has not been rehearsed."""


@dataclass(frozen=True)
class Rehearsed:
    """What goes through the network as one module.

    Attributes:
        images: Normalised, `[R, 3, H, W]`.
        labels: Their classes `[R]`.
        kept: Per site what the module keeps, `[R, K_l]` of 1 and 0 with equal rows.
    """

    images: Tensor
    labels: Tensor
    kept: list[Tensor]


class Rehearsal:
    """Draws what a training rehearses.

    Args:
        images: The training images.
        dataset: Tells how they are normalised, and the classes.
        count: R, the images of a step on this worker.
        loader: The training's own: augments and normalises.
        workers: This worker's place among those of one training.

    Attributes:
        frequencies: Per site, float32 `[N, K_l]`: the share of a class's images to which a kernel is relevant, by the
            network at the beginning of the epoch; empty where nobody rehearses yet.
    """

    def __init__(self, images: Split, dataset: Dataset, count: int, loader: Loader, workers: Workers) -> None:
        self.count = count
        self.frequencies: list[Tensor] = []
        self._dataset, self._split, self._loader, self._workers = dataset, images, loader, workers
        self._classes = len(dataset.classes)
        home = loader.home
        labels = images.labels.to(home)
        self._order = labels.argsort(stable=True)
        self._sizes = torch.bincount(labels, minlength=self._classes)
        self._starts = self._sizes.cumsum(0) - self._sizes

    @torch.no_grad()
    def observe(self, network: nn.Module) -> None:
        """Takes the frequencies from a pass over the training images, as modularizing does (method.md 5.1)."""
        workers = self._workers
        sums: list[Tensor] = []
        loader = Loader(
            self._split,
            dataset=self._dataset,
            batch_size=BATCH,
            train=False,
            device=self._loader.device,
            rank=workers.rank,
            world=workers.world,
        )
        with eval_mode(network):
            for batch in loader.epoch():
                own = batch.counts[workers.rank]
                members = batch.labels[:own, None] == torch.arange(self._classes, device=batch.labels.device)
                relevant = [members.T.float() @ (mask[:own] > 0).float() for mask in network(batch.images)[1]]
                sums = relevant if not sums else [a + b for a, b in zip(sums, relevant, strict=True)]
        samples = self._sizes.to(self._loader.device).clamp_min(1)
        self.frequencies = [workers.sum(each) / samples[:, None] for each in sums]

    def draw(self) -> Rehearsed:
        """A sub-task and images of it, from torch's random state, without reading anything back to the host.

        Its size lies anywhere between 2 and N on a logarithmic scale, so that small ones are met among 100 classes too.
        """
        home, device = self._order.device, self._loader.device
        others = torch.rand(self._classes, device=home)
        chance = float(self._classes - 1) ** (torch.rand((), device=home) - 1)
        members = (others < chance) | (others <= others.kthvalue(2).values)  # two at least
        labels = torch.multinomial((members & (self._sizes > 0)).float(), self.count, replacement=True)
        places = self._starts[labels] + (torch.rand(self.count, device=home) * self._sizes[labels]).long()
        images = self._loader.some(self._order[places])
        least, most = _THRESHOLDS
        threshold = least + (most - least) * torch.rand((), device=device)
        members = members.to(device, non_blocking=True)
        kept = []
        for frequency in self.frequencies:
            # A layer that reaches no threshold keeps its most frequent kernels, much as `module_masks` has it.
            modules = frequency >= torch.minimum(threshold, frequency.amax(1, keepdim=True))
            kept.append((modules & members[:, None]).any(0).float().expand(self.count, -1))
        return Rehearsed(images, labels.to(device, non_blocking=True), kept)
