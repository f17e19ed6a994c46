"""The few building blocks that every CNN backbone is made of; masking, recording and surgery know these alone."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemo.gates import Gate
from nemo.sites import Site


class ConvMaskGenerator(nn.Module):
    """Maps a convolution's input `[B, C_in, H, W]` to its sample mask `[B, K]` in [0, 1] (method.md 2.1).

    Attributes:
        norm: Of what is pooled; only generators that start at the identity have one (`nemo.graph.hooks`).
    """

    def __init__(self, in_channels: int, kernels: int, gate: Gate | None = None, hidden: int | None = None) -> None:
        super().__init__()
        hidden = hidden or (kernels if kernels < 128 else kernels // 2)
        self.norm: nn.Module = nn.Identity()
        self.squeeze = nn.Linear(in_channels, hidden, bias=False)
        self.expand = nn.Linear(hidden, kernels)
        self.gate = gate or Gate()
        nn.init.kaiming_normal_(self.squeeze.weight)
        nn.init.kaiming_normal_(self.expand.weight)
        nn.init.ones_(self.expand.bias)

    def forward(self, x: Tensor) -> Tensor:
        mask: Tensor = self.gate(self.expand(F.relu(self.squeeze(self.norm(_pooled(x))))))
        return mask


def _pooled(x: Tensor) -> Tensor:
    """The mean over all pixels, `[B, C]`.

    Where a gradient follows, it has the layout of `x`: in the other one, adding it to the convolution's takes as long
    as half of the convolution. Counted are FLOPs without a gradient, and fvcore sees the pooling, not a mean.
    """
    if torch.is_grad_enabled() and x.is_contiguous(memory_format=torch.channels_last):
        return x.permute(0, 2, 3, 1).mean((1, 2))
    return F.adaptive_avg_pool2d(x, 1).flatten(1)


class ConvUnit(Site):
    """Convolution, normalisation, sample mask, activation, in this order (method.md 2.1).

    Attributes:
        norm: A BatchNorm2d or an Identity.
        maskable: False for the first convolution of a backbone.
        rehearsing: Whether the next forward, in training, leaves the norm's running statistics alone.
    """

    def __init__(
        self, conv: nn.Conv2d, *, norm: nn.BatchNorm2d | None = None, relu: bool = True, maskable: bool = True
    ) -> None:
        super().__init__(relu=relu)
        self.conv = conv
        self.norm: nn.Module = nn.Identity() if norm is None else norm
        self.mask_generator: ConvMaskGenerator | None = None
        self.maskable = maskable
        self.rehearsing = False

    @property
    def kernels(self) -> int:
        return self.conv.out_channels

    @property
    def weight(self) -> Tensor:
        return self.conv.weight

    def forward(self, x: Tensor) -> Tensor:
        # Before the convolution, so that in backward the generator's gradient, the same for all pixels of a channel, is
        # added to the convolution's and not the other way round: the sum has the layout of what came first.
        mask = None if self.mask_generator is None else self.record_mask(self.mask_generator(x))
        y = self._normalise(self.conv(x))
        if mask is not None:
            y = y * mask.to(y.dtype)[:, :, None, None]
        return self.activate(y)

    def _normalise(self, y: Tensor) -> Tensor:
        norm = self.norm
        if not (self.rehearsing and isinstance(norm, nn.BatchNorm2d) and norm.training):
            normalised: Tensor = norm(y)
            return normalised
        return F.batch_norm(y, None, None, norm.weight, norm.bias, training=True, eps=norm.eps)


class LinearUnit(Site):
    """A hidden linear layer and its activation; its outputs are neurons."""

    def __init__(self, linear: nn.Linear, *, relu: bool = True) -> None:
        super().__init__(relu=relu)
        self.linear = linear

    @property
    def kernels(self) -> int:
        return self.linear.out_features

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(self.linear(x))


class Select(nn.Module):
    """Some of the channels; surgery puts it where a side of an addition carries channels that the sum has lost."""

    index: Tensor

    def __init__(self, index: Tensor) -> None:
        super().__init__()
        self.register_buffer("index", index)

    def forward(self, x: Tensor) -> Tensor:
        return x.index_select(1, self.index)


class Residual(Site):
    """`act(body(x) + shortcut(x))`, whose two sides may carry different subsets of the same channels.

    In a whole network both sides are equally wide. After surgery `body_index` and `shortcut_index` tell where each
    side's channels lie among the `width` channels that are left of the sum.
    """

    body_index: Tensor | None
    shortcut_index: Tensor | None

    def __init__(
        self,
        body: nn.Sequential,
        shortcut: nn.Module | None = None,
        *,
        relu: bool = True,
        width: int | None = None,
        body_index: Tensor | None = None,
        shortcut_index: Tensor | None = None,
    ) -> None:
        super().__init__(relu=relu)
        self.body = body  # registered before the shortcut: this is the order of the masks (method.md 1.4)
        self.shortcut = shortcut
        self.width = width
        self.register_buffer("body_index", body_index)
        self.register_buffer("shortcut_index", shortcut_index)

    @property
    def kernels(self) -> int:
        return [unit for unit in self.body.modules() if isinstance(unit, ConvUnit)][-1].kernels

    @property
    def ends(self) -> list[ConvUnit]:
        """The convolutions that feed the sum as they are: what the sum loses, they need not compute."""
        last = (self.body[-1], self.shortcut)
        return [unit for unit in last if isinstance(unit, ConvUnit) and not unit.relu]

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.body(x)
        identity: Tensor = x if self.shortcut is None else self.shortcut(x)
        if self.body_index is None or self.shortcut_index is None:
            y = y + identity
        else:
            dtype = torch.result_type(y, identity)
            channels_last = y.is_contiguous(memory_format=torch.channels_last)
            memory_format = torch.channels_last if channels_last else torch.contiguous_format
            shape = (y.shape[0], self.width, *y.shape[2:])
            both = torch.zeros(shape, dtype=dtype, device=y.device).contiguous(memory_format=memory_format)
            y = both.index_add(1, self.body_index, y.to(dtype)).index_add(1, self.shortcut_index, identity.to(dtype))
        return self.activate(y)
