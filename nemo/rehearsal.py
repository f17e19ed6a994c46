"""Training what is going to be cut: some images of every batch go through the network as modules.

A module is the network with the sample masks of each image replaced by one constant: the union of its classes' module
masks (method.md 6.1). An image that rehearses goes through exactly that network, for a random sub-task that its class
belongs to, with the module masks that the training's own masks would give by now.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_THRESHOLDS = (0.5, 0.95)
"""A batch rehearses at a threshold between these; what is cut at another one has not been rehearsed."""

_MEMORY = 0.98
"""Weight of what is known of a class against one more image of it."""


class Rehearsal:
    """What the images of a training rehearse with.

    Args:
        share: Of the images that rehearse, from 0 to 1.
        num_classes: N.

    Attributes:
        frequencies: Per layer, float32 `[N, K_l]`: the share of a class's images to which a kernel is relevant, by
            exponential averages; empty before the first batch.
    """

    def __init__(self, share: float, num_classes: int) -> None:
        self.share = share
        self.num_classes = num_classes
        self.frequencies: list[Tensor] = []

    def impose(self, labels: Tensor) -> list[Tensor] | None:
        """Draws who rehearses what, from torch's random state, without reading anything back to the host.

        Args:
            labels: Classes `[B]`.

        Returns:
            For `ModularNetwork.forward`, per layer `[B, K_l]`; None before the first batch.
        """
        if not self.frequencies:
            return None
        device, size = labels.device, len(labels)
        # Sub-tasks of all sizes alike: with a chance of its own for each image, every other class takes part or not.
        subtasks = torch.rand(size, self.num_classes, device=device) < torch.rand(size, 1, device=device)
        members = (subtasks | self._classes(labels)).float()  # [B, N]
        usual = torch.rand(size, 1, device=device) >= self.share
        least, most = _THRESHOLDS
        threshold = least + (most - least) * torch.rand((), device=device)
        imposed = []
        for frequency in self.frequencies:
            # A layer that reaches no threshold keeps its most frequent kernels, much as `module_masks` has it.
            modules = frequency >= torch.minimum(threshold, frequency.amax(1, keepdim=True))
            union = (members @ modules.float() > 0).float()
            imposed.append(torch.where(usual, -1.0, union))
        return imposed

    @torch.no_grad()
    def observe(self, masks: Sequence[Tensor], labels: Tensor) -> None:
        """Learns from a whole batch which kernels are relevant to which class.

        Args:
            masks: Per layer, `[B, K_l]`, of all workers.
            labels: Classes `[B]`.
        """
        if not self.frequencies:  # whatever is not known yet is kept
            self.frequencies = [mask.new_ones(self.num_classes, mask.shape[1], dtype=torch.float32) for mask in masks]
        members = self._classes(labels).T.float()  # [N, B]
        images = members.sum(1, keepdim=True)
        known = _MEMORY**images
        for number, mask in enumerate(masks):
            seen = members @ (mask > 0).float() / images.clamp_min(1)
            self.frequencies[number] = known * self.frequencies[number] + (1 - known) * seen

    def _classes(self, labels: Tensor) -> Tensor:
        """Bool `[B, N]`: the class of each image; `one_hot` would wait for the device."""
        return labels[:, None] == torch.arange(self.num_classes, device=labels.device)

    def state_dict(self) -> dict[str, Any]:
        """Tensors and plain values only."""
        return {"frequencies": list(self.frequencies)}

    def load_state_dict(self, state: Mapping[str, Any], device: torch.device) -> None:
        """Carries on from a `state_dict()`."""
        self.frequencies = [frequency.to(device) for frequency in state["frequencies"]]
