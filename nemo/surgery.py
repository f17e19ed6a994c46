"""Cutting a module out of a modular network: one rule per kind of block, for every backbone (method.md 6).

A cut walks through the network with the set of channels that reach each block. A site keeps the outputs its module
mask names, the next layer loses the inputs that are gone, and a residual addition aligns its two sides by index. Where
the sum itself is a site, both sides lose what it loses. The given network is only read.
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
from nemo.layers import ConvMaskGenerator, ConvUnit, LinearUnit, Residual, Select
from nemo.modular import ModularNetwork
from nemo.transformer import DistilledHead, NeuronMaskGenerator, Readout, TokenUnit

MaskValues = Literal["drop", "keep_generator", "fold_mean"]
Head = Literal["none", "linear", "paper", "slice"]
Surgery = Literal["exact", "paper"]
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


def _new_head(head: nn.Linear | DistilledHead, kept: Kept, outputs: int) -> list[nn.Module]:
    """A new classifier of what is left of the features; of two heads' tokens it sees the first (method.md 6.4)."""
    if isinstance(head, DistilledHead):
        return [Readout("first"), nn.Linear(len(kept.index), outputs)]
    return [nn.Linear(len(kept.per_feature(head.in_features)), outputs)]


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


def slice_generator(generator: Generator, rows: Tensor, columns: Tensor) -> Generator:
    """Inputs that are gone were zero, so leaving out their columns changes nothing (method.md 6.1)."""
    smaller = type(generator).__new__(type(generator))  # drawing weights would move the caller's random state
    nn.Module.__init__(smaller)
    hidden = torch.arange(generator.squeeze.out_features, device=rows.device)
    smaller.squeeze = slice_linear(generator.squeeze, hidden, columns)
    smaller.expand = slice_linear(generator.expand, rows, hidden)
    smaller.gate = deepcopy(generator.gate)
    return smaller


def _cuts(
    modular: ModularNetwork,
    module_masks: Sequence[Tensor],
    classes: Sequence[int],
    mask_values: MaskValues,
    mean_masks: Sequence[Tensor] | None,
    surgery: Surgery,
) -> Cuts:
    widths = [mask.shape[-1] for mask in module_masks]
    if widths != modular.widths:
        raise UserError(
            f"module_masks: layer widths {widths} are not the network's {modular.widths}, use its own masks."
        )
    if mask_values not in ("drop", "keep_generator", "fold_mean"):
        raise UserError(f"mask_values: {mask_values!r} is unknown, choose drop, keep_generator or fold_mean.")
    if mask_values != "drop" and modular.source != "masks":
        raise UserError(f"mask_values: {mask_values} needs mask generators, and this network has none: choose drop.")
    if mask_values == "fold_mean" and mean_masks is None:
        raise UserError("mean_masks: fold_mean needs the mean mask values per class, pass those of the relevance pass.")
    for field, given in (("module_masks", module_masks), ("mean_masks", mean_masks or [])):
        if any(mask.ndim != 2 or len(mask) <= max(classes) for mask in given):
            raise UserError(f"{field}: every layer must be [N, K_l] with a row per class, as the relevance pass gives.")
    if mean_masks is not None and [mean.shape[1] for mean in mean_masks] != modular.widths:
        raise UserError("mean_masks: the layers are not the network's, pass those of its own relevance pass.")
    chosen = list(classes)
    cuts: Cuts = {}
    for number, unit in enumerate(modular.units):
        device = next(unit.parameters()).device
        rows = (module_masks[number][chosen] > 0).any(0).nonzero().flatten().to(device)
        if len(rows) == 0 and (surgery == "paper" or not isinstance(unit, TokenUnit)):
            raise UserError(f"module_masks: layer {number} keeps no unit for the classes {chosen}, keep at least one.")
        fold = None
        if mask_values == "fold_mean" and mean_masks is not None:
            fold = mean_masks[number][chosen].to(device).double().mean(0)[rows]
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
    constant union of the classes' module masks; where relevance is read from activations, the network whose activations
    at the sites are multiplied by it.

    Args:
        modular: The trained network; not changed.
        module_masks: Per site a bool `[N, K_l]`.
        classes: The target classes, in the order of the module's outputs (for every head but `none`).
        mask_values: `drop` the sample values (as published), `keep_generator` to go on computing them, or
            `fold_mean` to scale each layer's norm, or a Transformer layer's weights, by the classes' mean mask value.
        head: `none` keeps the N logits, `paper` appends ReLU and a new Linear(N, n), `slice` keeps the classes' rows,
            `linear` puts a new Linear(features, n) in the classifier's place.
        mean_masks: Per masked layer a float `[N, K_l]`; needed for `fold_mean`.
        surgery: Of a Transformer; a CNN knows one. `exact` keeps the residual stream whole, and a layer may lose all
            units; `paper` cuts the stream too, which computes another function before fine-tuning, and its head
            `paper` takes the classifier's place, a ReLU and a new Linear(features, n).

    Returns:
        A standalone, smaller network: images `[B, 3, H, W]` to logits.

    Raises:
        UserError: The masks do not fit the network, a layer keeps nothing, a class or an option does not exist.
    """
    from nemo import transformer_surgery  # registers the rules for its blocks; it imports this file

    classes = [int(label) for label in classes]
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
    elif head == "linear":
        classifier = nn.Sequential(*_new_head(backbone.head, kept, len(rows))).to(first.weight)
    elif head == "paper" and narrows:
        classifier = nn.Sequential(nn.ReLU(), *_new_head(backbone.head, kept, len(rows))).to(first.weight)
    elif head == "paper":
        new = nn.Linear(outputs.width, len(rows)).to(first.weight)
        classifier = nn.Sequential(classifier, nn.ReLU(), new)
    elif head != "none":
        raise UserError(f"head: {head!r} is unknown, choose none, linear, paper or slice.")
    module = Backbone(body, classifier)  # type: ignore[arg-type]  # the rule for a Sequential returns a Sequential
    return module.train(modular.training)
