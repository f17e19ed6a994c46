"""How long networks take for one image, beside each other on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

import torch
from torch import Tensor

WARM_UP = 5


@torch.inference_mode()
def latencies(
    models: Mapping[str, Callable[[Tensor], Any]], images: Tensor, *, runs: int = 50, threads: int = 1
) -> dict[str, float]:
    """The median time of each model, in ms; they take turns, so that what else the machine does hits all alike.

    Args:
        models: Name -> what maps a batch on the CPU to anything; networks in eval mode.
        images: The batch `[B, 3, H, W]`.
        runs: Of each, after a few to warm up.
        threads: That torch may use; those of before are given back.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        taken: dict[str, list[float]] = {name: [] for name in models}
        for _ in range(WARM_UP + runs):
            for name, model in models.items():
                started = time.perf_counter()
                model(images)
                taken[name].append(1000 * (time.perf_counter() - started))
    finally:
        torch.set_num_threads(before)
    return {name: median(times[WARM_UP:]) for name, times in taken.items()}
