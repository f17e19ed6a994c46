"""The few building blocks that every CNN backbone is made of; masking and surgery know these and nothing else."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemo.unit import Unit


class ConvMaskGenerator(nn.Module):
    """Maps a convolution's input `[B, C_in, H, W]` to its sample mask `[B, K]` in [0, 1) (method.md 2.1)."""

    def __init__(self, in_channels: int, kernels: int) -> None:
        super().__init__()
        hidden = kernels if kernels < 128 else kernels // 2
        self.squeeze = nn.Linear(in_channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, kernels)
        nn.init.kaiming_normal_(self.squeeze.weight)
        nn.init.kaiming_normal_(self.expand.weight)
        nn.init.ones_(self.expand.bias)

    def forward(self, x: Tensor) -> Tensor:
        pooled = F.adaptive_avg_pool2d(x, 1).flatten(1)  # [B, C_in]; fvcore sees this pooling, not a mean
        return F.relu(torch.tanh(self.expand(F.relu(self.squeeze(pooled)))))


class ConvUnit(Unit):
    """Convolution, normalisation, sample mask, activation, in this order (method.md 2.1).

    Attributes:
        norm: A BatchNorm2d or an Identity.
        maskable: False for the first convolution of a backbone.
    """

    def __init__(
        self, conv: nn.Conv2d, *, norm: nn.BatchNorm2d | None = None, relu: bool = True, maskable: bool = True
    ) -> None:
        super().__init__(maskable=maskable)
        self.conv = conv
        self.norm: nn.Module = nn.Identity() if norm is None else norm
        self.mask_generator: ConvMaskGenerator | None = None
        self.relu = relu

    @property
    def kernels(self) -> int:
        """Number of outputs, K_l."""
        return self.conv.out_channels

    @property
    def weight(self) -> Tensor:
        return self.conv.weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        if self.mask_generator is not None:
            mask: Tensor = self.mask_generator(x)
            if self.record_mask:
                self._mask = mask
            y = y * mask[:, :, None, None]
        return F.relu(y) if self.relu else y


class Residual(nn.Module):
    """`act(body(x) + shortcut(x))`, whose two sides may carry different subsets of the same channels.

    In a whole network both sides are equally wide. After surgery `body_index` and `shortcut_index` tell where each
    side's channels lie among the `width` channels that either of them kept.
    """

    body_index: Tensor | None
    shortcut_index: Tensor | None

    def __init__(
        self,
        body: nn.Sequential,
        shortcut: ConvUnit | None = None,
        *,
        relu: bool = True,
        width: int | None = None,
        body_index: Tensor | None = None,
        shortcut_index: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.body = body  # registered before the shortcut: this is the order of the masks (method.md 1.4)
        self.shortcut = shortcut
        self.relu = relu
        self.width = width
        self.register_buffer("body_index", body_index)
        self.register_buffer("shortcut_index", shortcut_index)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        identity: Tensor = x if self.shortcut is None else self.shortcut(x)
        if self.body_index is None or self.shortcut_index is None:
            y = y + identity
        else:
            shape = (y.shape[0], self.width, *y.shape[2:])
            dtype = torch.result_type(y, identity)
            y = y.new_zeros(shape, dtype=dtype).index_add(1, self.body_index, y.to(dtype))
            y = y.index_add(1, self.shortcut_index, identity.to(dtype))
        return F.relu(y) if self.relu else y
