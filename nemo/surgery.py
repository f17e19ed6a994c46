"""Cutting a module out of a modular network: one rule per kind of block, for every backbone (method.md 6).

A cut walks through the network with the set of channels that reach each block. A masked layer keeps the outputs its
module mask names, the next layer loses the inputs that are gone, and a residual addition aligns its two sides by
index. The given network is only read.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from functools import singledispatch
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

from nemo.backbones.backbone import Backbone
from nemo.errors import UserError
from nemo.layers import ConvMaskGenerator, ConvUnit, Residual
from nemo.masking import ModularNetwork
from nemo.transformer import DistilledHead
from nemo.unit import Unit

MaskValues = Literal["drop", "keep_generator", "fold_mean"]
Head = Literal["none", "paper", "slice"]
Surgery = Literal["exact", "paper"]
M = TypeVar("M", bound=nn.Module)


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
    """What one masked layer keeps: its rows, and the mean mask values [k] to fold into its norm, if any.

    `narrows` tells that a Transformer's residual stream is cut to the rows too, as published.
    """

    rows: Tensor
    fold: Tensor | None
    keep_generator: bool
    narrows: bool = False


Cuts = dict[Unit, UnitCut]


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
        smaller.mask_generator = _slice_generator(block.mask_generator, rows.index, kept.index)
    return smaller, rows


@cut.register
def _residual(block: Residual, kept: Kept, cuts: Cuts) -> tuple[nn.Module, Kept]:
    body, ours = _sequential(block.body, kept, cuts)
    shortcut, theirs = (None, kept) if block.shortcut is None else _unit(block.shortcut, kept, cuts)
    union = Kept(torch.cat([ours.index, theirs.index]).unique(), ours.width)  # unique() sorts
    same = len(ours.index) == len(union.index) == len(theirs.index)
    smaller = Residual(
        body,  # type: ignore[arg-type]  # the rule for a Sequential returns a Sequential
        shortcut,  # type: ignore[arg-type]  # and the rule for a unit a unit
        relu=block.relu,
        width=len(union.index),
        body_index=None if same else torch.searchsorted(union.index, ours.index),
        shortcut_index=None if same else torch.searchsorted(union.index, theirs.index),
    )
    return smaller, union


@singledispatch
def select_rows(head: nn.Module, rows: Tensor) -> nn.Module:
    """Keeps some logits of a head that `cut` has a rule for."""
    raise TypeError(f"surgery has no rule for the outputs of {type(head).__name__}")


@select_rows.register
def _select_rows(head: nn.Linear, rows: Tensor) -> nn.Module:
    return slice_linear(head, rows, Kept.all(head.in_features, rows.device).index)


def like(source: M, smaller: M, **tensors: Tensor | None) -> M:
    """Fills `smaller` with copies of the given values, on the source's device, in its type and mode."""
    smaller = smaller.to(next(source.parameters()))
    for name, value in tensors.items():
        if value is not None:
            getattr(smaller, name).copy_(value)
    return smaller.train(source.training)


def slice_linear(layer: nn.Linear, rows: Tensor, columns: Tensor) -> nn.Linear:
    """The layer with some of its outputs and inputs."""
    smaller = nn.utils.skip_init(nn.Linear, 1, 1, bias=layer.bias is not None)  # at its size torch warns of no inputs
    smaller.in_features, smaller.out_features = len(columns), len(rows)
    smaller.weight = nn.Parameter(layer.weight[rows][:, columns].contiguous())
    if layer.bias is not None:
        smaller.bias = nn.Parameter(layer.bias[rows])
    return smaller.train(layer.training)


def _slice_conv(layer: nn.Conv2d, rows: Tensor, columns: Tensor) -> nn.Conv2d:
    smaller = nn.utils.skip_init(
        nn.Conv2d,
        *(len(columns), len(rows), layer.kernel_size),
        stride=layer.stride,
        padding=layer.padding,
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


def _slice_generator(generator: ConvMaskGenerator, rows: Tensor, columns: Tensor) -> ConvMaskGenerator:
    """Inputs that are gone were zero, so leaving out their columns changes nothing (method.md 6.1)."""
    smaller = ConvMaskGenerator(len(columns), len(rows))
    hidden = torch.arange(generator.squeeze.out_features, device=rows.device)
    smaller.squeeze = slice_linear(generator.squeeze, hidden, columns)
    smaller.expand = slice_linear(generator.expand, rows, hidden)
    return smaller


def _cuts(
    modular: ModularNetwork,
    module_masks: Sequence[Tensor],
    classes: Sequence[int],
    mask_values: MaskValues,
    mean_masks: Sequence[Tensor] | None,
    surgery: Surgery,
) -> Cuts:
    widths = [mask.shape[1] for mask in module_masks]
    if widths != modular.widths:
        raise UserError(
            f"module_masks: layer widths {widths} are not the network's {modular.widths}, use its own masks."
        )
    if mask_values not in ("drop", "keep_generator", "fold_mean"):
        raise UserError(f"mask_values: {mask_values!r} is unknown, choose drop, keep_generator or fold_mean.")
    if mask_values == "fold_mean" and mean_masks is None:
        raise UserError("mean_masks: fold_mean needs the mean mask values per class, pass those of the relevance pass.")
    chosen = list(classes)
    cuts: Cuts = {}
    for number, unit in enumerate(modular.units):
        device = unit.weight.device
        rows = module_masks[number][chosen].bool().any(0).nonzero().flatten().to(device)
        if len(rows) == 0 and (surgery == "paper" or isinstance(unit, ConvUnit)):
            raise UserError(f"module_masks: layer {number} keeps no unit for the classes {chosen}, keep at least one.")
        fold = None
        if mask_values == "fold_mean" and mean_masks is not None:
            fold = mean_masks[number][chosen].mean(0).to(device)[rows]
        cuts[unit] = UnitCut(rows, fold, mask_values == "keep_generator", narrows=surgery == "paper")
    return cuts


def _check_classes(classes: Sequence[int], total: int) -> None:
    if not classes or len(set(classes)) != len(classes) or not all(0 <= c < total for c in classes):
        raise UserError(f"classes: {list(classes)} must be distinct numbers from 0 to {total - 1}, at least one.")


@torch.no_grad()
def extract_module(
    modular: ModularNetwork,
    module_masks: Sequence[Tensor],
    classes: Sequence[int],
    mask_values: MaskValues = "drop",
    head: Head = "none",
    mean_masks: Sequence[Tensor] | None = None,
    surgery: Surgery = "exact",
) -> Backbone:
    """Cuts the module of some classes out of a modular network (method.md 6).

    With `mask_values="drop"` the result equals, exactly, the modular network whose sample masks are replaced by the
    constant union of the classes' module masks.

    Args:
        modular: The trained network; not changed.
        module_masks: Per masked layer a bool `[N, K_l]`.
        classes: The target classes, in the order of the module's outputs (for `paper` and `slice`).
        mask_values: `drop` the sample values (as published), `keep_generator` to go on computing them, or
            `fold_mean` to scale each layer's norm, or a Transformer layer's weights, by the classes' mean mask value.
        head: `none` keeps the N logits, `paper` appends ReLU and a new Linear(N, n), `slice` keeps the classes' rows.
        mean_masks: Per masked layer a float `[N, K_l]`; needed for `fold_mean`.
        surgery: Of a Transformer; a CNN knows one. `exact` keeps the residual stream whole, and a layer may lose all
            units; `paper` cuts the stream too, which computes another function before fine-tuning, and its head
            `paper` takes the classifier's place.

    Returns:
        A standalone, smaller network: images `[B, 3, H, W]` to logits.

    Raises:
        UserError: The masks do not fit the network, a layer keeps nothing, a class or an option does not exist.
    """
    from nemo import transformer_surgery  # registers the rules for its blocks; it imports this file

    backbone = modular.network
    if not isinstance(backbone.head, nn.Linear | DistilledHead):
        raise UserError("modular: its head is not a linear layer, cut modules from the whole network.")
    _check_classes(classes, backbone.head.out_features)
    if surgery not in ("exact", "paper"):
        raise UserError(f"surgery: {surgery!r} is unknown, choose exact or paper.")
    narrows = surgery == "paper" and transformer_surgery.applies_to(backbone)
    if narrows and mask_values == "keep_generator":
        raise UserError("mask_values: keep_generator needs the whole stream that generators read, use surgery exact.")
    cuts = _cuts(modular, module_masks, classes, mask_values, mean_masks, surgery)
    first = next(m for m in backbone.modules() if isinstance(m, nn.Conv2d))
    body, kept = cut(backbone.body, Kept.all(first.in_channels, first.weight.device), cuts)
    classifier, outputs = cut(backbone.head, kept, cuts)
    rows = torch.tensor(list(classes), device=first.weight.device)
    if head == "slice":
        classifier = select_rows(classifier, rows)
    elif head == "paper" and narrows:
        classifier = transformer_surgery.paper_head(backbone.head, kept, len(rows)).to(first.weight)
    elif head == "paper":
        new = nn.Linear(outputs.width, len(rows)).to(first.weight)
        classifier = nn.Sequential(classifier, nn.ReLU(), new)
    elif head != "none":
        raise UserError(f"head: {head!r} is unknown, choose none, paper or slice.")
    module = Backbone(body, classifier)  # type: ignore[arg-type]  # the rule for a Sequential returns a Sequential
    return module.train(modular.training)
