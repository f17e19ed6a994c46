"""Settings that fit a data set and a network: a first study that ends, and is worth reading, not the best one.

The numbers are those of this project's own studies (`docs/results.md`, `docs/any-network.md`, `docs/text.md`), by rules
between them; nothing is measured on the user's data.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from nemo.backbones.vit_config import is_transformer
from nemo.datasets import is_of_texts
from nemo.datasets.description import Description
from nemo.image_size import height_width, is_text
from nemo.zoo.names import is_foreign

_TRANSFORMERS = re.compile(r"vit|deit|swin|beit|mixer|former|cait|xcit|convnext", re.IGNORECASE)
_STEPS = 1200
"""As many make a narrow CNN good on the digits (`studies/quickstart.yaml`)."""
_LARGE = 128
"""Pixels of a side from which images are trained on by their parts, as is usual for photographs."""

Line = tuple[str, Any, str]
"""A field of a study, its value, and what is to be said of it."""


@dataclass(frozen=True)
class Fitting:
    """What a first study has besides its pair.

    Attributes:
        recipe, finetune: Their fields.
        sizes: Numbers of classes of the sub-tasks.
        samples: Sub-tasks of each size.
        train_only: Whether mask generators and the classifier alone learn, and the pretrained weights stay.
    """

    recipe: list[Line]
    finetune: list[Line]
    sizes: list[int]
    samples: int
    train_only: bool


def default_backbone(description: Description) -> tuple[str, float]:
    """A network and its width for images, where the user names none."""
    small = max(height_width(description.image_size)) <= 64
    return ("rescnn", 0.25) if small and description.train_size < 5000 else ("resnet18", 0.5)


def fitting(backbone: str, dataset: str, description: Description, *, pretrained: bool) -> Fitting:
    """The settings for a network on a data set.

    Args:
        backbone: As a study names it.
        dataset: Likewise.
        description: What is known of the data set.
        pretrained: Whether the network starts from weights.
    """
    number, classes = description.train_size, len(description.classes)
    enough = description.counts is None or min(description.counts) >= 2
    held = [("validation", 0.1, "a tenth of the training data is held out, to choose on")] if enough else []
    if is_of_texts(dataset):
        recipe, finetune = _of_texts()
    elif pretrained:
        recipe, finetune = _of_pretrained(backbone, number)
    else:
        recipe, finetune = _from_scratch(backbone, number)
    if not is_text(description.image_size) and min(height_width(description.image_size)) >= _LARGE:
        recipe.append(("augment", "imagenet", "trains on parts of random size and shape, as is usual for photographs"))
    sizes = [size for size in (2, 3, 5) if size < classes] or [2]
    samples = min(4, *(math.comb(classes, size) for size in sizes))
    return Fitting([*recipe, *held], finetune, sizes, samples, pretrained and not is_of_texts(dataset))


def _of_texts() -> tuple[list[Line], list[Line]]:
    recipe: list[Line] = [
        ("epochs", 5, "passes over the training texts"),
        ("batch_size", 32, "texts per step"),
        ("optimizer", "adamw", "as is usual for Transformers"),
        ("lr", 0.0001, "learning rate of the network's own weights; it falls along a cosine"),
        ("lr_mask", 0.001, "that of the mask generators, which are new"),
        ("lr_warmup", 0.3, "epochs over which the rates rise from 0"),
        ("max_grad_norm", 1.0, "clips the gradients, as is usual for Transformers"),
    ]
    finetune: list[Line] = [
        ("epochs", 2, "passes over the texts of a module's classes"),
        ("batch_size", 32, "texts per step"),
        ("optimizer", "adamw", "as above"),
        ("lr", 0.0001, "as above"),
    ]
    return recipe, finetune


def _of_pretrained(backbone: str, number: int) -> tuple[list[Line], list[Line]]:
    batch, attention = 64 if number >= 2000 else 32, _is_transformer(backbone)
    recipe: list[Line] = [
        ("epochs", _epochs(number, batch, least=5, most=30, steps=300), "few: most of it is trained already"),
        ("batch_size", batch, "images per step"),
        *_optimizer(0.0001 if attention else 0.01, attention, "a small one, not to undo what was trained"),
    ]
    finetune: list[Line] = [
        ("epochs", 3, "passes over the images of a module's classes"),
        ("batch_size", batch, "images per step"),
        *_optimizer(0.0001 if attention else 0.005, attention, "learning rate of the fine-tuning"),
        ("anneal", 1.0, "the cosine ends with the last epoch"),
    ]
    return recipe, finetune


def _from_scratch(backbone: str, number: int) -> tuple[list[Line], list[Line]]:
    batch = next(size for least, size in ((20_000, 128), (5_000, 64), (500, 32), (0, 16)) if number >= least)
    attention, rate = _is_transformer(backbone), {128: 0.05, 64: 0.05, 32: 0.03, 16: 0.02}[batch]
    epochs = _epochs(number, batch, least=60 if attention else 30, most=200, steps=_STEPS)
    layout: list[Line] = []
    if not attention and not is_foreign(backbone):
        layout = [("channels_last", True, "a layout of tensors that is faster with convolutions")]
    recipe: list[Line] = [
        ("epochs", epochs, "passes over the training images; 200 are published for CIFAR-10"),
        ("batch_size", batch, "images per step"),
        *_optimizer(0.001 if attention else rate, attention, "learning rate; it falls along a cosine"),
        ("warmup", epochs // 6, "epochs over which the weight of nemo's own term rises from 0"),
        *layout,
    ]
    finetune: list[Line] = [
        ("epochs", 10, "passes over the images of a module's classes"),
        ("batch_size", batch, "images per step"),
        *_optimizer(0.0005 if attention else 0.01, attention, "learning rate of the fine-tuning"),
        ("anneal", 1.0, "the cosine ends with the last epoch"),
        *layout,
    ]
    return recipe, finetune


def _optimizer(rate: float, attention: bool, said: str) -> list[Line]:
    found: list[Line] = [("lr", rate, said)]
    return [("optimizer", "adamw", "as is usual for Transformers"), *found] if attention else found


def _is_transformer(backbone: str) -> bool:
    """Whether it is trained as Transformers are; of other libraries' networks their names tell, as far as they do."""
    if not is_foreign(backbone):
        return is_transformer(backbone)
    return backbone.startswith("hf:") or bool(_TRANSFORMERS.search(backbone))


def _epochs(number: int, batch: int, *, least: int, most: int, steps: int) -> int:
    """Epochs of so many steps at least, rounded up to tens where they are many."""
    wanted = math.ceil(steps * batch / number)
    wanted = wanted if wanted < 10 else math.ceil(wanted / 10) * 10
    return min(most, max(least, wanted))
