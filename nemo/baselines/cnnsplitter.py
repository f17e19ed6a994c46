"""A genetic search for the kernels of each class, in the spirit of CNNSplitter (method.md 8): `search: ours`."""

from __future__ import annotations

import torch
from torch import Tensor

from nemo.baselines.ensemble import Ensemble
from nemo.baselines.search import ModuleSearch

FLIP_RATE = 0.01
"""Share of a child's bits that mutation flips."""
LEAST_SHARE = 0.3
"""Of a layer's groups, in the first generation."""


class CnnSplitter(ModuleSearch):
    """The search of our own, in which the best modules never get worse.

    A generation takes the classes in turn: each candidate is worth what the ensemble of the best modules is with the
    candidate in its class's place, and the best candidate takes that place at once. The ensemble's fitness so never
    falls. The best tenth of a population lives on, the better half has children by uniform crossover and mutation.

    Args:
        importances, labels, settings, seed: See `ModuleSearch`.
    """

    search = "ours"

    def tell(self, logits: Tensor) -> dict[str, float]:
        """Finishes a generation, see `ModuleSearch`."""
        scored = self._told(logits)  # [N, P, n]
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
        """The best modules so far: per layer bool `[N, K_l]`; everything before the first generation is told."""
        return self._modules_of(self._bits[:, 0])

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
