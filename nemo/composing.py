"""Modules composed into one classifier over the union of their classes (MwT paper, section 3.4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from nemo.datasets.dataset import Dataset, Split
from nemo.deployed import Composed, Deployed
from nemo.evaluation import evaluate, predict
from nemo.flops import count_flops, count_parameters
from nemo.image_size import input_shape
from nemo.recipe import Finetune
from nemo.reuse import fine_tune
from nemo.training import require_finite, training_places


@dataclass(frozen=True)
class Composition:
    """A composed classifier and its figures.

    Attributes:
        network: Images in 0..1 to the logits of the union's classes.
        figures: On the union's test images `accuracy` and `accuracy_before_finetuning` (each image goes to the class of
            which one of the modules is surest); `flops`, `parameters`; and the fine-tuning's `history`.
    """

    network: Composed
    figures: dict[str, Any]


def compose(
    parts: Sequence[Deployed],
    classes: Sequence[Sequence[int]],
    union: Dataset,
    *,
    finetune: Finetune,
    seed: int,
    device: torch.device | str = "cpu",
) -> Composition:
    """Puts modules side by side and trains one head on what they see; the last epoch counts, nothing is selected.

    Args:
        parts: The modules, not changed.
        classes: Per module the labels in `union` of its logits.
        union: The images of all their classes.
        finetune: How the head is trained.
        seed: Of its start and of the images' order.
        device: Where.

    Raises:
        TrainingDiverged: The head's loss is not finite.
    """
    images = as_unit_images(union)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = Composed(parts, union.num_classes, union.image_size).to(device)
    before = _surest(network, classes, images, device)
    history = fine_tune(network, images, finetune, seed=seed, device=device)
    after = evaluate(network, images.test, images, device=device, precision=finetune.precision)
    require_finite(after, "after fine-tuning")
    figures = {
        "accuracy": after["accuracy"],
        "accuracy_before_finetuning": float((before == union.test.labels).double().mean()),
        "flops": count_flops(network, input_shape(union.image_size)),
        "parameters": count_parameters(network),
        "history": history,
    }
    return Composition(network, figures)


def without_held_out(dataset: Dataset, splits: Iterable[tuple[float, int]]) -> Dataset:
    """The data set without the training images that one of several trainings held out for validation.

    Args:
        dataset: What all of them trained on.
        splits: The validation share and the seed of each.
    """
    kept = torch.ones(len(dataset.train), dtype=torch.bool)  # [n]
    for validation, seed in set(splits):
        trained_on = torch.zeros_like(kept)
        trained_on[training_places(dataset, validation, seed)] = True
        kept &= trained_on
    if kept.all():
        return dataset
    return replace(dataset, train=Split(dataset.train.images[kept], dataset.train.labels[kept]))


def as_unit_images(dataset: Dataset) -> Dataset:
    """The data set for networks that normalise for themselves: its images come in 0..1."""
    return replace(dataset, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))


def _surest(network: Composed, classes: Sequence[Sequence[int]], images: Dataset, device: torch.device | str) -> Tensor:
    """The label `[n]` of every test image to which one of the modules gives the largest probability."""
    surest = torch.zeros(len(images.test), images.num_classes)
    for part, labels in zip(network.parts, classes, strict=True):
        own = predict(part, images.test, images, device=device).softmax(1)  # [n, classes of the module]
        columns = list(labels)
        surest[:, columns] = torch.maximum(surest[:, columns], own)
    return surest.argmax(1)
