"""Units that are loud on the images of the classes: nothing is trained (method.md 9.4)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from nemo.deriving.magnitude import SPREADS, spread
from nemo.deriving.masked import heard
from nemo.deriving.task import Derivation, Task
from nemo.errors import UserError
from nemo.evaluation import BATCH
from nemo.graph.hooks import HookedSite
from nemo.loader import Loader
from nemo.methods.method import Method, Settings


def _check(settings: Settings) -> None:
    if not (settings["images"] >= 1 and float(settings["images"]).is_integer()):
        raise UserError(f"images: should be a whole number from 1 on, not {settings['images']:g}.")


@torch.no_grad()
def _scores(task: Task, settings: Settings) -> list[Tensor]:
    """The mean absolute activation of every unit on training images, drawn where there are more than `images`."""
    masked, train = task.masked, task.subtask.train
    generator = torch.Generator().manual_seed(task.seed)
    chosen = torch.randperm(len(train), generator=generator)[: int(settings["images"])]
    sums: dict[HookedSite, Tensor] = {}

    def listener(site: HookedSite) -> Callable[[nn.Module, object, Tensor], None]:
        def listen(_: nn.Module, __: object, output: Tensor) -> None:
            total = site.heard(output).flatten(0, -2).sum(0, dtype=torch.float64)
            sums[site] = sums[site] + total if site in sums else total

        return listen

    hooks = [heard(site, masked.network).register_forward_hook(listener(site)) for site in masked.sites]
    drawn = type(train)(train.images[chosen], train.labels[chosen])
    try:
        loader = Loader(drawn, dataset=task.subtask, batch_size=BATCH, train=False, device=task.device)
        for batch in loader.epoch():
            masked.logits(batch.images)
    finally:
        for hook in hooks:
            hook.remove()
    return spread([sums[site].cpu() for site in masked.sites], settings)


DERIVATION = Derivation(
    Method("activation", {"spread": SPREADS, "images": 2000}, check=_check, source=None, head="slice"), _scores
)
