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
_BLOCK_ROWS = 512  # what is done pair by pair stays in the cache


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
    return _pair_sums(masks, _everything(masks))[0][0] / pairs if pairs else float("nan")


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

    def of_class(label: int) -> tuple[Tensor, Tensor]:
        rows = (labels == label).nonzero()[:, 0]
        # Kernels outside the module are false in every sample: leaving them out changes no Jaccard similarity.
        kept = [mask[label].to(sample.device) > 0 for sample, mask in zip(sample_masks, module_masks, strict=True)]
        parts = [sample[rows.to(sample.device)] > 0 for sample in sample_masks]
        bits = torch.cat([part[:, keep] for part, keep in zip(parts, kept, strict=True)], dim=1)
        return bits, _everything(bits)

    (found,) = _mean_cohesions((of_class(label) for label in range(len(module_masks[0]))), 1)
    return found[0]


def cohesions_packed(
    packed: Tensor,
    labels: Tensor,
    module_masks: Sequence[Sequence[Tensor]],
    device: torch.device | str | None = None,
) -> list[tuple[float, int]]:
    """`cohesion` for several sets of modules at once, from sample masks packed as bits.

    Modules at several thresholds share most of their kernels, whose products are computed once: together they cost
    little more than the largest alone. Unpacked are only one class's kernels within its modules. Memory, beyond the
    arguments: one byte per sample of the class and kernel of its modules, and about 300 MB.

    Args:
        packed: uint8 `[n, ceil(K / 8)]`, see `nemo.bits`.
        labels: Classes `[n]`.
        module_masks: For each set, per layer, `[N, K_l]` of 0 and 1 or bool.
        device: Where to multiply; None is where `packed` lies.

    Returns:
        For each set the cohesion, and the number of sample pairs without any relevant kernel, which count as
        similarity 1.
    """
    masks = torch.stack([_concatenated(each) for each in module_masks]).to(packed.device)  # [S, N, K]

    def of_class(label: int) -> tuple[Tensor, Tensor]:
        rows = packed[(labels.to(packed.device) == label).nonzero()[:, 0]].to(device or packed.device)
        sets = masks[:, label].to(rows.device)
        keep = sets.any(dim=0)
        size = max(1, _BLOCK_FLOATS // sets.shape[1])
        bits = torch.cat([unpack_bits(chunk, sets.shape[1])[:, keep] for chunk in rows.split(size)])
        return bits, sets[:, keep]

    return _mean_cohesions((of_class(label) for label in range(masks.shape[1])), len(masks))


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


def _everything(bits: Tensor) -> Tensor:
    """The one set `[1, k]` of all columns."""
    return torch.ones(1, bits.shape[1], dtype=torch.bool, device=bits.device)


def _pair_sums(bits: Tensor, sets: Tensor) -> tuple[list[float], list[int]]:
    """For each set of columns, the sum of the Jaccard similarities of all pairs i < j of rows, and the empty pairs.

    The sets are taken from the smallest to the largest, and products are added up over what the next one has more:
    sets that contain each other cost no more products than the largest.

    Args:
        bits: 0 and 1, `[n, k]`.
        sets: bool `[S, k]`.
    """
    if not bits.shape[1]:
        pairs = len(bits) * (len(bits) - 1) // 2
        return [float(pairs)] * len(sets), [pairs] * len(sets)
    patterns, group = sets.T.unique(dim=0, return_inverse=True)  # [G, S]: columns that are in the same sets
    bits = bits[:, group.argsort(stable=True)]
    widths = torch.bincount(group, minlength=len(patterns)).tolist()
    counts = torch.stack([part.sum(dim=1) for part in bits.split(widths, dim=1)], dim=1).float()  # [n, G]
    with torch.autocast(bits.device.type, enabled=False):  # a bfloat16 product is not exact
        sizes = counts @ patterns.float()  # [n, S]
    empty = (sizes == 0).sum(dim=0)
    # Half a kernel in an empty row avoids 0 / 0 and gives two of them the similarity 0; they are counted instead.
    padded = sizes.clamp_min(0.5).T.contiguous()  # [S, n]
    steps = _additions(patterns.T, sizes.sum(dim=0).argsort().tolist())
    sums = bits.new_zeros(len(sets), dtype=torch.float64)
    size = min(_BLOCK_ROWS, max(1, _BLOCK_FLOATS // max(1, bits.shape[1])))
    blocks = [bits[start : start + size] for start in range(0, len(bits), size)]
    with torch.autocast(bits.device.type, enabled=False):  # a bfloat16 product is not exact
        for index, block in enumerate(blocks):
            left = block.float().split(widths, dim=1)
            for place, other in enumerate(blocks[index:], start=index):
                right = left if place == index else other.float().split(widths, dim=1)
                common = left[0].new_zeros(len(block), len(other))
                for each, signs in steps:
                    for part, sign in signs:
                        common.addmm_(left[part], right[part].T, alpha=sign)
                    rows, columns = (padded[each, at * size : (at + 1) * size] for at in (index, place))
                    union = (rows[:, None] + columns[None, :]).sub_(common)
                    total = common.double().div_(union).sum()
                    # Within a block every pair appears twice, and every row once with itself, at similarity 1.
                    own = (sizes[index * size : (index + 1) * size, each] > 0).sum()
                    sums[each] += (total - own) / 2 if place == index else total
    empty_pairs = empty * (empty - 1) // 2
    return (sums + empty_pairs).tolist(), empty_pairs.tolist()


def _additions(sets: Tensor, order: Sequence[int]) -> list[tuple[int, list[tuple[int, int]]]]:
    """How to get from each set to the next: in this order, the groups to add (1) and to take away (-1).

    Args:
        sets: bool `[S, G]`.
        order: Of the sets.
    """
    steps, before = [], torch.zeros_like(sets[0])
    for each in order:
        change = sets[each].int() - before.int()
        steps.append((each, [(part, sign) for part, sign in enumerate(change.tolist()) if sign]))
        before = sets[each]
    return steps


def _mean_cohesions(classes: Iterable[tuple[Tensor, Tensor]], sets: int) -> list[tuple[float, int]]:
    """For each set, the mean over the classes of their pairs' mean similarity, and the number of empty pairs."""
    means: list[list[float]] = [[] for _ in range(sets)]
    empty_pairs = [0] * sets
    for bits, members in classes:
        pairs = len(bits) * (len(bits) - 1) // 2
        if pairs:
            for each, (total, empty) in enumerate(zip(*_pair_sums(bits, members), strict=True)):
                means[each].append(total / pairs)
                empty_pairs[each] += empty
    averages = [sum(each) / len(each) if each else float("nan") for each in means]
    return list(zip(averages, empty_pairs, strict=True))
