"""Units that are loud on the images of the classes: nothing is trained (method.md 9.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nemo.deriving.checks import require_whole
from nemo.deriving.task import SPREADS, Derivation, Task
from nemo.methods.method import Method, Settings

if TYPE_CHECKING:
    from torch import Tensor


def _check(settings: Settings) -> None:
    require_whole(settings, "images")


def _scores(task: Task, settings: Settings) -> list[Tensor]:
    """The mean absolute activation of every unit on training images, drawn where there are more than `images`."""
    import torch

    from nemo.controls import listening
    from nemo.datasets.dataset import some_of
    from nemo.deriving.fitting import spread
    from nemo.evaluation import BATCH
    from nemo.loader import Loader

    masked, drawn = task.masked, some_of(task.subtask.train, int(settings["images"]), seed=task.seed)
    with torch.no_grad(), listening(masked.sites, masked.network) as sums:
        for batch in Loader(drawn, dataset=task.subtask, batch_size=BATCH, train=False, device=task.device).epoch():
            masked.logits(batch.images)
    return spread([sums[site].cpu() for site in masked.sites], settings)


DERIVATION = Derivation(
    Method("activation", {"spread": SPREADS, "images": 2000}, check=_check, source=None, head="slice"), _scores
)
