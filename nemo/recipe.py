"""How a network is trained and how a module is fine-tuned: plain, hashable settings (method.md 4 and 6.5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
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


@dataclass(frozen=True)
class Bounds:
    """Where a number must lie.

    Attributes:
        remedy: The same in words.
        least, above, below: At least, above, and below which number; None for no such bound.
    """

    remedy: str
    least: float | None = None
    above: float | None = None
    below: float | None = None

    def hold(self, number: float) -> bool:
        """Whether a number lies there; no infinite one does."""
        low = (self.least is None or number >= self.least) and (self.above is None or number > self.above)
        return low and number < (math.inf if self.below is None else self.below)


_NOT_NEGATIVE = Bounds("must not be negative", least=0)
_POSITIVE = Bounds("must be positive", above=0)
_SHARE = Bounds("must be at least 0 and below 1", least=0, below=1)
BOUNDS: Mapping[str, Bounds] = {
    "epochs": _NOT_NEGATIVE,
    "batch_size": Bounds("must be at least 2, BatchNorm needs two images", least=2),
    "lr": _POSITIVE,
    "lr_mask": Bounds("must be positive, or left out to equal lr", above=0),
    "momentum": _SHARE,
    "weight_decay": _NOT_NEGATIVE,
    "anneal": Bounds("must be at least 1", least=1),
    "warmup": Bounds("must lie between 0 and epochs", least=0),
    "lr_warmup": Bounds("must lie between 0 and epochs", least=0),
    "max_grad_norm": _NOT_NEGATIVE,
    "saturation": _NOT_NEGATIVE,
    "as_cut": _SHARE,
    "as_cut_from": _SHARE,
    "validation": _SHARE,
}
"""The numbers of `Recipe` and `Finetune`, by field."""


def _require_bounds(settings: Recipe | Finetune) -> None:
    for each in fields(settings):
        number = getattr(settings, each.name)
        if each.name in BOUNDS and number is not None:
            _require(each.name, BOUNDS[each.name].hold(number), BOUNDS[each.name].remedy)


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

    Raises:
        ValueError: A value is out of range; the text starts with the field's name.
    """

    epochs: int = 200
    """passes over the training images; 0, of `standard` with `pretrained` alone: the network stays as it is; where it
    has no `classes_of`, it gets a classifier that is fitted to the features of the training images (a multinomial
    regression)
    """
    batch_size: int = 128
    """images per step, over all workers of a training"""
    lr: float = 0.05
    """learning rate; one cosine over the epochs"""
    lr_mask: float | None = None
    """learning rate of the mask generators

    Left out: `lr`
    """
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """`sgd` or `adamw`"""
    momentum: float = 0.9
    """that of `sgd`; below 1"""
    nesterov: bool = True
    """whether the momentum is Nesterov's"""
    weight_decay: float = 0.0
    """of every weight that learns"""
    anneal: float = 1.0
    """the cosine's length in units of `epochs`"""
    warmup: int = 0
    """epochs over which the weights of a method's terms rise from 0"""
    precision: Precision = "float32"
    """`float32` or `bfloat16`, the type of the forward pass; losses and norms are float32 with both; on CPUs without
    instructions for it (`nemo doctor` says so) bfloat16 takes up to ten times as long
    """
    channels_last: bool = False
    """the layout of tensors that is faster with convolutions, mostly"""
    augment: Literal["none", "crop", "imagenet", "trivial", True, False] = "crop"
    """what is done to training images: see "Augmentation"; `true` and `false` are older words for `crop` and `none`"""
    validation: float = 0.0
    """share of the training images that is held out; whatever is selected is selected on it, so searches and `from:
    best` need it
    """
    exclude_first_masked_layer: bool | None = None
    """leave the first masked layer out of the objective; `nemo` does on CNNs

    Left out: the method's own
    """
    variant: Literal["reference", "masked_exp"] = "reference"
    """form of NeMo's loss: `reference`, or `masked_exp` (`docs/method.md` 3.2)"""
    gate: Literal["soft", "annealed", "straight_through", "hard_concrete"] = "soft"
    """how a mask is made: `soft`, `annealed`, `straight_through`, `hard_concrete` (`docs/modules-as-cut.md`)"""
    saturation: float = 0.0
    """weight of a penalty on masks between 0 and 1"""
    as_cut: float = 0.0
    """images that go through the network as a module beside every batch, as a share of its size, so that modules answer
    before they are tuned; 0.5 is good
    """
    as_cut_from: float = 0.6
    """share of the epochs before which nobody rehearses; 0 names networks of before there was this field, which are
    read and not trained
    """
    compile: bool | None = None
    """whether steps are compiled by torch.compile, which takes minutes, needs a compiler on the machine, and moves no
    number by more than rounding

    Left out: where it pays
    """
    train_only: str | tuple[str, ...] | None = None
    """what alone learns: `generators` (of methods that have masks), `head`, or patterns of names as `[generators,
    "layer4*", "!*.bias"]`; what is not named is frozen

    Left out: everything
    """
    lr_warmup: float = 0.0
    """epochs, and shares of one, over which the learning rates rise from 0, step by step"""
    max_grad_norm: float = 0.0
    """to which the norm of a step's gradients is clipped; 0 clips nothing"""

    def __post_init__(self) -> None:
        if self.train_only is not None:  # one or several, from a file or a ledger's list
            several = (self.train_only,) if isinstance(self.train_only, str) else tuple(self.train_only)
            object.__setattr__(self, "train_only", several)
        named = self.train_only is None or (bool(self.train_only) and all(self.train_only))
        _require("train_only", named, "must name something, or be left out")
        object.__setattr__(self, "augment", _as_in_keys(self.augment))
        variants = ("reference", "masked_exp")
        _require_choices(self, optimizer=_OPTIMIZERS, precision=_PRECISIONS, variant=variants, gate=_GATES)
        _require_bounds(self)
        _require("nesterov", not self.nesterov or self.momentum > 0, "needs a momentum above 0")
        for field in ("warmup", "lr_warmup"):  # the other number, too: --set may have lowered it, lines away
            _require(field, getattr(self, field) <= self.epochs, f"{BOUNDS[field].remedy} ({self.epochs})")
        _require("compile", not (self.compile and self.gate == "annealed"), "an annealed gate changes, leave it out")


@dataclass(frozen=True)
class Finetune:
    """How a module is fine-tuned on its sub-task (method.md 6.5); the last epoch counts, nothing is selected.

    Raises:
        ValueError: A value is out of range; the text starts with the field's name.
    """

    epochs: int = 10
    """passes over the images of the sub-task's classes; 0 leaves the module as it is cut"""
    batch_size: int = 128
    """images per step"""
    lr: float = 0.05
    """learning rate; one cosine, see `anneal`"""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """`sgd` or `adamw`"""
    momentum: float = 0.9
    """that of `sgd`; below 1"""
    nesterov: bool = True
    """whether the momentum is Nesterov's"""
    weight_decay: float = 0.0
    """of every weight"""
    anneal: float = 2.0
    """the cosine's length in units of `epochs`: the published one ends half-way"""
    augment: Literal["none", "crop", "imagenet", "trivial", True, False] = "crop"
    """as a recipe's; images are evaluated as those of the network's training"""
    precision: Precision = "float32"
    """`float32` or `bfloat16`, the type of the forward pass; see the recipe's"""
    channels_last: bool = False
    """the layout of tensors that is faster with convolutions, mostly"""

    def __post_init__(self) -> None:
        object.__setattr__(self, "augment", _as_in_keys(self.augment))
        _require_choices(self, optimizer=_OPTIMIZERS, precision=_PRECISIONS)
        _require_bounds(self)
        _require("nesterov", not self.nesterov or self.momentum > 0, "needs a momentum above 0")
