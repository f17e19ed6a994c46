"""A genetic search for the kernels of each class, in the spirit of CNNSplitter (method.md 8, docs/decisions.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nemo.baselines.ensemble import Ensemble
from nemo.baselines.kernel_groups import KernelGroups
from nemo.methods import Setting
from nemo.methods.cnnsplitter import METHOD
from nemo.methods.method import Settings

FLIP_RATE = 0.01
"""Share of a child's bits that mutation flips."""
LEAST_SHARE = 0.3
"""Of a layer's groups, in the first generation."""


@dataclass(frozen=True)
class Candidate:
    """A module that waits for its logits.

    Attributes:
        label: Its class.
        masks: Per layer bool `[K_l]`: the kernels that it keeps.
    """

    label: int
    masks: list[Tensor]


class CnnSplitter:
    """A population of bit strings per class; the best of each class are composed into one classifier.

    `ask` for candidates, run them, `tell` their logits, until `done`. A generation takes the classes in turn: each
    candidate is worth what the ensemble of the best modules is with the candidate in its class's place, and the best
    candidate takes that place at once. The ensemble's fitness so never falls. The best tenth of a population lives on,
    the better half has children by uniform crossover and mutation.

    Args:
        importances: Per layer `[N, K_l]`: `Relevance.mean_masks` of a network of `record_activations`.
        labels: int64 `[n]`, of the fitness images.
        settings: The method's; what is missing takes its default.
        seed: Of all draws.

    Attributes:
        history: One flat row per finished generation: `generation`, `fitness`, `accuracy` on the fitness images,
            `coupling` and `krr` of the best modules.

    Raises:
        UserError: A setting does not exist or is out of range.
    """

    def __init__(
        self, importances: Sequence[Tensor], labels: Tensor, settings: Mapping[str, Setting], seed: int
    ) -> None:
        self.settings: Settings = METHOD.complete(settings)
        self.labels = labels.cpu()
        self.seed = seed
        self.history: list[dict[str, float]] = []
        self._groups = KernelGroups([importance.cpu() for importance in importances])
        # Best first, once they have logits; the first of the very first generation keeps everything.
        self._bits = self._first_population()  # bool [N, P, bits]
        self._logits = torch.empty(self._groups.classes, 0, len(labels))  # float32 [N, known, n]

    @property
    def generation(self) -> int:
        """The generation whose logits `tell` expects next, from 0."""
        return len(self.history)

    @property
    def done(self) -> bool:
        return self.generation >= self.settings["generations"]

    def ask(self) -> list[Candidate]:
        """The generation's candidates without logits, class by class; the same ones until `tell` is called."""
        known = self._logits.shape[1]
        return [
            # Copies, because sending a view to another process would send its whole batch.
            Candidate(label, [mask.clone() for mask in masks])
            for label in range(self._groups.classes)
            for masks in zip(*self._groups.decode(label, self._bits[label, known:]), strict=True)
        ]

    def tell(self, logits: Tensor) -> dict[str, float]:
        """Finishes a generation.

        Args:
            logits: `[candidates, n]` in the order of `ask`: each module's logit of its own class, per fitness image.

        Returns:
            The new row of the history.
        """
        new_logits = logits.cpu().float().view(self._groups.classes, -1, len(self.labels))
        scored = torch.cat([self._logits, new_logits], dim=1)  # [N, P, n]
        best = torch.cat([self._masks(label, slice(1)) for label in range(len(scored))])
        ensemble = Ensemble(scored[:, 0].clone(), best, self.labels, self.settings["accuracy_weight"])
        rankings = []
        for label, candidates in enumerate(scored):
            masks = self._masks(label, slice(None))
            fitness = ensemble.fitness_with(label, candidates, masks)
            ranking = fitness.argsort(descending=True, stable=True)  # the best so far is first, and of equals stays so
            ensemble.replace(label, candidates[ranking[0]], masks[ranking[0]])
            rankings.append(ranking)
        row = {"generation": float(self.generation), **ensemble.figures()}
        self.history.append(row)
        self._breed(rankings, scored)
        return row

    def modules(self) -> list[Tensor]:
        """The best modules so far: per layer bool `[N, K_l]`."""
        best = [self._groups.decode(label, bits[:1]) for label, bits in enumerate(self._bits)]
        return [torch.cat(layer) for layer in zip(*best, strict=True)]

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only, so that `torch.load(weights_only=True)` reads it back."""
        return {"bits": self._bits, "logits": self._logits, "history": [dict(row) for row in self.history]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Carries on from a `state_dict()` of a search with the same arguments."""
        self._bits, self._logits = state["bits"], state["logits"]
        self.history = [dict(row) for row in state["history"]]

    def _masks(self, label: int, chosen: slice) -> Tensor:
        """Some candidates of a class as float32 `[P, K]` of 0 and 1."""
        return torch.cat(self._groups.decode(label, self._bits[label, chosen]), dim=1).float()

    def _first_population(self) -> Tensor:
        """All kernels, and the most important ones in shares drawn between `LEAST_SHARE` and 1."""
        shape = (self._groups.classes, int(self.settings["population"]))
        shares = LEAST_SHARE + (1 - LEAST_SHARE) * torch.rand(shape, generator=self._generator())
        shares[:, 0] = 1
        return torch.stack([self._groups.most_important(each) for each in shares])

    def _breed(self, rankings: list[Tensor], scored: Tensor) -> None:
        """Puts the next population in the place of this one: the best with their logits, then children."""
        generator = self._generator()
        population, bits = self._bits.shape[1:]
        survivors = max(2, population // 10)
        children = (population - survivors, bits)
        following = []
        for parents, ranking in zip(self._bits, rankings, strict=True):
            pairs = ranking[torch.randint(population // 2, (2, len(ranking) - survivors), generator=generator)]
            from_first = torch.rand(children, generator=generator) < 0.5
            flipped = torch.rand(children, generator=generator) < FLIP_RATE
            crossed = torch.where(from_first, parents[pairs[0]], parents[pairs[1]])
            following.append(torch.cat([parents[ranking[:survivors]], crossed ^ flipped]))
        self._bits = torch.stack(following)
        self._logits = torch.stack([each[ranking[:survivors]] for each, ranking in zip(scored, rankings, strict=True)])

    def _generator(self) -> torch.Generator:
        """Of the draws at this point; it depends on nothing else, so that a resumed search goes the same way."""
        state = np.random.SeedSequence([self.seed, self.generation]).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(state) >> 1)
