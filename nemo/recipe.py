"""How a network is trained and how a module is fine-tuned: plain, hashable settings (method.md 4 and 6.5)."""

import math
from dataclasses import dataclass
from typing import Literal, cast

Precision = Literal["float32", "bfloat16"]

Augment = Literal["none", "crop", "imagenet", "trivial"]
"""What is done to training images. `crop`: shifted by some pixels, and mirrored. `imagenet`: a part of random size and
shape, and mirrored; it is evaluated on the middle of images whose shape is kept. `trivial`: TrivialAugmentWide after
`crop`."""

LATER = ("gate", "saturation", "as_cut", "train_only", "lr_warmup", "max_grad_norm")
"""Fields of `Recipe` that came when there were results already: a training's parameters name them where they say
something, so that what is older keeps its key."""

GENERATORS, HEAD = "generators", "head"
"""What `train_only` may name besides patterns of names."""

RECALIBRATION = 500
"""Training images on which a module gets BatchNorm statistics of its own, unless told else: one of a network that
rehearsed, and any for the figure of what that alone is worth."""

_OPTIMIZERS = ("sgd", "adamw")
_PRECISIONS = ("float32", "bfloat16")
_AUGMENT = ("none", "crop", "imagenet", "trivial")
_GATES = ("soft", "annealed", "straight_through", "hard_concrete")


def augmentation(given: bool | str) -> Augment:
    """What a field `augment` says: True and False are what `crop` and `none` were once called.

    Raises:
        ValueError: It says nothing that there is.
    """
    name = given if isinstance(given, str) else "crop" if given else "none"
    _require("augment", name in _AUGMENT, f"must be one of {', '.join(_AUGMENT)}")
    return cast(Augment, name)


def _as_in_keys(given: bool | str) -> bool | Augment:
    """`augment` by the older names, where it has them: keys of what was computed under them must not change."""
    name = augmentation(given)
    return {"crop": True, "none": False}.get(name, name)


def _require_choices(settings: object, **choices: tuple[str, ...]) -> None:
    for field, allowed in choices.items():
        _require(field, getattr(settings, field) in allowed, f"must be one of {', '.join(allowed)}")


def _require(field: str, holds: bool, remedy: str) -> None:
    if not holds:
        raise ValueError(f"{field}: {remedy}")


@dataclass(frozen=True)
class Recipe:
    """One recipe for every method; the defaults are the published ones (method.md 4.1).

    Attributes:
        epochs: Passes over the training images; the learning rate follows one cosine, stepped per epoch. 0 leaves a
            network with pretrained weights untouched.
        batch_size: Images per step over *all* workers.
        lr: Learning rate of the network's own weights.
        lr_mask: Learning rate of the mask generators; None means the same as `lr`.
        anneal: The cosine's length in units of `epochs`.
        warmup: Epochs over which the modular terms' weights rise linearly from 0; 0 is the published form.
        lr_warmup: Epochs, and shares of one, over which the learning rates rise linearly from 0, step by step; 0 is the
            published form.
        max_grad_norm: To which the norm of all gradients of a step is clipped; 0, as published, clips nothing.
        precision: Autocast type of the forward pass; losses and norms are float32 whatever is chosen.
        augment: What is done to training images, and never to texts, see `Augment`; `crop` and `none` are kept by their
            older names, True and False, which are part of keys.
        validation: Share of the training images held out, on which anything that is selected is selected.
        exclude_first_masked_layer: Leave the first masked layer out of the objective (method.md 3.3);
            None takes the method's default, which says nothing of Transformers: none of their layers is left out, nor
            is the only one of a network.
        variant: Form of the contrastive loss (method.md 3.2).
        gate: How what the mask generators compute becomes a mask, a name of `nemo.gates.GATES`; `soft` is published.
        saturation: Weight of `nemo.objectives.saturation`, which presses masks towards 0 and 1; 0 is published.
        as_cut: Images that go through the network as a module beside every batch, as a share of its size, see
            `nemo.rehearsal`, so that modules answer before they are fine-tuned; 0 is published.
        as_cut_from: Share of the epochs before which nobody rehearses: there are no modules yet. 0 names the networks
            that rehearsed within their batches from the first one on, as all did before this field came: they are read,
            and none is trained any more.
        compile: Whether the steps of a training are compiled by torch.compile, which takes minutes, needs a compiler on
            the machine, and moves no number by more than rounding; None compiles trainings that are long enough to gain
            by it, see `nemo.compiling`.
        train_only: What alone learns, see `nemo.frozen`: `generators`, `head`, or patterns of names, one or several;
            None is everything.

    Raises:
        ValueError: A value is out of range; the text starts with the field's name.
    """

    epochs: int = 200
    batch_size: int = 128
    lr: float = 0.05
    lr_mask: float | None = None
    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    anneal: float = 1.0
    warmup: int = 0
    precision: Precision = "float32"
    channels_last: bool = False
    augment: Literal["none", "crop", "imagenet", "trivial", True, False] = "crop"
    validation: float = 0.0
    exclude_first_masked_layer: bool | None = None
    variant: Literal["reference", "masked_exp"] = "reference"
    gate: Literal["soft", "annealed", "straight_through", "hard_concrete"] = "soft"
    saturation: float = 0.0
    as_cut: float = 0.0
    as_cut_from: float = 0.6
    compile: bool | None = None
    train_only: str | tuple[str, ...] | None = None
    lr_warmup: float = 0.0
    max_grad_norm: float = 0.0

    def __post_init__(self) -> None:
        if self.train_only is not None:  # one or several, from a file or a ledger's list
            several = (self.train_only,) if isinstance(self.train_only, str) else tuple(self.train_only)
            object.__setattr__(self, "train_only", several)
        named = self.train_only is None or (bool(self.train_only) and all(self.train_only))
        _require("train_only", named, "must name something, or be left out")
        object.__setattr__(self, "augment", _as_in_keys(self.augment))
        variants = ("reference", "masked_exp")
        _require_choices(self, optimizer=_OPTIMIZERS, precision=_PRECISIONS, variant=variants, gate=_GATES)
        _require("epochs", self.epochs >= 0, "must not be negative")
        _require("batch_size", self.batch_size >= 2, "must be at least 2, BatchNorm needs two images")
        _require("lr", 0 < self.lr < math.inf, "must be positive")
        _require(
            "lr_mask", self.lr_mask is None or 0 < self.lr_mask < math.inf, "must be positive, or left out to equal lr"
        )
        _require("momentum", 0 <= self.momentum < 1, "must be at least 0 and below 1")
        _require("nesterov", not self.nesterov or self.momentum > 0, "needs a momentum above 0")
        _require("weight_decay", self.weight_decay >= 0, "must not be negative")
        _require("anneal", self.anneal >= 1, "must be at least 1")
        _require("warmup", 0 <= self.warmup <= self.epochs, "must lie between 0 and epochs")
        _require("lr_warmup", 0 <= self.lr_warmup <= self.epochs, "must lie between 0 and epochs")
        _require("max_grad_norm", 0 <= self.max_grad_norm < math.inf, "must not be negative")
        _require("saturation", 0 <= self.saturation < math.inf, "must not be negative")
        _require("as_cut", 0 <= self.as_cut < 1, "must be at least 0 and below 1")
        _require("as_cut_from", 0 <= self.as_cut_from < 1, "must be at least 0 and below 1")
        _require("compile", not (self.compile and self.gate == "annealed"), "an annealed gate changes, leave it out")
        _require("validation", 0 <= self.validation < 1, "must be at least 0 and below 1")


@dataclass(frozen=True)
class Finetune:
    """How a module is fine-tuned on its sub-task (method.md 6.5); the last epoch counts, nothing is selected.

    Attributes:
        augment: As a recipe's; how images are evaluated remains that of the network's training.
        anneal: The cosine's length in units of `epochs`; the published 2.0 never anneals fully (method.md B33).

    Raises:
        ValueError: A value is out of range; the text starts with the field's name.
    """

    epochs: int = 10
    batch_size: int = 128
    lr: float = 0.05
    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 0.0
    anneal: float = 2.0
    augment: Literal["none", "crop", "imagenet", "trivial", True, False] = "crop"
    precision: Precision = "float32"
    channels_last: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", _as_in_keys(self.augment))
        _require_choices(self, optimizer=_OPTIMIZERS, precision=_PRECISIONS)
        _require("epochs", self.epochs >= 0, "must not be negative")
        _require("batch_size", self.batch_size >= 2, "must be at least 2, BatchNorm needs two images")
        _require("lr", 0 < self.lr < math.inf, "must be positive")
        _require("momentum", 0 <= self.momentum < 1, "must be at least 0 and below 1")
        _require("nesterov", not self.nesterov or self.momentum > 0, "needs a momentum above 0")
        _require("weight_decay", self.weight_decay >= 0, "must not be negative")
        _require("anneal", self.anneal >= 1, "must be at least 1")
