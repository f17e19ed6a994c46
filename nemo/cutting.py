"""Cutting a network's blocks: one rule per kind of block, for every backbone (method.md 6.1).

A cut walks through the network with the set of channels that reaches each block. A site keeps the outputs its module
mask names, the next layer loses the inputs that are gone, and a residual addition aligns its two sides by index. Where
the sum itself is a site, both sides lose what it loses. The given network is only read.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from functools import singledispatch
from typing import TypeVar

import torch
from torch import Tensor, nn

from nemo.errors import UserError
from nemo.layers import ConvMaskGenerator, ConvUnit, LinearUnit, Residual, Select
from nemo.transformer import NeuronMaskGenerator

M = TypeVar("M", bound=nn.Module)
Generator = TypeVar("Generator", ConvMaskGenerator, NeuronMaskGenerator)


@dataclass(frozen=True)
class Kept:
    """The channels that are left at one point of the network: ascending `index` [k] among the original `width`."""

    index: Tensor
    width: int

    @classmethod
    def all(cls, width: int, device: torch.device) -> Kept:
        return cls(torch.arange(width, device=device), width)

    def per_feature(self, features: int) -> Tensor:
        """The kept columns of a linear layer that sees each channel as `features / width` neighbouring features."""
        group = features // self.width
        columns = self.index[:, None] * group + torch.arange(group, device=self.index.device)
        return columns.flatten()


@dataclass(frozen=True)
class UnitCut:
    """What one site keeps: its rows, and the mean mask values [k] to fold into its norm, if any.

    `narrows` tells that a Transformer's residual stream is cut to the rows too, as published.
    """

    rows: Tensor
    fold: Tensor | None = None
    keep_generator: bool = False
    narrows: bool = False


Cuts = dict[nn.Module, UnitCut]
"""Site -> what it keeps; a block that is not in it keeps all that its inputs let it compute."""


@singledispatch
def cut(block: nn.Module, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    """Returns the smaller block and what it passes on; a block without a rule here can't be cut."""
    raise TypeError(f"surgery has no rule for {type(block).__name__}")


@cut.register(nn.ReLU)
@cut.register(nn.MaxPool2d)
@cut.register(nn.AdaptiveAvgPool2d)
@cut.register(nn.Dropout)
@cut.register(nn.Flatten)
def _pass(block: nn.Module, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    return deepcopy(block), kept


@cut.register
def _sequential(block: nn.Sequential, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    smaller = nn.Sequential()
    for child in block:
        part, kept = cut(child, kept, cuts)
        smaller.append(part)
    return smaller, kept


@cut.register
def _linear(block: nn.Linear, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    rows = Kept.all(block.out_features, block.weight.device)
    return slice_linear(block, rows.index, kept.per_feature(block.in_features)), rows


@cut.register
def _linear_unit(block: LinearUnit, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    own = cuts.get(block)
    layer = block.linear
    rows = Kept.all(block.kernels, layer.weight.device) if own is None else Kept(own.rows, block.kernels)
    return LinearUnit(slice_linear(layer, rows.index, kept.per_feature(layer.in_features)), relu=block.relu), rows


@cut.register
def _unit(block: ConvUnit, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    own = cuts.get(block)
    rows = Kept.all(block.kernels, block.conv.weight.device) if own is None else Kept(own.rows, block.kernels)
    norm = block.norm
    if isinstance(norm, nn.BatchNorm2d):
        norm = _slice_norm(norm, rows.index, None if own is None else own.fold)
    conv = _slice_conv(block.conv, rows.index, kept.index)
    smaller = ConvUnit(conv, relu=block.relu, maskable=block.maskable)
    smaller.norm = deepcopy(norm)
    if own is not None and own.keep_generator and block.mask_generator is not None:
        smaller.mask_generator = slice_generator(block.mask_generator, rows.index, kept.index)
    return smaller, rows


@cut.register
def _residual(block: Residual, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    own = cuts.get(block)
    if own is not None:
        cuts = {**dict.fromkeys(block.ends, UnitCut(own.rows)), **cuts}
    body, ours = cut(block.body, kept, cuts)
    shortcut, theirs = (None, kept) if block.shortcut is None else cut(block.shortcut, kept, cuts)
    if own is None:
        union = Kept(torch.cat([ours.index, theirs.index]).unique(), ours.width)  # unique() sorts
    else:
        union = Kept(own.rows, ours.width)
        body, ours = _within(union, body, ours)
        shortcut, theirs = _within(union, shortcut, theirs)
    same = len(ours.index) == len(union.index) == len(theirs.index)
    smaller = Residual(
        body,  # type: ignore[arg-type]  # the rule for a Sequential returns a Sequential
        shortcut,
        relu=block.relu,
        width=len(union.index),
        body_index=None if same else torch.searchsorted(union.index, ours.index),
        shortcut_index=None if same else torch.searchsorted(union.index, theirs.index),
    )
    return smaller, union


S = TypeVar("S", nn.Module, "nn.Module | None")


def _within(sum_: Kept, side: S, kept: Kept) -> tuple[S | nn.Sequential, Kept]:
    """One side of an addition without the channels that the sum has lost."""
    inside = torch.isin(kept.index, sum_.index)
    if bool(inside.all()):
        return side, kept
    blocks = [] if side is None else list(side) if isinstance(side, nn.Sequential) else [side]
    return nn.Sequential(*blocks, Select(inside.nonzero().flatten())), Kept(kept.index[inside], kept.width)


@singledispatch
def select_rows(head: nn.Module, rows: Tensor) -> nn.Module:
    """Keeps some logits of a head that `cut` has a rule for."""
    raise TypeError(f"surgery has no rule for the outputs of {type(head).__name__}")


@select_rows.register
def _select_rows(head: nn.Linear, rows: Tensor) -> nn.Module:
    return slice_linear(head, rows, Kept.all(head.in_features, rows.device).index)


def like(source: M, smaller: M, **tensors: Tensor | None) -> M:
    """Fills `smaller` with copies of the given values, on the source's device and in its type."""
    smaller = smaller.to(next(source.parameters()))
    for name, value in tensors.items():
        if value is not None:
            getattr(smaller, name).copy_(value)
    return smaller


def slice_linear(layer: nn.Linear, rows: Tensor, columns: Tensor) -> nn.Linear:
    """The layer with some of its outputs and inputs."""
    smaller = nn.utils.skip_init(nn.Linear, 1, 1, bias=layer.bias is not None)  # at its size torch warns of no inputs
    smaller.in_features, smaller.out_features = len(columns), len(rows)
    smaller.weight = nn.Parameter(layer.weight[rows][:, columns].contiguous())
    if layer.bias is not None:
        smaller.bias = nn.Parameter(layer.bias[rows])
    return smaller.train(layer.training)


def _slice_conv(layer: nn.Conv2d, rows: Tensor, columns: Tensor) -> nn.Conv2d:
    """The convolution with some of its kernels and channels.

    Raises:
        UserError: It has groups: its kernels see some of the channels each.
    """
    if layer.groups != 1:
        raise UserError(f"backbone: surgery cannot cut a convolution with groups={layer.groups} yet, use groups=1.")
    smaller = nn.utils.skip_init(
        nn.Conv2d,
        *(len(columns), len(rows), layer.kernel_size),
        stride=layer.stride,
        padding=layer.padding,
        dilation=layer.dilation,
        padding_mode=layer.padding_mode,
        bias=layer.bias is not None,
    )
    bias = None if layer.bias is None else layer.bias[rows]
    return like(layer, smaller, weight=layer.weight[rows][:, columns], bias=bias)


def _slice_norm(layer: nn.BatchNorm2d, rows: Tensor, fold: Tensor | None) -> nn.BatchNorm2d:
    scale = 1.0 if fold is None else fold.to(layer.weight)
    return like(
        layer,
        nn.BatchNorm2d(len(rows), eps=layer.eps, momentum=layer.momentum),
        weight=layer.weight[rows] * scale,
        bias=layer.bias[rows] * scale,
        running_mean=layer.running_mean[rows] if layer.running_mean is not None else None,
        running_var=layer.running_var[rows] if layer.running_var is not None else None,
        num_batches_tracked=layer.num_batches_tracked,
    )


def slice_generator(generator: Generator, rows: Tensor, columns: Tensor) -> Generator:
    """Inputs that are gone were zero, so leaving out their columns changes nothing (method.md 6.1)."""
    smaller = type(generator).__new__(type(generator))  # drawing weights would move the caller's random state
    nn.Module.__init__(smaller)
    hidden = torch.arange(generator.squeeze.out_features, device=rows.device)
    smaller.squeeze = slice_linear(generator.squeeze, hidden, columns)
    smaller.expand = slice_linear(generator.expand, rows, hidden)
    smaller.gate = deepcopy(generator.gate)
    smaller.norm = deepcopy(generator.norm)
    return smaller
