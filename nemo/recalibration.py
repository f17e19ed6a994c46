"""BatchNorm statistics of a module on its own images: what it was cut out of saw those of all classes."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from nemo.datasets.dataset import Dataset, some_of
from nemo.evaluation import BATCH
from nemo.loader import Loader
from nemo.modes import eval_mode


@torch.no_grad()
def recalibrate(
    module: nn.Module, subtask: Dataset, images: int, *, seed: int, device: torch.device | str = "cpu"
) -> bool:
    """Replaces the running statistics of every BatchNorm by those of some training images, without a gradient.

    The images go through once, without augmentation; a module without BatchNorm stays as it is.

    Args:
        module: On `device`; changed in place, its mode and its momenta are given back.
        subtask: Its images of the module's classes.
        images: How many training images to draw, at least 2: one has no spread; all, where there are fewer.
        seed: Of the draw.
        device: Where to run.

    Returns:
        Whether there was anything to replace.
    """
    norms = [layer for layer in module.modules() if isinstance(layer, _BatchNorm) and layer.track_running_stats]
    if not norms:
        return False
    drawn = some_of(subtask.train, images, seed=seed)
    size = -(-len(drawn) // -(-len(drawn) // BATCH))  # batches alike, for each counts as much
    momenta = [norm.momentum for norm in norms]
    with eval_mode(module):
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # a plain mean over the batches
            norm.train()
        for batch in Loader(drawn, dataset=subtask, batch_size=size, train=False, device=device).epoch():
            module(batch.images)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    return True
