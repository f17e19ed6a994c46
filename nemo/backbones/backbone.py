"""What a backbone is: a body of known building blocks and a linear head."""

from __future__ import annotations

from torch import Tensor, nn


class Backbone(nn.Module):
    """A classifier: `head(body(x))`, images `[B, 3, H, W]` to logits `[B, N]`.

    Attributes:
        body: Everything up to the features, made of the blocks of `nemo.layers` and of plain torch layers.
        head: The final linear layer, or what surgery put in its place.
    """

    def __init__(self, body: nn.Sequential, head: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.body(x))
        return logits


def scaled(channels: int, width: float) -> int:
    """A layer's width under the multiplier (method.md 1.3), at least one unit."""
    return max(1, int(channels * width))


def init_convolutions(network: nn.Module) -> None:
    """Kaiming-normal over fan-out for weights, zero for biases (method.md 1.3 to 1.6); BatchNorm starts at (1, 0)."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
