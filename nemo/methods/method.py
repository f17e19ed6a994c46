"""What a method is: where it reads relevance, and what it makes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from nemo.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from nemo.recipe import Recipe
    from nemo.sites import RelevanceSource

Terms = dict[str, "tuple[float, Tensor]"]
"""Term name -> (its weight in the loss, its value)."""

Words = tuple[str, ...]
"""What a setting may be that is no number; the first one is the default."""

Setting = float | str
"""The value of a setting: a number, or one of its words."""

Settings = Mapping[str, Any]
"""Setting -> its value, all of a method's."""


def _no_terms(relevances: list[Tensor], labels: Tensor, settings: Settings, recipe: Recipe) -> Terms:
    return {}


def _no_check(settings: Settings) -> None:
    pass


@dataclass(frozen=True)
class Method:
    """One way of training a network, or of modularizing one that another method has trained.

    Attributes:
        name: What a study file calls it.
        settings: The settings that a study may set or sweep, with their defaults; where one is a choice, its words.
        of_transformers: Defaults that are others for Transformers.
        told: What the settings mean, in words.
        terms: `(relevances, labels, settings, recipe) -> Terms` over the relevance vectors `[B, K_l]` of the whole
            batch: what the method adds to the cross-entropy.
        check: Refuses values of the settings, all of them, with a `UserError` that starts with the setting's name.
        source: Where relevance is read: `masks` of the generators that the network gets, `activations`, or None.
        version: Raised when the same settings would give other results; part of every step's key.
        excludes_first: Whether the first site is left out of the objective by default (method.md 3.3).
        ignores: Fields of the recipe without a meaning for the method, which must not tell its keys apart.
        head: The classifier of its sub-task modules where a study does not say.
        starts_from: The method whose trained network this one modularizes without training it, or None.
        backbones: Those that it applies to; empty for all.
        reports: The terms of its loss by name, which every epoch reports.
        kernels_only: Whether activations are read at convolutions alone, and not at hidden layers and additions.
    """

    name: str
    settings: Mapping[str, float | Words]
    terms: Callable[[list[Tensor], Tensor, Settings, Recipe], Terms] = _no_terms
    check: Callable[[Settings], None] = _no_check
    source: RelevanceSource | None = "masks"
    version: int = 1
    excludes_first: bool = False
    ignores: tuple[str, ...] = ("variant",)
    head: Literal["linear", "paper", "slice"] = "paper"
    starts_from: str | None = None
    backbones: tuple[str, ...] = ()
    reports: tuple[str, ...] = ()
    kernels_only: bool = False
    of_transformers: Mapping[str, float] = field(default_factory=dict)
    told: Mapping[str, str] = field(default_factory=dict)

    @property
    def modular(self) -> bool:
        """Whether the trained network can be modularized."""
        return self.source is not None

    @property
    def words(self) -> dict[str, Words]:
        """The settings that are a choice among words -> these words."""
        return {name: default for name, default in self.settings.items() if isinstance(default, tuple)}

    def complete(self, settings: Mapping[str, Setting], *, transformer: bool = False) -> dict[str, Setting]:
        """All settings: the given ones, and the defaults of the others.

        Args:
            settings: Setting -> value.
            transformer: Whether they are for a Transformer, which has some defaults of its own.

        Raises:
            UserError: The method has no such setting, or refuses a value.
        """
        unknown = settings.keys() - self.settings.keys()
        if unknown:
            known = ", ".join(self.settings) or "none"
            raise UserError(f"settings: {', '.join(sorted(unknown))} is no setting of {self.name}, which has {known}.")
        for name, words in self.words.items():
            if name in settings and settings[name] not in words:
                raise UserError(f"{name}: should be {' or '.join(map(repr, words))}, not {settings[name]!r}.")
        defaults = {name: value[0] if isinstance(value, tuple) else value for name, value in self.settings.items()}
        every = {**defaults, **(self.of_transformers if transformer else {}), **settings}
        self.check(every)
        return every

    def unusual(self, settings: Mapping[str, Setting]) -> dict[str, Setting]:
        """The settings that are not what they are by default."""
        usual = self.complete({})
        return {name: value for name, value in settings.items() if value != usual.get(name)}

    def telling(self, settings: Mapping[str, Setting]) -> dict[str, Setting]:
        """The settings without the words that are defaults: what is older than a word keeps its key and its label."""
        defaults = {name: words[0] for name, words in self.words.items()}
        return {name: value for name, value in settings.items() if defaults.get(name) != value}
