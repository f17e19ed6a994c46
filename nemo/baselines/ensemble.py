"""One module per class as one classifier, and what it is worth to the search (method.md 8)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from nemo import metrics


@dataclass
class Ensemble:
    """The modules of all classes: every image goes through all of them, and the module that is most certain wins.

    Attributes:
        logits: float32 `[N, n]`: what each module gives its own class, for every fitness image.
        masks: float32 `[N, K]` of 0 and 1: the kernels that it keeps, layers concatenated.
        labels: int64 `[n]`, of the fitness images.
        accuracy_weight: Share of the accuracy in the fitness, 0..1; the rest is the modules' mean Jaccard distance.
    """

    logits: Tensor
    masks: Tensor
    labels: Tensor
    accuracy_weight: float

    def figures(self) -> dict[str, float]:
        """`fitness`, `accuracy` on the fitness images, `coupling` and `krr`."""
        accuracy = float((self.logits.argmax(dim=0) == self.labels).double().mean())
        coupling = metrics.coupling([self.masks])
        fitness = self.accuracy_weight * accuracy + (1 - self.accuracy_weight) * (1 - coupling)
        krr = metrics.kernel_retention_rate([self.masks])
        return {"fitness": fitness, "accuracy": accuracy, "coupling": coupling, "krr": krr}

    def fitness_with(self, label: int, logits: Tensor, masks: Tensor) -> Tensor:
        """The fitness, float64 `[P]`, when the module of a class is replaced by each of `[P, n]` and `[P, K]`."""
        rivals = self.logits.clone()
        rivals[label] = -torch.inf
        strongest, rival = rivals.max(dim=0)  # [n]; of equals the first, like argmax over all
        wins = (logits > strongest) | ((logits == strongest) & (label < rival))  # [P, n]
        accuracy = (torch.where(wins, label, rival) == self.labels).double().mean(dim=1)
        others = self.masks[torch.arange(len(self.masks)) != label]
        among_others = (metrics.jaccard(others, others).sum() - len(others)) / 2
        similarity = metrics.jaccard(masks, others).sum(dim=1) + among_others
        pairs = len(self.masks) * len(others) / 2
        return self.accuracy_weight * accuracy + (1 - self.accuracy_weight) * (1 - similarity / pairs)

    def replace(self, label: int, logits: Tensor, mask: Tensor) -> None:
        """Puts another module, `[n]` and `[K]`, in the place of a class's."""
        self.logits[label], self.masks[label] = logits, mask
