"""From a trained modular network to module masks at any threshold (method.md 5.1, 5.2)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.functional import one_hot

from nemo import metrics
from nemo.bits import pack_bits
from nemo.errors import UserError
from nemo.modes import eval_mode

_FORMAT = {"format": "nemo.relevance 1"}  # one entry: safetensors writes several in an order that chance decides
_FORMER = {"format": "nemo.relevance", "version": "1"}
_STEP = Fraction(1, 20)  # by which the threshold is lowered for a layer that would keep nothing


@dataclass(frozen=True)
class Relevance:
    """The statistics of every kernel from one pass over the training images; masks at any threshold follow from them.

    Attributes:
        counts: Per layer, int64 `[N, K_l]`: samples of the class to which the kernel is relevant.
        samples: int64 `[N]`: samples of the class.
        mean_masks: Per layer, float32 `[N, K_l]`: mean mask value over the class's samples.
        packed: uint8 `[n, ceil(K / 8)]`: every sample's relevant kernels, layers concatenated, see `nemo.bits`.
        labels: int64 `[n]`.
    """

    counts: list[Tensor]
    samples: Tensor
    mean_masks: list[Tensor]
    packed: Tensor
    labels: Tensor

    @property
    def frequencies(self) -> list[Tensor]:
        """Per layer, float64 `[N, K_l]`: share of the class's samples to which the kernel is relevant."""
        return [count.double() / self.samples[:, None] for count in self.counts]

    @property
    def widths(self) -> list[int]:
        """K_l of every layer."""
        return [count.shape[1] for count in self.counts]


def relevance(network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], num_classes: int) -> Relevance:
    """Runs a modular network once over images and counts which kernels are relevant to which class.

    A kernel is relevant to a sample where its mask is positive. The network runs in eval mode, without gradients and
    autocast, and gets its training mode back. On the network's device stay the sums, and one bit per sample and kernel.

    Args:
        network: Its forward returns `(logits, masks)`, `masks` a list of `[B, K_l]`.
        batches: Images and their classes `[B]`, without augmentation.
        num_classes: N.

    Returns:
        The relevance, on the CPU.

    Raises:
        UserError: A class has no sample.
    """
    counts = sums = torch.empty(0)
    widths: list[int] = []
    packed, all_labels = [], []
    with eval_mode(network), torch.no_grad():
        for images, labels in batches:
            with torch.autocast(images.device.type, enabled=False):
                layers = network(images)[1]
                masks = torch.cat(layers, dim=1)  # [B, K]
                if not widths:
                    widths = [layer.shape[1] for layer in layers]
                    counts = masks.new_zeros(num_classes, masks.shape[1], dtype=torch.int64)
                    sums = masks.new_zeros(num_classes, masks.shape[1], dtype=torch.float64)
                members = one_hot(labels.to(masks.device).long(), num_classes).T  # [N, B]
                relevant = masks > 0
                counts += (members.float() @ relevant.float()).long()  # exact: a batch is no larger than 2^24
                sums += members.double() @ masks.double()
                packed.append(pack_bits(relevant))
                all_labels.append(labels)
    samples = _class_sizes(all_labels, num_classes)
    return Relevance(
        counts=list(counts.cpu().split(widths, dim=1)),
        samples=samples,
        mean_masks=list((sums.cpu() / samples[:, None]).float().split(widths, dim=1)),
        packed=torch.cat(packed).cpu(),
        labels=torch.cat(all_labels).cpu(),
    )


def _class_sizes(labels: Sequence[Tensor], num_classes: int) -> Tensor:
    samples = torch.zeros(num_classes, dtype=torch.int64)
    for batch in labels:
        samples += torch.bincount(batch.cpu(), minlength=num_classes)
    missing = (samples == 0).nonzero()[:, 0].tolist()
    if missing:
        raise UserError(
            f"modularizing: no training image of class {', '.join(map(str, missing))} of {num_classes}, "
            "add images or leave the class out of the data set"
        )
    return samples


def module_masks(frequencies: Sequence[Tensor], threshold: float) -> list[Tensor]:
    """The kernels that each class's module keeps (method.md 5.2, clean rule).

    Layer by layer a module keeps the kernels with a frequency of at least the threshold. Where there is none, the
    threshold falls in steps of 0.05 down to 0.05; where there is still none, the ceil(5 %) most frequent kernels stay,
    the first of equals.

    Args:
        frequencies: Per layer, `[N, K_l]`; compared in their own floating type.
        threshold: Above 0, at most 1.

    Returns:
        Per layer, bool `[N, K_l]` with at least one kernel per class.

    Raises:
        UserError: The threshold is out of range, or a frequency is not a number.
    """
    return [mask for mask, _ in _masks(frequencies, threshold)]


def fallback_layers(frequencies: Sequence[Tensor], threshold: float) -> list[tuple[int, int]]:
    """The (class, layer) pairs without a kernel at any threshold, where `module_masks` takes the most frequent ones."""
    unreached = torch.stack([~reached for _, reached in _masks(frequencies, threshold)], dim=1)  # [N, L]
    return [(label, layer) for label, layer in unreached.nonzero().tolist()]


def _masks(frequencies: Sequence[Tensor], threshold: float) -> list[tuple[Tensor, Tensor]]:
    """Per layer: bool `[N, K_l]`, and bool `[N]`, whether any threshold was reached."""
    schedule = _schedule(threshold)
    masks = []
    for frequency in frequencies:
        if not frequency.is_floating_point():
            frequency = frequency.double()
        if frequency.isnan().any():
            raise UserError("modularizing: a frequency is not a number, every class needs at least one sample")
        # In the frequencies' type, so that a float32 4500 / 5000 meets a threshold of 0.9.
        levels = torch.tensor(schedule, dtype=torch.float64, device=frequency.device).to(frequency.dtype)
        met = frequency.amax(dim=1, keepdim=True) >= levels  # [N, levels]
        reached = met.any(dim=1)
        level = levels[met.int().argmax(dim=1)]  # the first that is met
        order = frequency.argsort(dim=1, descending=True, stable=True)
        most_frequent = order[:, : max(1, (frequency.shape[1] + 19) // 20)]
        fallback = torch.zeros_like(frequency, dtype=torch.bool).scatter_(1, most_frequent, True)
        masks.append((torch.where(reached[:, None], frequency >= level[:, None], fallback), reached))
    return masks


def _schedule(threshold: float) -> list[float]:
    """The thresholds to try, each the float nearest to its decimal: repeated subtraction of 0.05 would drift."""
    try:
        exact = Fraction(str(threshold))
    except ValueError:  # not a number
        exact = Fraction(0)
    if not 0 < exact <= 1:
        raise UserError(f"threshold: {threshold} lies outside (0, 1], choose a share of a class's samples such as 0.9")
    lowered = (exact - step * _STEP for step in range(1, 20))
    return [float(exact), *(float(level) for level in lowered if level >= _STEP)]


def measure(
    relevance: Relevance, threshold: float, unmasked: int = 0, device: torch.device | str | None = None
) -> dict[str, Any]:
    """The module-level metrics at one threshold (method.md 5.3), as plain numbers and lists.

    Args:
        relevance: What `relevance` returned.
        threshold: See `module_masks`.
        unmasked: Kernels of the layers without a generator; they enter `krr_all` as kept (method.md B21).
        device: Where to multiply; None is the CPU.

    Returns:
        `threshold`, what `measure_masks` tells, and `fallback_layers` (lists of class and layer).

    Raises:
        UserError: See `module_masks`.
    """
    return measure_all(relevance, [threshold], unmasked, device)[0]


def measure_all(
    relevance: Relevance,
    thresholds: Sequence[float],
    unmasked: int = 0,
    device: torch.device | str | None = None,
) -> list[dict[str, Any]]:
    """`measure` at several thresholds, for little more than the lowest alone takes; see `metrics.cohesions_packed`."""
    frequencies = relevance.frequencies
    modules = [module_masks(frequencies, threshold) for threshold in thresholds]
    cohesions = metrics.cohesions_packed(relevance.packed, relevance.labels, modules, device)
    return [
        {
            "threshold": float(threshold),
            **_figures(masks, cohesion, unmasked),
            "fallback_layers": [list(pair) for pair in fallback_layers(frequencies, threshold)],
        }
        for threshold, masks, cohesion in zip(thresholds, modules, cohesions, strict=True)
    ]


def measure_masks(
    relevance: Relevance,
    module_masks: Sequence[Tensor],
    unmasked: int = 0,
    device: torch.device | str | None = None,
) -> dict[str, Any]:
    """The metrics of module masks, wherever they come from.

    Args:
        relevance: Of the network that they are masks of.
        module_masks: Per layer, `[N, K_l]` of 0 and 1 or bool.
        unmasked: See `measure`.
        device: See `measure`.

    Returns:
        `krr`, `krr_all`, `class_krr` (per class), `cohesion`, `coupling` and `empty_unions` (sample pairs without a
        relevant kernel, which count as similarity 1).
    """
    (cohesion,) = metrics.cohesions_packed(relevance.packed, relevance.labels, [module_masks], device)
    return _figures(module_masks, cohesion, unmasked)


def _figures(module_masks: Sequence[Tensor], cohesion: tuple[float, int], unmasked: int) -> dict[str, Any]:
    return {
        "krr": metrics.kernel_retention_rate(module_masks),
        "krr_all": metrics.kernel_retention_rate(module_masks, unmasked),
        "class_krr": metrics.class_retention_rates(module_masks),
        "cohesion": cohesion[0],
        "coupling": metrics.coupling(module_masks),
        "empty_unions": cohesion[1],
    }


def save_relevance(relevance: Relevance, path: str | Path) -> None:
    """Writes a relevance to one safetensors file."""
    tensors = {"samples": relevance.samples, "packed": relevance.packed, "labels": relevance.labels}
    for layer, (count, mean) in enumerate(zip(relevance.counts, relevance.mean_masks, strict=True)):
        tensors[f"counts.{layer}"] = count
        tensors[f"mean_masks.{layer}"] = mean
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, str(path), {**_FORMAT})


def load_relevance(path: str | Path) -> Relevance:
    """Reads what `save_relevance` wrote.

    Raises:
        UserError: The file is missing, damaged or of another kind.
    """
    try:
        with safe_open(str(path), framework="pt") as file:
            if (file.metadata() or {}) not in (_FORMAT, _FORMER):
                raise UserError(f"{path}: is no relevance file of this version, run the modularizing step again")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        layers = range(sum(name.startswith("counts.") for name in tensors))
        return Relevance(
            counts=[tensors[f"counts.{layer}"] for layer in layers],
            samples=tensors["samples"],
            mean_masks=[tensors[f"mean_masks.{layer}"] for layer in layers],
            packed=tensors["packed"],
            labels=tensors["labels"],
        )
    except (OSError, SafetensorError, KeyError) as error:
        raise UserError(f"{path}: cannot be read ({error}), delete it and run the modularizing step again") from error
