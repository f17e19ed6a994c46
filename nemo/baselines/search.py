"""What the searches of `cnnsplitter` have in common: a population of bit strings per class, judged from outside."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nemo.baselines.kernel_groups import KernelGroups
from nemo.methods import Setting
from nemo.methods.cnnsplitter import METHOD
from nemo.methods.method import Settings


@dataclass(frozen=True)
class Candidate:
    """A module that waits for its logits.

    Attributes:
        label: Its class.
        masks: Per layer bool `[K_l]`: the kernels that it keeps.
    """

    label: int
    masks: list[Tensor]


class ModuleSearch(ABC):
    """A population of bit strings per class; the best of each class are composed into one classifier.

    `ask` for candidates, run them, `tell` their logits, until `done`.

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

    search: str
    """The word that the setting has for it."""

    def __init__(
        self, importances: Sequence[Tensor], labels: Tensor, settings: Mapping[str, Setting], seed: int
    ) -> None:
        self.settings: Settings = METHOD.complete(settings)
        assert self.settings["search"] == self.search, "module_search makes the one that the settings name"
        self.labels = labels.cpu()
        self.seed = seed
        self.history: list[dict[str, float]] = []
        self._groups = KernelGroups([importance.cpu() for importance in importances])
        # Those with logits first; the others are what `ask` gives out.
        self._bits = self._first_population()  # bool [N, P, bits]
        self._logits = torch.empty(self._groups.classes, 0, len(labels))  # float32 [N, known, n]

    @property
    def generation(self) -> int:
        """The generation whose logits `tell` expects next, from 0."""
        return len(self.history)

    @property
    def done(self) -> bool:
        return self.generation >= int(self.settings["generations"])

    def ask(self) -> list[Candidate]:
        """The candidates without logits, class by class; the same ones until `tell` is called."""
        known = self._logits.shape[1]
        return [
            # Copies, because sending a view to another process would send its whole batch.
            Candidate(label, [mask.clone() for mask in masks])
            for label in range(self._groups.classes)
            for masks in zip(*self._groups.decode(label, self._bits[label, known:]), strict=True)
        ]

    @abstractmethod
    def tell(self, logits: Tensor) -> dict[str, float] | None:
        """Takes what was asked for.

        Args:
            logits: `[candidates, n]` in the order of `ask`: each module's logit of its own class, per fitness image.

        Returns:
            The new row of the history; None where the generation needs another answer first.
        """

    @abstractmethod
    def modules(self) -> list[Tensor]:
        """The best modules so far: per layer bool `[N, K_l]`."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only, so that `torch.load(weights_only=True)` reads it back."""
        return {"bits": self._bits, "logits": self._logits, "history": [dict(row) for row in self.history]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Carries on from a `state_dict()` of a search with the same arguments."""
        self._bits, self._logits = state["bits"], state["logits"]
        self.history = [dict(row) for row in state["history"]]

    @abstractmethod
    def _first_population(self) -> Tensor:
        """The bit strings of the first candidates, bool `[N, P, bits]`."""

    def _told(self, logits: Tensor) -> Tensor:
        """All logits of the population, float32 `[N, P, n]`, with those that `tell` was given."""
        new_logits = logits.cpu().float().view(self._groups.classes, -1, len(self.labels))
        return torch.cat([self._logits, new_logits], dim=1)

    def _masks(self, label: int, chosen: slice) -> Tensor:
        """Some candidates of a class as float32 `[P, K]` of 0 and 1."""
        return torch.cat(self._groups.decode(label, self._bits[label, chosen]), dim=1).float()

    def _modules_of(self, bits: Tensor) -> list[Tensor]:
        """Per layer bool `[N, K_l]` of one bit string per class, bool `[N, bits]`."""
        modules = [self._groups.decode(label, own[None]) for label, own in enumerate(bits)]
        return [torch.cat(layer) for layer in zip(*modules, strict=True)]

    def _generator(self, *part: int) -> torch.Generator:
        """Of the draws at this point; it depends on nothing else, so that a resumed search goes the same way."""
        state = np.random.SeedSequence([self.seed, self.generation, *part]).generate_state(1, np.uint64)[0]
        return torch.Generator().manual_seed(int(state) >> 1)
