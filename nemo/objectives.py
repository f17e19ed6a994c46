"""What makes kernels specialise: terms on the sample masks, or the mean activations, of one batch (method.md 3).

All of them are pure functions of `masks`, a list of `[B, K_l]`, and `labels`, `[B]` of any integers; every layer counts
equally. They run in float32 (float64 masks stay float64) under any autocast, read nothing back to the host, and have
finite values and gradients also where a batch has no pair of a kind, and on dead samples and dead layers.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

VARIANTS = ("reference", "masked_exp")


def cohesion_coupling(masks: Sequence[Tensor], labels: Tensor) -> tuple[Tensor, Tensor]:
    """The cohesion and coupling losses of MwT, over all pairs i < j of the batch (method.md 3.1).

    Computed from class sums instead of a Gram matrix: with unit rows n_i and S_c the sum of class c's rows, the
    cosines of the same-class pairs add up to (sum_c |S_c|^2 - sum_i |n_i|^2) / 2, those of the others to
    (|sum_c S_c|^2 - sum_c |S_c|^2) / 2. All layers share the pair counts, so they are concatenated.

    Args:
        masks: Sample masks of every layer that counts, each `[B, K_l]`.
        labels: Classes `[B]`.

    Returns:
        `(cohesion_loss, coupling_loss)`: one minus the mean cosine of same-class pairs, and the mean cosine of
        different-class pairs; 0 where the batch has no such pair.
    """
    with torch.autocast(labels.device.type, enabled=False):
        rows = _unit_rows(masks)  # [B, K]
        same = labels[:, None] == labels[None, :]  # [B, B]
        sums = _class_sums(rows, same)  # [B, K]
        of_rows, of_classes, of_all = rows.square().sum(), sums.square().sum(), sums.sum(dim=0).square().sum()
        same_pairs = (same.sum() - len(labels)) / 2
        other_pairs = (len(labels) ** 2 - same.sum()) / 2
        cosine_same = (of_classes - of_rows) / (2 * len(masks) * same_pairs.clamp_min(1))
        cosine_other = (of_all - of_classes) / (2 * len(masks) * other_pairs.clamp_min(1))
        cohesion = torch.where(same_pairs > 0, 1 - cosine_same, 0.0)
        return cohesion, torch.where(other_pairs > 0, cosine_other, 0.0)


def saturation(masks: Sequence[Tensor]) -> Tensor:
    """How far masks are from 0 and 1: the mean of 4 m (1 - m), over outputs and images, averaged over layers.

    Args:
        masks: Sample masks of every layer, each `[B, K_l]`.
    """
    with torch.autocast(masks[0].device.type, enabled=False):
        return torch.stack([4 * (mask.float() * (1 - mask.float())).mean() for mask in masks]).mean()


def contrastive(masks: Sequence[Tensor], labels: Tensor, temperature: float, variant: str = "reference") -> Tensor:
    """The contrastive loss of NeMo, averaged over anchors and layers (method.md 3.2).

    Args:
        masks: Sample masks of every layer that counts, each `[B, K_l]`.
        labels: Classes `[B]`.
        temperature: Divides the cosines; positive.
        variant: `reference` is the published form, in which an anchor is its own positive and every pair left out
            of a sum adds exp(0) to it; `masked_exp` leaves both out, and skips anchors without a positive.

    Returns:
        A scalar; 0 in `masked_exp` for a batch without positives.

    Raises:
        ValueError: The variant is unknown.
    """
    if variant not in VARIANTS:
        raise ValueError(f"variant: {variant!r} is unknown, choose one of {', '.join(VARIANTS)}")
    form = _reference if variant == "reference" else _masked_exp
    with torch.autocast(labels.device.type, enabled=False):
        same = labels[:, None] == labels[None, :]  # [B, B]
        layers = _unit_rows(masks).split([mask.shape[1] for mask in masks], dim=1)
        return form(torch.stack([rows @ rows.T for rows in layers]), same, temperature)


def compactness(activations: Sequence[Tensor]) -> Tensor:
    """The compactness loss of MODA: the mean absolute activation, averaged over layers.

    Args:
        activations: Mean activations of every layer that counts, each `[B, K_l]`, at least 0.
    """
    return torch.stack([_floating(each).mean() for each in activations]).mean()


def _reference(cosines: Tensor, same: Tensor, temperature: float) -> Tensor:
    """One exponential: the entries that either sum leaves out add exp(0) = 1 each, which is a count.

    Args:
        cosines: `[L, B, B]`.
        same: bool `[B, B]`.
        temperature: See `contrastive`.
    """
    # Every sum is divided by exp(s_ii / T) (s_ii is 1, or 0 on a dead sample), so that no temperature overflows.
    own = cosines.detach().diagonal(dim1=1, dim2=2)  # [L, B]
    exps = ((cosines - own[..., None]) / temperature).exp()  # [L, B, B]
    one = (-own / temperature).exp()  # [L, B]
    excluded = (~same).sum(dim=1, dtype=exps.dtype)  # [B]
    positive = (exps * same).sum(dim=2) + (excluded + 1e-8) * one
    both = exps.sum(dim=2) + (len(same) + 1e-8) * one
    return -(positive / both).log().mean()


def _masked_exp(cosines: Tensor, same: Tensor, temperature: float) -> Tensor:
    """Share of the positives in the sum over all other samples, as a difference of log-sum-exps; see `_reference`."""
    # The lowest finite number instead of -inf: a row without entries then has a finite gradient to discard.
    lowest = torch.finfo(cosines.dtype).min
    itself = torch.eye(len(same), dtype=torch.bool, device=same.device)
    positives = same & ~itself
    logits = (cosines / temperature).masked_fill(itself, lowest)
    losses = logits.logsumexp(dim=2) - logits.masked_fill(~positives, lowest).logsumexp(dim=2)  # [L, B]
    anchors = positives.any(dim=1)
    return torch.where(anchors, losses, 0.0).sum() / (len(losses) * anchors.sum().clamp_min(1))


def _unit_rows(masks: Sequence[Tensor]) -> Tensor:
    """`mask / max(|mask|, 1e-12)` row by row, at least in float32, layers side by side `[B, K]`; a zero row stays zero.

    A layer costs a sum of its own, all else is done for all of them at once: a Transformer has 66.
    """
    values = torch.cat([_floating(mask) for mask in masks], dim=1)
    widths = [mask.shape[1] for mask in masks]
    squares = torch.stack([part.sum(dim=1) for part in values.square().split(widths, dim=1)])  # [L, B]
    # A dead row is divided by 1: the same value, but a gradient of ordinary size, which fp16 can carry back.
    norms = torch.where(squares == 0, 1.0, squares).sqrt().clamp_min(1e-12)
    wide = [norm[:, None].expand(-1, width) for norm, width in zip(norms.unbind(), widths, strict=True)]
    return values / torch.cat(wide, dim=1)


def _floating(values: Tensor) -> Tensor:
    """In float32, or as float64 where it is."""
    return values if values.dtype == torch.float64 else values.float()


def _class_sums(rows: Tensor, same: Tensor) -> Tensor:
    """Sums of the rows of each class `[B, K]`; a class stands at its first sample, the other rows are zero."""
    first = same.int().argmax(dim=1)  # [B]
    if rows.is_cuda:  # there index_add adds in no fixed order, and the product costs nothing
        members = first[:, None] == torch.arange(len(first), device=first.device)
        return members.to(rows.dtype).T @ rows
    return torch.zeros_like(rows).index_add(0, first, rows)
