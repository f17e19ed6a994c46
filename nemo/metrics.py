"""How modular a network is: exact over all pairs, by products of 0/1 matrices in blocks (method.md 5.3 to 5.5).

Two families share their words and not their meaning. Module-level metrics (`kernel_retention_rate`, `cohesion`,
`coupling`) judge module masks; sample-level ones (`batch_metrics`) watch a training, batch by batch.
The Jaccard similarity of two empty sets is 1.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from nemo.bits import unpack_bits

_BLOCK_FLOATS = 2**24  # of one side of a product: 64 MiB
_BLOCK_ROWS = 2048


def kernel_retention_rate(module_masks: Sequence[Tensor], unmasked: int = 0) -> float:
    """Share of the kernels that a module keeps, averaged over the modules (KRR, method.md 5.3).

    Args:
        module_masks: Per layer, `[N, K_l]` of 0 and 1 or bool.
        unmasked: Kernels of the layers without a generator, counted as kept by every module (method.md B21).
    """
    classes = len(module_masks[0])
    kept = sum(int((mask > 0).sum()) for mask in module_masks)
    return (kept + classes * unmasked) / (classes * (sum(mask.shape[1] for mask in module_masks) + unmasked))


def class_retention_rates(module_masks: Sequence[Tensor]) -> list[float]:
    """KRR of every single module, in the order of the classes."""
    masks = _concatenated(module_masks)
    return [int(kept) / masks.shape[1] for kept in masks.sum(dim=1)]


def union_rate(module_masks: Sequence[Tensor], classes: Sequence[int]) -> float:
    """KRR of a sub-task: the share of the kernels that any of its classes keeps."""
    union = _concatenated(module_masks)[list(classes)].any(dim=0)
    return int(union.sum()) / len(union)


def coupling(module_masks: Sequence[Tensor]) -> float:
    """Mean Jaccard similarity of the modules of two classes, over all pairs (method.md 5.3); nan for one class."""
    masks = _concatenated(module_masks)
    pairs = len(masks) * (len(masks) - 1) // 2
    return _pair_sum(masks) / pairs if pairs else float("nan")


def couplings(module_masks: Sequence[Tensor]) -> list[list[float]]:
    """Jaccard similarity of the modules of every two classes, `[N, N]`; 1 on the diagonal."""
    masks = _concatenated(module_masks).float()
    return jaccard(masks, masks).tolist()


def layer_rates(module_masks: Sequence[Tensor]) -> list[list[float]]:
    """Share of the kernels of every layer that every class's module keeps, `[L, N]`."""
    return [(mask > 0).double().mean(dim=1).tolist() for mask in module_masks]


def cohesion(sample_masks: Sequence[Tensor], labels: Tensor, module_masks: Sequence[Tensor]) -> float:
    """Mean Jaccard similarity of two samples of a class within its module, averaged over classes (method.md 5.3).

    Args:
        sample_masks: Per layer, `[n, K_l]`; a kernel is relevant to a sample where its mask is positive.
        labels: Classes `[n]`.
        module_masks: Per layer, `[N, K_l]` of 0 and 1 or bool.

    Returns:
        The mean over the classes with at least two samples; nan if there is none.
    """

    def of_class(label: int) -> Tensor:
        rows = (labels == label).nonzero()[:, 0]
        # Kernels outside the module are false in every sample: leaving them out changes no Jaccard similarity.
        kept = [mask[label].to(sample.device) > 0 for sample, mask in zip(sample_masks, module_masks, strict=True)]
        parts = [sample[rows.to(sample.device)] > 0 for sample in sample_masks]
        return torch.cat([part[:, keep] for part, keep in zip(parts, kept, strict=True)], dim=1)

    return _mean_cohesion(of_class(label) for label in range(len(module_masks[0])))[0]


def cohesion_packed(
    packed: Tensor, labels: Tensor, module_masks: Sequence[Tensor], device: torch.device | str | None = None
) -> tuple[float, int]:
    """`cohesion` from sample masks packed as bits; unpacked are only one class's kernels within its module.

    Memory, beyond the arguments: one byte per sample of the class and kernel of its module, and about 300 MB.

    Args:
        packed: uint8 `[n, ceil(K / 8)]`, see `nemo.bits`.
        labels: Classes `[n]`.
        module_masks: Per layer, `[N, K_l]` of 0 and 1 or bool.
        device: Where to multiply; None is where `packed` lies.

    Returns:
        The cohesion, and the number of sample pairs without any relevant kernel, which count as similarity 1.
    """
    masks = _concatenated(module_masks).to(packed.device)

    def of_class(label: int) -> Tensor:
        rows = packed[(labels.to(packed.device) == label).nonzero()[:, 0]].to(device or packed.device)
        keep = masks[label].to(rows.device)
        size = max(1, _BLOCK_FLOATS // masks.shape[1])
        return torch.cat([unpack_bits(chunk, masks.shape[1])[:, keep] for chunk in rows.split(size)])

    return _mean_cohesion(of_class(label) for label in range(len(masks)))


def batch_metrics(masks: Sequence[Tensor], labels: Tensor) -> dict[str, Tensor]:
    """Sample-level metrics of one batch, without reading anything back to the host (method.md 5.5).

    Add the results up over an epoch's batches and give the totals to `sample_metrics`.

    Returns:
        `krr`, `cohesion` and `coupling`, each float64 `[2]`: the batch's mean, and 1 as its count; `[0, 0]` where the
        batch has no pair. `live`, int64 `[L]`: samples for which the layer has a relevant kernel.
    """
    with torch.no_grad(), torch.autocast(labels.device.type, enabled=False):
        relevant = [mask > 0 for mask in masks]
        samples = torch.cat(relevant, dim=1).float()
        similarity = jaccard(samples, samples)
        same = labels[:, None] == labels[None, :]
        krr = torch.stack([layer.double().mean() for layer in relevant]).mean()
        result = {"krr": torch.stack([krr, torch.ones_like(krr)])}
        for name, kind in (("cohesion", same), ("coupling", ~same)):
            pairs = kind.triu(diagonal=1)
            mean = torch.where(pairs, similarity, 0.0).sum() / pairs.sum().clamp_min(1)
            result[name] = torch.stack([mean, pairs.any().double()])
        result["live"] = torch.stack([layer.any(dim=1).sum() for layer in relevant])
        return result


def sample_metrics(totals: Mapping[str, Tensor]) -> dict[str, float]:
    """An epoch's sample-level metrics from the added-up results of `batch_metrics`.

    Returns:
        `sample_krr`, `sample_cohesion` and `sample_coupling`, unweighted means over the batches that have such a pair
        (left out where none has), and `dead_layers`, the layers without a relevant kernel in the whole epoch.
    """
    result = {}
    for name in ("krr", "cohesion", "coupling"):
        total, count = totals[name].tolist()
        if count:
            result[f"sample_{name}"] = total / count
    return {**result, "dead_layers": float((totals["live"] == 0).sum())}


def jaccard(left: Tensor, right: Tensor) -> Tensor:
    """Similarities `[a, b]` in float64 of the rows of two 0/1 float32 matrices, whose products are exact."""
    common = left @ right.T
    union = left.sum(dim=1)[:, None] + right.sum(dim=1)[None, :] - common
    return torch.where(union == 0, 1.0, common.double() / union.clamp_min(1))


def subtask_accuracy(logits: Tensor, labels: Tensor, classes: Sequence[int]) -> float:
    """Accuracy of an N-class network on a sub-task: its samples, and only its classes' logits (method.md 7)."""
    columns = torch.tensor(classes, device=logits.device)
    rows = torch.isin(labels, columns)
    predicted = columns[logits[rows][:, columns].argmax(dim=1)]
    return int((predicted == labels[rows]).sum()) / int(rows.sum())


def _concatenated(module_masks: Sequence[Tensor]) -> Tensor:
    return torch.cat([mask > 0 for mask in module_masks], dim=1)  # bool [N, K]


def _pair_sum(bits: Tensor) -> float:
    """Sum of the Jaccard similarities of all pairs i < j of the rows of a 0/1 matrix `[n, k]`, block by block."""
    size = min(_BLOCK_ROWS, max(1, _BLOCK_FLOATS // max(1, bits.shape[1])))
    blocks = bits.split(size)
    total = 0.0
    with torch.autocast(bits.device.type, enabled=False):  # a bfloat16 product is not exact
        for index, block in enumerate(blocks):
            left = block.float()
            # Within a block every pair appears twice, and every row once with itself, at similarity 1.
            total += (float(jaccard(left, left).sum()) - len(left)) / 2
            for other in blocks[index + 1 :]:
                total += float(jaccard(left, other.float()).sum())
    return total


def _mean_cohesion(classes: Iterable[Tensor]) -> tuple[float, int]:
    """Mean over the classes' 0/1 matrices of their pairs' mean similarity, and the number of pairs of empty rows."""
    means, empty_pairs = [], 0
    for bits in classes:
        pairs = len(bits) * (len(bits) - 1) // 2
        if pairs:
            means.append(_pair_sum(bits) / pairs)
            empty = int((~bits.bool().any(dim=1)).sum())
            empty_pairs += empty * (empty - 1) // 2
    return (sum(means) / len(means) if means else float("nan")), empty_pairs
