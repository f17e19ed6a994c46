"""What CNNSplitter's candidates are worth: modules are composed by 2, 4, 8, then all classes (method.md 8).

Of two compositions of different classes, a match tries every pairing; those at least as accurate as its threshold go
on, the fittest of them. The rounds, and that there are thresholds, is published; `TOLERANCE` and `MOST` are ours.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nemo import metrics

TOLERANCE = 0.1
"""A composition's least accuracy is the whole network's on the same classes' images, less this share of it."""
MOST = 3
"""Compositions that a match lets through, in times of the candidates of a class."""
_ROUND = 4.0
"""What a round more is worth; more than any fitness and `_PASSED`."""
_PASSED = 2.0
"""What having reached the threshold is worth."""


@dataclass(frozen=True)
class Outcome:
    """How a tournament ended.

    Attributes:
        worth: float64 `[N, P]`: ranks the candidates of each class by the last round that they took part in, then by
            whether they reached its threshold, then by the fitness of their best composition there.
        best: int64 `[N]`: the candidates of the fittest composition of all classes.
        rounds: For each round, how many modules the compositions of each of its matches have.
    """

    worth: Tensor
    best: Tensor
    rounds: list[list[int]]


@dataclass(frozen=True)
class _Compositions:
    """Compositions of one candidate for each of some neighbouring classes, the fittest first.

    Attributes:
        classes: These classes, ascending.
        members: int64 `[R, classes]`: the candidate of each.
        strongest: float32 `[R, n]`: the highest logit for every image.
        correct: bool `[R, n]`: whether it is of the image's class.
        similarity: float64 `[R]`: the sum of the Jaccard indices of its pairs of modules.
    """

    classes: range
    members: Tensor
    strongest: Tensor
    correct: Tensor
    similarity: Tensor


class Tournament:
    """One generation's candidates against each other.

    Args:
        logits: float32 `[N, P, n]`: what each candidate gives its own class, for every fitness image.
        masks: float32 `[N, P, K]` of 0 and 1: the kernels that it keeps, layers concatenated.
        labels: int64 `[n]`, of the fitness images.
        whole: float32 `[N, n]`: the whole network's logits, from which the thresholds come.
        accuracy_weight: Share of the accuracy in the fitness, 0..1; the rest is the modules' mean Jaccard distance.
        most: Compositions that a match lets through.
    """

    def __init__(
        self,
        logits: Tensor,
        masks: Tensor,
        labels: Tensor,
        whole: Tensor,
        accuracy_weight: float,
        most: int | None = None,
    ) -> None:
        self._logits, self._masks, self._labels, self._whole = logits, masks, labels, whole
        self._accuracy_weight = accuracy_weight
        classes, self._population = logits.shape[:2]
        self._most = most or MOST * self._population
        self._worth = torch.zeros(classes, self._population, dtype=torch.float64)

    def play(self) -> Outcome:
        """All rounds: neighbours meet, and where their number is odd, the last one waits for the next round."""
        field = [self._alone(label) for label in range(len(self._logits))]
        rounds: list[list[int]] = []
        while len(field) > 1:
            waiting = field[-1:] if len(field) % 2 else []
            pairs = list(zip(field[::2], field[1::2], strict=False))
            field = [self._match(left, right, len(rounds)) for left, right in pairs]
            rounds.append([len(each.classes) for each in field])
            field += waiting
        return Outcome(self._worth, field[0].members[0], rounds)

    def threshold(self, classes: range) -> float:
        """The accuracy that a composition of some classes must reach to go on."""
        alone = metrics.subtask_accuracy(self._whole.T, self._labels, classes)
        return (1 - TOLERANCE) * alone

    def _alone(self, label: int) -> _Compositions:
        logits = self._logits[label]
        correct = (self._labels == label).expand_as(logits)
        members = torch.arange(self._population)[:, None]
        return _Compositions(
            range(label, label + 1), members, logits, correct, torch.zeros(len(logits), dtype=torch.float64)
        )

    def _match(self, left: _Compositions, right: _Compositions, number: int) -> _Compositions:
        """Composes every one of a side with every one of the other; notes what that makes of their candidates."""
        classes = range(left.classes.start, right.classes.stop)
        similarity = left.similarity[:, None] + right.similarity[None] + self._between(left, right)  # [A, B]
        accuracy = self._accuracy(left, right)  # [A, B]
        distance = 1 - similarity / (len(classes) * (len(classes) - 1) / 2)
        fitness = self._accuracy_weight * accuracy + (1 - self._accuracy_weight) * distance
        passed = accuracy >= self.threshold(classes)
        worth = _ROUND * number + _PASSED * passed + fitness
        self._note(left, worth.amax(dim=1))
        self._note(right, worth.amax(dim=0))
        # Where none reaches the threshold, the fittest go on all the same: a search must not end with its beginning.
        order = worth.flatten().argsort(descending=True, stable=True)
        through = min(self._most, int(passed.sum()) or passed.numel())
        one, other = order[:through] // worth.shape[1], order[:through] % worth.shape[1]
        wins = left.strongest[one] >= right.strongest[other]  # of equals the first class, like argmax over all
        return _Compositions(
            classes,
            torch.cat([left.members[one], right.members[other]], dim=1),
            torch.maximum(left.strongest[one], right.strongest[other]),
            torch.where(wins, left.correct[one], right.correct[other]),
            similarity[one, other],
        )

    def _accuracy(self, left: _Compositions, right: _Compositions) -> Tensor:
        """Of every pairing, on the images of its classes: float64 `[A, B]`.

        An image is told right by the side that has its class, if that side is right alone and more certain.
        """
        of_left, of_right = (torch.isin(self._labels, torch.tensor(side.classes)) for side in (left, right))
        silent = torch.tensor(-torch.inf)
        held = torch.where(left.correct, left.strongest, silent)[:, of_left]
        taken = torch.where(right.correct, right.strongest, silent)[:, of_right]
        rivals, lefts = right.strongest[:, of_left], left.strongest[:, of_right]
        # A loop, because all pairings by all images fill no memory; of equals the first class, like argmax over all.
        hits = [(one >= rivals).sum(dim=1) + (taken > other).sum(dim=1) for one, other in zip(held, lefts, strict=True)]
        return torch.stack(hits).double() / int(of_left.sum() + of_right.sum())

    def _between(self, left: _Compositions, right: _Compositions) -> Tensor:
        """The sum of the Jaccard indices of a module of one side and one of the other: float64 `[A, B]`."""
        total = torch.zeros(len(left.members), len(right.members), dtype=torch.float64)
        for one, candidates in zip(left.classes, left.members.T, strict=True):
            for other, rivals in zip(right.classes, right.members.T, strict=True):
                total += metrics.jaccard(self._masks[one], self._masks[other])[candidates][:, rivals]
        return total

    def _note(self, side: _Compositions, worth: Tensor) -> None:
        """Keeps for each candidate of a side the most that one of its compositions is worth, `[R]`."""
        for label, candidates in zip(side.classes, side.members.T, strict=True):
            self._worth[label].scatter_reduce_(0, candidates, worth, "amax")
