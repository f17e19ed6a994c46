"""The building blocks of Transformer backbones, before and after surgery; masking and surgery know these."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nemo.gates import Gate
from nemo.layers import ConvUnit
from nemo.sites import Site
from nemo.tokens import token_mean


class NeuronMaskGenerator(nn.Module):
    """Maps a linear layer's input `[B, T, d]` to its sample mask `[B, K]` in [0, 1] (method.md 2.2).

    Attributes:
        norm: See `ConvMaskGenerator`.
    """

    def __init__(self, features: int, neurons: int, gate: Gate | None = None, hidden: int | None = None) -> None:
        super().__init__()
        hidden = hidden or (neurons if neurons < 3073 else neurons // 2)
        self.norm: nn.Module = nn.Identity()
        self.squeeze = nn.Linear(features, hidden)
        self.expand = nn.Linear(hidden, neurons)
        self.gate = gate or Gate()
        for layer in (self.squeeze, self.expand):
            nn.init.kaiming_normal_(layer.weight)
            nn.init.ones_(layer.bias)

    def forward(self, x: Tensor, present: Tensor | None = None) -> Tensor:
        pooled = token_mean(x, present)
        mask: Tensor = self.gate(self.expand(F.relu(self.squeeze(self.norm(pooled)))))
        return mask


class TokenUnit(Site):
    """A linear layer on tokens, times its sample mask: one mask for all tokens, on the bias too (method.md 2.2).

    Attributes:
        role: One of `nemo.backbones.vit_config.ROLES`.
        maskable: False in the first block of a backbone.
    """

    def __init__(self, linear: nn.Linear, role: str, *, maskable: bool = True) -> None:
        super().__init__(relu=False)
        self.maskable = maskable
        self.linear = linear
        self.mask_generator: NeuronMaskGenerator | None = None
        self.role = role

    @property
    def kernels(self) -> int:
        return self.linear.out_features

    @property
    def weight(self) -> Tensor:
        return self.linear.weight

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.linear(x)
        if self.mask_generator is not None:
            mask = self.record_mask(self.mask_generator(x))
            y = y * mask.to(y.dtype)[:, None, :]
        return y


class Heads(nn.Module):
    """Splits features `[B, T, F]` into heads `[B, H, T, w]`, and back.

    A head narrower than `w`, the widest, is filled up with zeros, which neither move a product of query and key nor
    reach the merged features.
    """

    filled: Tensor | None
    merged: Tensor | None

    def __init__(self, sizes: Sequence[int]) -> None:
        super().__init__()
        self.count, self.width = len(sizes), max(sizes)
        filled = merged = None
        if len(set(sizes)) > 1:
            slots = torch.arange(self.width).expand(self.count, -1) < torch.tensor(sizes)[:, None]  # [H, w]
            merged = slots.flatten().nonzero().flatten()
            filled = torch.full((self.count * self.width,), sum(sizes))  # one past the end: the zero
            filled[merged] = torch.arange(sum(sizes))
        self.register_buffer("filled", filled)
        self.register_buffer("merged", merged)

    def split(self, x: Tensor) -> Tensor:
        if self.filled is not None:
            x = F.pad(x, (0, 1)).index_select(-1, self.filled)
        return x.unflatten(-1, (self.count, self.width)).transpose(1, 2)

    def merge(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2).flatten(2)
        return x if self.merged is None else x.index_select(-1, self.merged)


class Attention(nn.Module):
    """Multi-head self-attention whose heads may be of different widths, or without any query and key.

    The values come in two parts: those of the heads that attend, then those of the heads that lost their queries and
    keys. The latter attend uniformly, which is the mean over the tokens. A head without values is not there.

    Attributes:
        query: None where no head attends, and so is `key`.
        value: None where no value is left, and the output is its bias.
        scale: Of the products of query and key: that of the whole head, however much of it is left.
        uniform: Number of values of the heads that attend uniformly.
    """

    def __init__(
        self,
        query: TokenUnit | None,
        key: TokenUnit | None,
        value: TokenUnit | None,
        output: TokenUnit,
        *,
        key_sizes: Sequence[int],
        value_sizes: Sequence[int],
        uniform: int = 0,
        scale: float,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = query, key, value, output  # the order of the masks
        self.key_heads = Heads(key_sizes) if key_sizes else None
        self.value_heads = Heads(value_sizes) if value_sizes else None
        self.uniform = uniform
        self.scale = scale
        self.dropout = dropout

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.output(self._context(x))
        return y

    def _context(self, x: Tensor) -> Tensor:
        """The values `[B, T, F]` as the tokens attend to each other; the layers run in the order of their masks."""
        if self.value is None:
            return x[..., :0]
        if self.query is None or self.key is None or self.key_heads is None or self.value_heads is None:
            return _over_tokens(self.value(x))
        query, key = self.query(x), self.key(x)
        attending, uniform = self.value(x).tensor_split([self.value.kernels - self.uniform], dim=-1)
        mixed = F.scaled_dot_product_attention(
            self.key_heads.split(query),
            self.key_heads.split(key),
            self.value_heads.split(attending),
            dropout_p=self.dropout if self.training else 0.0,
            scale=self.scale,
        )
        merged = self.value_heads.merge(mixed)
        return torch.cat([merged, _over_tokens(uniform)], dim=-1) if self.uniform else merged


def _over_tokens(values: Tensor) -> Tensor:
    """What every token gets of `[B, T, F]` where all attend to all alike."""
    return values.mean(1, keepdim=True).expand_as(values)


class Mlp(nn.Module):
    """Two linear layers; without a hidden neuron left (`fc1` is None) the output is the second one's bias."""

    def __init__(self, fc1: TokenUnit | None, activation: nn.Module, fc2: TokenUnit) -> None:
        super().__init__()
        self.fc1 = fc1
        self.activation = activation
        self.fc2 = fc2

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.fc2(x[..., :0] if self.fc1 is None else self.activation(self.fc1(x)))
        return y


class Branch(nn.Module):
    """`x + body(norm(x))` on the residual stream `[B, T, D]`, whose channels may be different ones on every side.

    In a whole network all three indices are None, for all channels in their order.

    Attributes:
        norm: None where the body doesn't look at the stream.
        body: None for a dead branch.
        seen: The channels of `x` that the norm sees.
        carried: For every channel of the result its place in `x`, D for one that `x` doesn't have.
        rows: The channels of the result that the body adds to.
    """

    seen: Tensor | None
    carried: Tensor | None
    rows: Tensor | None

    def __init__(
        self,
        norm: nn.LayerNorm | None,
        body: Attention | Mlp | None,
        dropout: float = 0.0,
        *,
        seen: Tensor | None = None,
        carried: Tensor | None = None,
        rows: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.norm = norm
        self.body = body
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("seen", seen)
        self.register_buffer("carried", carried)
        self.register_buffer("rows", rows)

    def forward(self, x: Tensor) -> Tensor:
        stream = x if self.carried is None else F.pad(x, (0, 1)).index_select(-1, self.carried)
        if self.body is None:
            return stream
        seen = x if self.seen is None else x.index_select(-1, self.seen)
        y: Tensor = self.dropout(self.body(seen if self.norm is None else self.norm(seen)))
        if self.rows is None:
            return stream + y
        dtype = torch.result_type(stream, y)
        return stream.to(dtype).index_add(-1, self.rows, y.to(dtype))


class TransformerBlock(nn.Module):
    """A pre-norm encoder block."""

    def __init__(self, attention: Branch, mlp: Branch) -> None:
        super().__init__()
        self.attention = attention
        self.mlp = mlp

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.mlp(self.attention(x))
        return y


class TokenEmbedding(nn.Module):
    """Images `[B, 3, H, W]` to tokens `[B, T, D]`: the special tokens, then the patches, plus their positions."""

    def __init__(self, patches: ConvUnit, special: Tensor, positions: Tensor, dropout: float = 0.0) -> None:
        super().__init__()
        self.patches = patches
        self.special = nn.Parameter(special)  # [1, S, D]
        self.positions = nn.Parameter(positions)  # [1, T, D]
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        patches: Tensor = self.patches(x).flatten(2).transpose(1, 2)
        special = self.special.expand(x.shape[0], -1, -1).to(patches.dtype)
        y: Tensor = self.dropout(torch.cat([special, patches], dim=1) + self.positions)
        return y


class Readout(nn.Module):
    """What the classifier sees of the tokens `[B, T, D]`.

    Attributes:
        kind: `first` is the class token `[B, D]`; `two` the class and the distillation token `[B, 2, D]`; `mean` the
            mean over the tokens `[B, D]`.
    """

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        if self.kind == "mean":
            return x.mean(1)
        return x[:, :2] if self.kind == "two" else x[:, 0]


class DistilledHead(nn.Module):
    """DeiT's two classifiers, `[B, 2, D]` to the mean of their logits `[B, N]` (method.md 1.8).

    Attributes:
        record_logits: Whether `take_logits` is going to be called after each forward.
    """

    def __init__(self, classifier: nn.Linear, distilled: nn.Linear) -> None:
        super().__init__()
        self.classifier = classifier
        self.distilled = distilled
        self.record_logits = False
        self._logits: Tensor | None = None

    @property
    def out_features(self) -> int:
        return self.classifier.out_features

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.stack([self.classifier(x[:, 0]), self.distilled(x[:, 1])], dim=1)
        if self.record_logits:
            self._logits = logits
        return logits.mean(1)

    def take_logits(self) -> Tensor:
        """Hands over the last logits of both classifiers, `[B, 2, N]`, and forgets them; see `Site.take_relevance`."""
        logits, self._logits = self._logits, None
        if logits is None:
            raise RuntimeError("take_logits() needs a forward pass of a recording head before it")
        return logits
