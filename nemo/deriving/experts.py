"""Hidden units in experts of one size, and how often a class uses each: MoEfication, static (method.md 9.7)."""

from __future__ import annotations

import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from nemo.datasets.dataset import some_of
from nemo.deriving.masked import ones
from nemo.deriving.task import Task
from nemo.errors import UserError
from nemo.evaluation import BATCH
from nemo.loader import Loader
from nemo.methods.method import Settings

_ROUNDS = 20


def grouped(weight: Tensor, size: int, seed: int) -> Tensor:
    """Balanced k-means of a layer's rows, each of length 1: the expert of every unit, `[e]`.

    Every expert has exactly `size` units; where that does not divide their number, the last one has fewer.

    Args:
        weight: `[e, d]`.
        size: Units of an expert.
        seed: Of the rows that it starts from.
    """
    rows = F.normalize(weight.detach().double().cpu(), dim=1)
    count = -(-len(rows) // size)
    slots = torch.arange(count).repeat_interleave(size)[: len(rows)]
    drawn = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))[:count]
    middle, found = rows[drawn], torch.full((len(rows),), -1)
    for _ in range(_ROUNDS):
        far = torch.cdist(rows, middle).square()
        place, slot = linear_sum_assignment(far[:, slots].numpy())
        new = torch.empty_like(found)
        new[torch.from_numpy(place)] = slots[torch.from_numpy(slot)]
        if torch.equal(new, found):
            break
        found, middle = new, centroids(rows, new)
    return found


def centroids(rows: Tensor, experts: Tensor) -> Tensor:
    """The mean of every expert's rows, `[E, d]`."""
    return torch.stack([rows[experts == number].mean(0) for number in range(int(experts.max()) + 1)])


def expert_scores(hidden: Tensor, experts: Tensor) -> Tensor:
    """Σ max(h, 0) over every expert's units, and over all axes between: `[B, E]`.

    Args:
        hidden: What the layer puts out, `[B, ..., e]`.
        experts: Of every unit, `[e]`.
    """
    positive = hidden.double().clamp(min=0)
    per_image = positive.flatten(1, -2).sum(1) if hidden.dim() > 2 else positive
    total = torch.zeros(len(per_image), int(experts.max()) + 1, dtype=torch.float64)
    return total.index_add(1, experts, per_image.cpu())


def used_scores(task: Task, settings: Settings) -> list[Tensor]:
    """Per site `[n, K_l]`: the share of a class's images that have a unit's expert among their best.

    Of equals the one that puts out more is worth more. All other sites stay whole: their scores are infinite.

    Raises:
        UserError: The network has no MLP block.
    """
    masked, n = task.masked, len(task.rows)
    if not masked.hidden:
        raise UserError("method: moefication is for hidden layers of MLP blocks, the network has none.")
    layers = {number: masked.network.get_submodule(masked.sites[number].info.layer) for number in masked.hidden}
    experts = {
        number: grouped(layer.get_parameter("weight"), int(settings["units"]), task.seed)
        for number, layer in layers.items()
    }
    counts = {number: int(each.max()) + 1 for number, each in experts.items()}
    chosen = {number: torch.zeros(n, count, dtype=torch.float64) for number, count in counts.items()}
    captured = {number: torch.zeros(n, count, dtype=torch.float64) for number, count in counts.items()}
    labels = torch.empty(0, dtype=torch.int64)

    def add(number: int, output: Tensor) -> None:
        if number not in experts:
            return
        scores = expert_scores(output, experts[number])
        best = scores.topk(max(1, round(float(settings["share"]) * counts[number])), dim=1).indices
        chosen[number].index_add_(0, labels, torch.zeros_like(scores).scatter_(1, best, 1.0))
        captured[number].index_add_(0, labels, scores / scores.sum(1, keepdim=True).clamp_min(1e-30))

    drawn = some_of(task.subtask.train, int(settings["images"]), seed=task.seed)
    for batch in Loader(drawn, dataset=task.subtask, batch_size=BATCH, train=False, device=task.device).epoch():
        labels = batch.labels.cpu()
        masked.listen(batch.images, ones(masked), add)
    images = torch.bincount(drawn.labels.cpu(), minlength=n).clamp_min(1).double()[:, None]
    found = [torch.full((n, width), torch.inf, dtype=torch.float64) for width in masked.widths]
    for number in masked.hidden:
        # a share captured is at most 1, and one image of a class more counts for more than that
        worth = chosen[number] / images + 1e-6 * captured[number] / images
        found[number] = worth[:, experts[number]]
    return found
