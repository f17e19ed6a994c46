"""The batches that a search by gradient learns from: of all classes of a set, or of some drawn anew each time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from nemo.deriving.task import Task
from nemo.loader import Loader
from nemo.methods.method import Settings


def batches(task: Task, settings: Settings, *, union: bool = False) -> Iterator[tuple[Tensor, Tensor, list[int]]]:
    """Images `[B, 3, H, W]`, labels `[B]`, and the classes that they are of: places in the class set.

    Args:
        task: Its seed draws; an epoch shows every training image once.
        settings: `steps`, `batch_size` and `augment` of a method.
        union: Whether a batch has some of the classes alone, 2 to n of them, evenly drawn, and images of these.
    """
    n, size = len(task.rows), int(settings["batch_size"])
    loader = Loader(
        task.subtask.train,
        dataset=task.subtask,
        batch_size=max(2, size),
        train=True,
        augment=settings["augment"] == "yes",
        device=task.device,
    )
    generator = torch.Generator().manual_seed(task.seed)
    everywhere = torch.arange(len(loader.labels))
    left = everywhere[:0]
    for _ in range(int(settings["steps"])):
        chosen = list(range(n))
        if union:
            count = int(torch.randint(2, n + 1, (), generator=generator))
            chosen = sorted(torch.randperm(n, generator=generator)[:count].tolist())
            of_these = torch.isin(loader.labels.cpu(), torch.tensor(chosen)).nonzero().flatten()
            places = of_these[torch.randperm(len(of_these), generator=generator)[:size]]
        else:
            if len(left) < min(size, len(everywhere)):
                left = torch.cat([left, torch.randperm(len(everywhere), generator=generator)])
            places, left = left[:size], left[size:]
        places = places.to(loader.labels.device)
        yield loader.some(places), loader.labels[places].to(task.device), chosen
