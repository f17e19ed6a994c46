"""Masks that learn by gradient, of a network that doesn't: straight-through scores, one a unit (method.md 9.2).

Three objectives, by what is masked and what it answers:

* `set`: one mask for the class set; the network under it tells the set's classes apart.
* `union`: a mask for every class; under the union of those of random classes of the set it tells these apart.
* `assembled`: a mask for every class; each gives the logit of its class.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemo.deriving.batches import batches
from nemo.deriving.cost import Cost
from nemo.deriving.masked import Masked
from nemo.deriving.straight_through import indicator
from nemo.deriving.task import Task
from nemo.errors import UserError
from nemo.methods.method import Settings
from nemo.training import require_finite

_ABOVE = 1e-4  # where the last score that is raised ends


class MaskSearch:
    """The scores, and the loss that they are learned by.

    Attributes:
        target: The share of the size that is left (`schedule`), or from which on the size term presses (`hinge`).
        scores: Per site `[R, K_l]`; R is 1 for `set`, else the number of classes n.
    """

    def __init__(self, masked: Masked, rows: Sequence[int], settings: Settings, size: Cost, target: float) -> None:
        """Starts with every unit.

        Args:
            masked: The network.
            rows: Of its classifier, per class of the set.
            settings: Those of `masksearch`, all of them.
            size: What the size term measures where it is a `hinge`.
            target: See above.
        """
        self.masked, self.rows, self.settings = masked, list(rows), settings
        self._size, self.target = size, target
        count = 1 if settings["objective"] == "set" else len(self.rows)
        like = next(masked.network.parameters())
        start = float(settings["init"])
        self.scores = [
            nn.Parameter(torch.full((count, width), start, dtype=like.dtype, device=like.device))
            for width in masked.widths
        ]

    def loss(self, images: Tensor, labels: Tensor, chosen: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
        """The cross-entropy of a batch, and the size term.

        Args:
            images: `[B, 3, H, W]`, normalised.
            labels: `[B]`, places in the class set; for `union` all among the chosen ones.
            chosen: Places in the class set; for `union` alone.
        """
        rows = self.rows
        if self.settings["objective"] == "assembled":
            masks = [[_mask(each[row]) for each in self.scores] for row in range(len(rows))]
            answers = [self.masked.logits(images, own)[:, row] for own, row in zip(masks, rows, strict=True)]
            logits = torch.stack(answers, dim=1)
        elif self.settings["objective"] == "union":
            places = torch.tensor(list(chosen), device=labels.device)
            union = [_mask(each[places.to(each.device)].amax(0)) for each in self.scores]
            logits = self.masked.logits(images, union)[:, [rows[place] for place in chosen]]
            labels = (labels[:, None] == places).int().argmax(1)
        else:
            logits = self.masked.logits(images, [_mask(each[0]) for each in self.scores])[:, rows]
        return F.cross_entropy(logits, labels), self._size_term()

    @torch.no_grad()
    def shift_scores(self, *, upwards: bool = False) -> None:
        """Moves all scores alike until the target is left: the best stay, and what went last comes back first.

        Args:
            upwards: Whether to move them only where less than the target is left, as a hinge wants it: many scores that
                fall together fall too far under it, and then nothing presses them, nor lifts them again.
        """
        best = [each.amax(0) for each in self.scores]
        order = torch.cat(best).sort(descending=True).values

        def share(count: int) -> float:
            return float(self._size.share([(each >= order[count - 1]).to(each) for each in best]))

        low, high = int((order > 0).sum()), len(order)
        if upwards and ((low and share(low) >= self.target) or low == high):
            return
        low = low if upwards else 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if share(middle) < self.target else (low, middle)
        for each in self.scores:
            each.add_(_ABOVE - order[high - 1])

    def _size_term(self) -> Tensor:
        if self.settings["size"] == "schedule":  # met by where the scores are moved to
            return torch.zeros_like(self.scores[0].sum())
        if self.settings["size"] == "mean":  # as published: of all scores, the rows of all classes alike
            return indicator(torch.cat([each.flatten() for each in self.scores])).mean()
        return F.relu(self._size.share([indicator(each.amax(0)) for each in self.scores]) - self.target)


def _mask(scores: Tensor) -> Tensor:
    """The mask of one site, with the largest score in any case: behind a layer that says nothing nobody learns."""
    mask = indicator(scores)
    if bool((scores > 0).any()):
        return mask
    return mask + F.one_hot(scores.argmax(), len(scores)).to(mask)


def learned_scores(task: Task, settings: Settings) -> list[Tensor]:
    """The scores of `masksearch`: per site `[R, K_l]`.

    Raises:
        UserError: There is one class alone.
        TrainingDiverged: A loss is not finite.
    """
    if len(task.rows) < 2:
        raise UserError("classes: a search by gradient tells classes apart, give two or more, or choose activation.")
    union = settings["objective"] == "union"
    size = Cost(task.masked, task.budget.modelled)
    search = MaskSearch(task.masked, task.rows, settings, size, task.budget.share)
    optimizer = torch.optim.Adam(search.scores, lr=float(settings["lr"]))
    with torch.random.fork_rng(devices=[]):  # of the images' augmentation
        torch.default_generator.manual_seed(task.seed)
        for step, (images, labels, chosen) in enumerate(batches(task, settings, union=union)):
            search.target = _target(step, settings, task.budget.share)
            for group in optimizer.param_groups:
                group["lr"] = _rate(step, settings)
            if settings["size"] == "schedule":
                search.shift_scores()
            cross_entropy, size_term = search.loss(images, labels, chosen)
            optimizer.zero_grad()
            (cross_entropy + float(settings["alpha"]) * size_term).backward()
            optimizer.step()
            if settings["floor"] == "yes" and settings["size"] == "hinge":
                search.shift_scores(upwards=True)
            require_finite({"loss": float(cross_entropy.detach())}, f"in step {step} of masksearch")
    return [each.detach().double().cpu() for each in search.scores]


def _target(step: int, settings: Settings, share: float) -> float:
    """The share to be left: it falls from 1 to the budget's over the first steps, more and more slowly."""
    falling = float(settings["ramp"]) * float(settings["steps"])
    left = max(0.0, 1 - (step + 1) / falling) if falling > 0 else 0.0
    return share + (1 - share) * left ** float(settings["fall"])


def _rate(step: int, settings: Settings) -> float:
    """The learning rate: it falls evenly to 0 over the last steps, in which scores near 0 settle."""
    steps, lr = float(settings["steps"]), float(settings["lr"])
    return lr * min(1.0, (steps - step) / max(1.0, float(settings["settle"]) * steps))
