"""NuWa's self-knowledge purification: which hidden units of MLPs speak about some classes (method.md 9.6)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemo.datasets.dataset import some_of
from nemo.deriving.batches import batches
from nemo.deriving.cost import Cost
from nemo.deriving.fitting import uniform
from nemo.deriving.masked import ones
from nemo.deriving.task import Task
from nemo.errors import UserError
from nemo.evaluation import BATCH
from nemo.loader import Loader
from nemo.methods.method import Settings
from nemo.training import require_finite


class _Kept(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor, share: Tensor) -> Tensor:
        mask = torch.zeros_like(scores)
        mask[scores.topk(kept_count(len(scores), float(share))).indices] = 1
        ctx.save_for_backward(mask)
        return mask

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        (mask,) = ctx.saved_tensors
        return gradient, (gradient * mask).sum()


def kept_mask(scores: Tensor, share: Tensor) -> Tensor:
    """The mask `[e]` of the ⌈e σ(β)⌉ largest scores M, with NuWa's gradients: ∂M = G, ∂β = Σ G over what is kept.

    Args:
        scores: M, `[e]`.
        share: β, a scalar.
    """
    mask: Tensor = _Kept.apply(scores, share)
    return mask


def kept_count(units: int, share: float) -> int:
    """⌈e σ(β)⌉, at least 1."""
    return max(1, math.ceil(units / (1 + math.exp(-share))))


def purified_scores(task: Task, settings: Settings) -> list[Tensor]:
    """Per site `[1, K_l]`: the places of hidden units by |Σ activation|, those that were purified away last.

    All other sites stay whole: their scores are infinite.

    Raises:
        UserError: The network has no MLP block, or there is one class alone.
        TrainingDiverged: A loss is not finite.
    """
    masked = task.masked
    hidden = masked.hidden
    if not hidden:
        raise UserError("method: nuwa is for hidden layers of MLP blocks, the network has none, choose masksearch.")
    if len(task.rows) < 2:
        raise UserError("classes: a search by gradient tells classes apart, give two or more, or choose activation.")
    masks = _purify(task, settings, hidden)
    sums = {number: torch.zeros(masked.widths[number], dtype=torch.float64) for number in hidden}

    def add(number: int, output: Tensor) -> None:
        if number in sums:
            sums[number] += output.double().flatten(0, -2).sum(0).cpu()

    drawn = some_of(task.subtask.train, int(settings["images"]), seed=task.seed)
    for batch in Loader(drawn, dataset=task.subtask, batch_size=BATCH, train=False, device=task.device).epoch():
        masked.listen(batch.images, masks, add)
    places = uniform([sums[number].abs() for number in hidden])  # in (0, 1): one that was purified away is below all
    found = [torch.full((1, width), torch.inf, dtype=torch.float64) for width in masked.widths]
    for number, place in zip(hidden, places, strict=True):
        found[number] = (place - (masks[number].cpu() == 0).double())[None]
    return found


def _purify(task: Task, settings: Settings, hidden: list[int]) -> list[Tensor]:
    """Per site the mask that was learned."""
    masked = task.masked
    like = next(masked.network.parameters())
    scores = {number: nn.Parameter(torch.ones(masked.widths[number]).to(like)) for number in hidden}
    shares = {number: nn.Parameter(torch.tensor(float(settings["start"])).to(like)) for number in hidden}
    optimizer = torch.optim.AdamW(
        [
            {"params": list(scores.values()), "lr": float(settings["lr"])},
            {"params": list(shares.values()), "lr": float(settings["lr_share"])},
        ],
        weight_decay=float(settings["weight_decay"]),
    )
    whole = [mask.to(like) for mask in ones(masked)]
    size = Cost(masked, task.budget.modelled)

    def masks() -> list[Tensor]:
        return [kept_mask(scores[at], shares[at]) if at in scores else whole[at] for at in range(len(whole))]

    with torch.random.fork_rng(devices=[]):  # of the images' augmentation
        torch.default_generator.manual_seed(task.seed)
        for step, (images, labels, _) in enumerate(batches(task, settings)):
            now = masks()
            loss = F.cross_entropy(masked.logits(images, now)[:, task.rows], labels)
            require_finite({"loss": float(loss.detach())}, f"in step {step} of nuwa")
            if settings["size"] == "hinge":
                loss = loss + float(settings["alpha"]) * F.relu(size.share(now) - task.budget.share)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return [mask.detach() for mask in masks()]
