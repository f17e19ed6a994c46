"""Class modules at work: each is run on its own and speaks for its own class (method.md 8)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from nemo.datasets.dataset import Dataset, Split
from nemo.datasets.pictures import Pictures
from nemo.evaluation import predict
from nemo.modular import ModularNetwork
from nemo.surgery import extract_module


def fitness_images(train: Split, validation: Split | None, images: int) -> Split:
    """What a search judges its candidates on: the first validation images of each class, or training images.

    Args:
        train: The training images.
        validation: Those held out of them, or None.
        images: At most so many, evenly over the classes; at least one of each.
    """
    split = train if validation is None else validation
    members = one_hot(split.labels)  # [n, N]
    place = (members.cumsum(dim=0) * members).sum(dim=1)  # of each image among those of its class, from 1
    chosen = place <= max(1, images // members.shape[1])
    found = split.images[chosen]  # they are looked at in every generation
    return Split(found.read() if isinstance(found, Pictures) else found, split.labels[chosen])


def class_logit(
    modular: ModularNetwork,
    label: int,
    masks: Sequence[Tensor],
    split: Split,
    dataset: Dataset,
    device: torch.device | str = "cpu",
) -> Tensor:
    """What a class's module gives that class, for every image.

    Args:
        modular: The network to cut it out of.
        label: The class.
        masks: Per layer bool `[K_l]`: the kernels that the module keeps.
        split: The images.
        dataset: Tells how images are normalised.
        device: Where to run.

    Returns:
        float32 `[n]` on the CPU.
    """
    rows = [mask.expand(label + 1, -1) for mask in masks]  # surgery looks at the class's row
    module = extract_module(modular, rows, [label], head="slice").to(device)
    return predict(module, split, dataset, device=device)[:, 0]


def composed_logits(
    modular: ModularNetwork,
    module_masks: Sequence[Tensor],
    split: Split,
    dataset: Dataset,
    device: torch.device | str = "cpu",
) -> Tensor:
    """The logits of the classifier that all classes' modules are together: float32 `[n, N]` on the CPU.

    Args:
        modular: The network to cut them out of.
        module_masks: Per layer bool `[N, K_l]`.
        split: The images.
        dataset: Tells how images are normalised.
        device: Where to run.
    """
    logits = [
        class_logit(modular, label, [mask[label] for mask in module_masks], split, dataset, device)
        for label in range(len(module_masks[0]))
    ]
    return torch.stack(logits, dim=1)
