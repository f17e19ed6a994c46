"""The modular training step as one would write it from the equations (method.md 2 to 4), to measure ours against.

A module around every masked layer, a Gram matrix per layer, pairs taken out of it with boolean indices, and the metrics
of every step read as numbers. Nothing here is wrong, and nothing is thought about.
"""

from __future__ import annotations

from copy import deepcopy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from nemo.layers import ConvUnit
from nemo.modular import ModularNetwork
from nemo.transformer import TokenUnit


class MaskedConv(nn.Module):
    """Convolution, BatchNorm, mask and ReLU (method.md 2.1), with the layers of one of our units."""

    def __init__(self, unit: ConvUnit) -> None:
        super().__init__()
        self.conv, self.norm, self.relu = unit.conv, unit.norm, unit.relu
        self.squeeze, self.expand = unit.mask_generator.squeeze, unit.mask_generator.expand
        self.mask = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(x, 1).flatten(1)
        self.mask = F.relu(torch.tanh(self.expand(F.relu(self.squeeze(pooled)))))
        y = self.norm(self.conv(x)) * self.mask.unsqueeze(-1).unsqueeze(-1)
        return F.relu(y) if self.relu else y


class MaskedLinear(nn.Module):
    """A linear layer on tokens and its mask (method.md 2.2), with the layers of one of our units."""

    def __init__(self, unit: TokenUnit) -> None:
        super().__init__()
        self.linear, self.kernels = unit.linear, unit.kernels
        self.squeeze, self.expand = unit.mask_generator.squeeze, unit.mask_generator.expand
        self.mask = torch.empty(0)

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean(1)
        self.mask = F.relu(torch.tanh(self.expand(F.relu(self.squeeze(pooled)))))
        return self.linear(x) * self.mask.unsqueeze(1)


class TextbookNetwork(nn.Module):
    """A copy of a modular network, made of the modules above; its forward returns `(logits, masks)` too."""

    def __init__(self, modular: ModularNetwork) -> None:
        super().__init__()
        self.network = deepcopy(modular.network)
        self.layers = []
        for parent in list(self.network.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, ConvUnit | TokenUnit) and child.mask_generator is not None:
                    layer = MaskedConv(child) if isinstance(child, ConvUnit) else MaskedLinear(child)
                    setattr(parent, name, layer)
                    self.layers.append(layer)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        logits = self.network(x)
        return logits, [layer.mask for layer in self.layers]


class TextbookStep:
    """One training step of `mwt` or `nemo` with SGD, and its metrics as numbers."""

    def __init__(self, modular: ModularNetwork, method: str, settings: dict[str, float], lr: float) -> None:
        self.network = TextbookNetwork(modular)
        self.method, self.settings = method, settings
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=lr, momentum=0.9, nesterov=True)

    def __call__(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        self.network.train()
        logits, masks = self.network(images)
        cross_entropy = F.cross_entropy(logits, labels)
        cohesion, coupling = cohesion_coupling(masks, labels)
        if self.method == "mwt":
            objective = self.settings["lambda_coh"] * cohesion + self.settings["lambda_coup"] * coupling
        else:
            objective = self.settings["alpha"] * contrastive(self.first(masks), labels, self.settings["temperature"])
        loss = cross_entropy + objective
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {
            "loss": loss.item(),
            "loss_ce": cross_entropy.item(),
            "objective": objective.item(),
            "cohesion": cohesion.item(),
            "coupling": coupling.item(),
            "accuracy": (logits.argmax(1) == labels).float().mean().item(),
            "kernel_rate": sum((mask > 0).float().mean().item() for mask in masks) / len(masks),
        }

    def first(self, masks: list[Tensor]) -> list[Tensor]:
        """The masks that NeMo's loss sees: of a CNN the first layer counts as a constant (method.md 3.3)."""
        transformer = isinstance(self.network.layers[0], MaskedLinear)
        return masks if transformer else [torch.ones_like(masks[0]), *masks[1:]]

    def constant(self, labels: Tensor) -> float:
        """What that constant adds to the loss, and ours leaves out."""
        if self.method == "mwt" or isinstance(self.network.layers[0], MaskedLinear):
            return 0.0
        ones = contrastive([torch.ones(len(labels), 1, device=labels.device)], labels, self.settings["temperature"])
        return self.settings["alpha"] * ones.item() / len(self.network.layers)


def cohesion_coupling(masks: list[Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
    """method.md 3.1, layer by layer."""
    cohesions, couplings = [], []
    for mask in masks:
        rows = F.normalize(mask, dim=1)
        cosines = rows @ rows.T
        same = labels.unsqueeze(0) == labels.unsqueeze(1)
        upper = torch.ones_like(cosines, dtype=torch.bool).triu(diagonal=1)
        cohesions.append(1 - cosines[upper & same].mean())
        couplings.append(cosines[upper & ~same].mean())
    return torch.stack(cohesions).mean(), torch.stack(couplings).mean()


def contrastive(masks: list[Tensor], labels: Tensor, temperature: float) -> Tensor:
    """method.md 3.2, layer by layer."""
    losses = []
    for mask in masks:
        rows = F.normalize(mask, dim=1)
        cosines = rows @ rows.T
        same = (labels.unsqueeze(0) == labels.unsqueeze(1)).float()
        positive = torch.exp(cosines * same / temperature).sum(1)
        negative = torch.exp(cosines * (1 - same) / temperature).sum(1)
        losses.append(-torch.log((positive + 1e-8) / (positive + negative + 1e-8)).mean())
    return torch.stack(losses).mean()
