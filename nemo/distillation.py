"""What a network learns of the labels: cross-entropy, or distillation from a teacher (method.md 3.4)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemo.errors import UserError
from nemo.transformer import DistilledHead


class CrossEntropy:
    """Cross-entropy of the logits.

    Attributes:
        weights: The weight of every loss that `losses` returns.
    """

    weights: Mapping[str, float] = {"loss_ce": 1.0}

    def losses(self, images: Tensor, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """The losses, summed over the images that count.

        Args:
            images: `[b, 3, H, W]`, those that the network has just seen.
            logits: float32 `[n, N]`, of the first n images: those that count.
            labels: `[n]`.
        """
        return {"loss_ce": F.cross_entropy(logits, labels, reduction="sum")}


class Distillation:
    """Half cross-entropy of the first head, half KL divergence of both heads from the teacher (method.md 3.4).

    `loss_ce` is the cross-entropy of the class token's head alone, `loss_kl` the mean over both heads of
    `T^2 KL(teacher || head)`; the distilled head never sees the labels.

    Args:
        network: A network with the two heads of a DeiT; records their logits from here on.
        teacher: Images to logits `[B, N]`; put in eval mode, and never trained.
        precision: See `Recipe`.
        share: Weight of the cross-entropy, the rest is that of the divergence.
        temperature: T, softens both sides.

    Raises:
        UserError: The network has one head only.
    """

    def __init__(
        self,
        network: nn.Module,
        teacher: nn.Module,
        precision: str = "float32",
        *,
        share: float = 0.5,
        temperature: float = 1.0,
    ) -> None:
        heads = [module for module in network.modules() if isinstance(module, DistilledHead)]
        if len(heads) != 1:
            raise UserError("teacher: only a network with a head for it learns from a teacher, choose deit_s.")
        self.head = heads[0]
        self.head.record_logits = True
        self.teacher = teacher.eval()
        self.precision = precision
        self.temperature = temperature
        self.weights: Mapping[str, float] = {"loss_ce": share, "loss_kl": 1 - share}

    def losses(self, images: Tensor, logits: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """See `CrossEntropy.losses`; takes the heads' logits of the forward pass that `logits` came from."""
        heads = self.head.take_logits()[: len(labels)].float()  # [n, 2, N]
        with torch.no_grad(), torch.autocast(images.device.type, torch.bfloat16, enabled=self.precision == "bfloat16"):
            output = self.teacher(images)
        taught = (output[0] if isinstance(output, tuple) else output)[: len(labels)].float() / self.temperature
        log_heads = F.log_softmax(heads / self.temperature, dim=2)
        log_taught = F.log_softmax(taught, dim=1)[:, None].expand_as(log_heads)
        divergence = F.kl_div(log_heads, log_taught, reduction="sum", log_target=True)
        return {
            "loss_ce": F.cross_entropy(heads[:, 0], labels, reduction="sum"),
            "loss_kl": divergence * self.temperature**2 / 2,
        }


Learning = CrossEntropy | Distillation
