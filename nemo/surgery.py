"""Cutting a module out of a modular network (method.md 6); the rules for its blocks are in `nemo.cutting`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from nemo import transformer_surgery
from nemo.backbones.backbone import Backbone
from nemo.cutting import Cuts, Kept, UnitCut, cut, select_rows
from nemo.errors import UserError
from nemo.graph.cut import Cutter
from nemo.graph.hooks import HookedSite
from nemo.modular import ModularNetwork
from nemo.transformer import DistilledHead, Readout, TokenUnit

MaskValues = Literal["drop", "keep_generator", "fold_mean"]
Head = Literal["none", "linear", "paper", "slice"]
Surgery = Literal["exact", "paper"]


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
    device = next(modular.parameters()).device
    for number, unit in enumerate(modular.units):
        rows = (module_masks[number][chosen] > 0).any(0).nonzero().flatten().to(device)
        if len(rows) == 0 and (surgery == "paper" or not isinstance(unit, TokenUnit | HookedSite)):
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
    *,
    check: bool = True,
) -> nn.Module:
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
        check: Of another network than ours: whether the module is compared with the whole network, in double precision,
            on other inputs and another batch size.

    Returns:
        A standalone, smaller network: images `[B, 3, H, W]` to logits.

    Raises:
        UserError: The masks do not fit the network, a layer keeps nothing, a class or an option does not exist; or the
            cut of another network than ours is not exact.
    """
    classes = [int(label) for label in classes]
    backbone = modular.network
    if not isinstance(backbone, Backbone):
        return _cut_any(modular, module_masks, classes, mask_values, head, mean_masks, surgery, check=check)
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
    return module.requires_grad_(True).train(modular.training)  # whatever of the network was frozen


def _cut_any(
    modular: ModularNetwork,
    module_masks: Sequence[Tensor],
    classes: Sequence[int],
    mask_values: MaskValues,
    head: Head,
    mean_masks: Sequence[Tensor] | None,
    surgery: Surgery,
    *,
    check: bool,
) -> nn.Module:
    """Cuts a network that is followed by its graph; once for all modules of it."""
    if surgery != "exact":
        raise UserError(f"surgery: {surgery} is for this project's own Transformers, choose exact.")
    if head not in ("none", "linear", "paper", "slice"):
        raise UserError(f"head: {head!r} is unknown, choose none, linear, paper or slice.")
    assert modular.example is not None
    sites = [unit for unit in modular.units if isinstance(unit, HookedSite)]
    combined = mask_values == "keep_generator"
    cuts = _cuts(modular, module_masks, classes, mask_values, mean_masks, surgery)
    followed = modular.followed.get(combined)
    cutter = Cutter(modular.network, sites, modular.example, combined=combined, captured=followed)
    modular.followed[combined] = cutter.captured
    _check_classes(classes, cutter.outputs)
    values = []
    for site in sites:
        rows, fold = cuts[site].rows, cuts[site].fold
        value = torch.zeros(site.kernels, dtype=torch.float64)
        value[rows.cpu()] = 1.0 if fold is None else fold.cpu()
        values.append(value)
    module = cutter.cut(values, classes, head, check=check)
    return module.to(next(modular.network.parameters()).device).train(modular.training)


def _new_head(head: nn.Linear | DistilledHead, kept: Kept, outputs: int) -> list[nn.Module]:
    """A new classifier of what is left of the features; of two heads' tokens it sees the first (method.md 6.4)."""
    if isinstance(head, DistilledHead):
        return [Readout("first"), nn.Linear(len(kept.index), outputs)]
    return [nn.Linear(len(kept.per_feature(head.in_features)), outputs)]
