"""CNNSplitter's search with its published operators (method.md 8): `search: published`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from nemo.baselines.ensemble import Ensemble
from nemo.baselines.heredity import PARENTS, SURVIVORS, first_population, offspring
from nemo.baselines.search import ModuleSearch
from nemo.baselines.sensitivity import probes, sensitive_layers
from nemo.baselines.tournament import Tournament
from nemo.methods import Setting


class PublishedSearch(ModuleSearch):
    """The published search: candidates are judged in a tournament of compositions of 2, 4, 8, then all modules.

    Before its first generation it asks for the probes that tell which layers are sensitive; `tell` returns no row for
    them. Of a population the best fifth lives on, the better half has children by crossover at a single point and
    mutation of a twentieth of their genes. What it finds is the fittest composition of all generations.

    Args:
        importances, labels, settings, seed: See `ModuleSearch`.

    Attributes:
        sensitive: Whether each layer is sensitive; empty until the probes are told.
    """

    search = "published"

    def __init__(
        self, importances: Sequence[Tensor], labels: Tensor, settings: Mapping[str, Setting], seed: int
    ) -> None:
        super().__init__(importances, labels, settings, seed)
        self.sensitive: list[bool] = []
        self._whole = torch.empty(0)  # float32 [N, n], of the network with all its kernels
        self._best = self._bits[:, 0]  # bool [N, bits]

    def tell(self, logits: Tensor) -> dict[str, float] | None:
        """Finishes a generation, or what comes before the first; see `ModuleSearch`."""
        scored = self._told(logits)  # [N, P, n]
        if not self.sensitive:
            self._begin(scored)
            return None
        masks = torch.stack([self._masks(label, slice(None)) for label in range(len(scored))])  # [N, P, K]
        weight = self.settings["accuracy_weight"]
        outcome = Tournament(scored, masks, self.labels, self._whole, weight).play()
        row = self._row(scored, masks, outcome.best)
        self.history.append(row)
        self._breed(outcome.worth.argsort(dim=1, descending=True, stable=True), scored)
        return row

    def modules(self) -> list[Tensor]:
        """The best modules so far: per layer bool `[N, K_l]`; everything before the first generation is told."""
        return self._modules_of(self._best)

    def state_dict(self) -> dict[str, Any]:
        """See `ModuleSearch`."""
        own = {"best": self._best.clone(), "whole": self._whole, "sensitive": list(self.sensitive)}
        return {**super().state_dict(), **own}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """See `ModuleSearch`."""
        super().load_state_dict(state)
        self._best, self._whole, self.sensitive = state["best"], state["whole"], list(state["sensitive"])

    def _first_population(self) -> Tensor:
        """The probes, which are no candidates yet; the first keeps everything."""
        return probes(self._groups.groups, self._groups.classes, self._generator(1))

    def _begin(self, scored: Tensor) -> None:
        """Draws the first candidates, knowing from the probes' logits `[N, 1 + L, n]` which layers are sensitive."""
        self._whole = scored[:, 0].clone()
        self.sensitive = sensitive_layers(scored, self.labels)
        shape = (self._groups.classes, int(self.settings["population"]))
        self._bits = first_population(self._groups.groups, self.sensitive, shape, self._generator())

    def _row(self, scored: Tensor, masks: Tensor, winners: Tensor) -> dict[str, float]:
        """The row of the best modules, among which the winners `[N]` take their place if they are fitter."""
        every = torch.arange(len(winners))
        weight = self.settings["accuracy_weight"]
        figures = Ensemble(scored[every, winners], masks[every, winners], self.labels, weight).figures()
        if self.history and figures["fitness"] <= self.history[-1]["fitness"]:
            figures = self.history[-1]
        else:
            self._best = self._bits[every, winners]
        return {**figures, "generation": float(self.generation)}

    def _breed(self, rankings: Tensor, scored: Tensor) -> None:
        """Puts the next population in the place of this one: the best with their logits, then children.

        Args:
            rankings: int64 `[N, P]`, the best first.
            scored: `[N, P, n]`.
        """
        generator = self._generator()
        population = self._bits.shape[1]
        survivors, parents = max(1, int(SURVIVORS * population)), int(PARENTS * population)
        following = []
        for bits, ranking in zip(self._bits, rankings, strict=True):
            children = offspring(bits[ranking[:parents]], population - survivors, generator)
            following.append(torch.cat([bits[ranking[:survivors]], children]))
        self._bits = torch.stack(following)
        self._logits = torch.stack([each[ranking[:survivors]] for each, ranking in zip(scored, rankings, strict=True)])
