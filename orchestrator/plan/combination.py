"""A combination: all steps of one pair, method and seed, each from a sweep point."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from nemo.backbones import backbone_entry, has_attention
from nemo.backbones.vit_config import ROLES, is_transformer, read_config, short_name
from nemo.control import PRUNED, Control
from nemo.datasets.naming import find_class
from nemo.methods import METHODS, Setting
from nemo.recipe import LATER, RECALIBRATION, Recipe
from nemo.subtasks import subtasks
from nemo.zoo import names as zoo
from orchestrator.plan.step import PRIORITY, Step, make_step
from orchestrator.study.class_sets import ClassSets
from orchestrator.study.data import absolute, architecture, content_of, groups_of, location
from orchestrator.study.pair import Pair
from orchestrator.study.study import Study
from orchestrator.study.sweep import Point, setting_text
from orchestrator.study.swept import recipe_of

if TYPE_CHECKING:
    from nemo.datasets.description import Description

# Raised when the same relevance pass, measure or reuse would give other numbers; part of those steps' keys.
VERSIONS = {"modularize": 1, "measure": 1, "reuse": 2}


@dataclass(frozen=True)
class Combination:
    """What the steps of one pair, method and seed have in common.

    Attributes:
        name: Names the pair uniquely among the study's pairs, `vgg16/digits`.
    """

    study: Study
    pair: Pair
    method: str
    seed: int
    description: Description
    name: str

    @property
    def label(self) -> str:
        """`mwt vgg16/digits seed 0`."""
        return f"{self.method} {self.name} seed {self.seed}"

    @property
    def waits(self) -> bool:
        """Whether its steps are not known before the weights that it starts from are fetched."""
        return self.pair.fetches and self.pair.weights is None

    @property
    def modular(self) -> bool:
        """Whether the trained networks can be modularized."""
        return METHODS[self.method].modular

    @property
    def searches_modules(self) -> bool:
        """Whether a training is a search for the modules of a network that another method has trained."""
        return METHODS[self.method].starts_from is not None

    @property
    def thresholds(self) -> Sequence[float | None]:
        """Where modules are measured; a search finds modules without one."""
        return [None] if self.searches_modules else self.study.thresholds

    @property
    def subtask_thresholds(self) -> Sequence[float | None]:
        """Where modules are cut out."""
        return [None] if self.searches_modules else self.study.subtask_thresholds

    @cached_property
    def before(self) -> dict[str, Step]:
        """Role -> the training that this one needs first: a `teacher` to learn from, a `standard` one to search in."""
        starts_from = METHODS[self.method].starts_from
        if starts_from is not None:
            return {starts_from: dataclasses.replace(self, method=starts_from).train({})}
        pair = self.pair.taught_by
        if pair is None:
            return {}
        held_out = self.study.recipe_for(self.pair, self.method).validation
        pair = pair.model_copy(update={"recipe": {**pair.recipe, "validation": held_out}})
        name = f"{short_name(pair.backbone)}/{self.description.name}"
        return {"teacher": Combination(self.study, pair, "standard", self.seed, self.description, name).train({})}

    def train(self, point: Point) -> Step:
        """The training at a sweep point."""
        recipe = recipe_of(self.method, point)
        chosen = {name: value for name, value in point.items() if name not in recipe}
        settings = METHODS[self.method].telling({**self.study.settings_for(self.pair, self.method), **chosen})
        words = [f"{name}={setting_text(value)}" for name, value in {**settings, **recipe}.items()]
        label = " ".join([self.method, self.name, *words, f"seed {self.seed}"])
        params = {
            **self._backbone_params(),
            "width": self.pair.width,
            "image_size": self.description.image_size,
            "num_classes": len(self.description.classes),
            "dataset": {"name": self.description.name, "options": self.pair.told_options},
            "fingerprint": self.description.fingerprint,
            "method": self.method,
            "version": METHODS[self.method].version,
            "settings": settings,
            **self._recipe_params(settings, recipe),
            "seed": self.seed,
        }
        parents = {role: step.key for role, step in self.before.items()}
        compiles = self.study.recipe_for(self.pair, self.method).compile
        where = self.where({**self.study.resources.training.model_dump(), "compile": compiles})
        if self.pair.pretrained and not self.pair.fetches:
            where["weights"] = absolute(str(self.pair.pretrained))
        return make_step("train", params, parents, where, label)

    def _backbone_params(self) -> dict[str, Any]:
        """The backbone; what only Transformers have is left out for others, so that it is not part of their keys."""
        params: dict[str, Any] = {"backbone": short_name(self.pair.backbone)}
        if self.pair.backbone != params["backbone"]:
            hf = self.pair.backbone.startswith("hf:")
            params["config"] = (
                json.loads(self.pair.network.removeprefix("hf:")) if hf else read_config(self.pair.network)
            )
        params.update(self._foreign_params())
        if self.pair.norm and not backbone_entry(self.pair.network).norms:
            params["norm"] = True
        roles = self.pair.roles
        if METHODS[self.method].source == "masks" and roles is not None and set(roles) != set(ROLES):
            params["roles"] = [role for role in ROLES if role in roles]
        return params

    def _foreign_params(self) -> dict[str, Any]:
        """What a network from elsewhere is made of, by content; nothing for others."""
        pair = self.pair
        if not zoo.is_foreign(pair.backbone):
            return {}
        size, names = self.description.image_size, self.description.classes
        params: dict[str, Any] = {}
        if pair.backbone.startswith("python:"):
            params["architecture"] = architecture(pair.backbone, len(names), size)
        if pair.pretrained:
            params["weights"] = pair.weights if pair.fetches else content_of(str(pair.pretrained))
        if pair.classes_of:
            params["rows"] = [pair.classes_of[name] for name in names]
        source = METHODS[self.method].source
        if source is not None and pair.sites:
            params["sites"] = pair.sites
        if source == "masks":
            if pair.hidden:
                params["hidden"] = pair.hidden
            if (pair.start or ("identity" if pair.pretrained else "published")) == "identity":
                params["start"] = "identity"
        return {"foreign": params} if params else {}

    def _recipe_params(self, settings: Mapping[str, Setting], changed: Mapping[str, Any]) -> dict[str, Any]:
        """The recipe with its defaults resolved; fields that the method ignores have their default values."""
        recipe = self.study.recipe_for(self.pair, self.method, **changed)
        if self.searches_modules:  # a generation is its epoch
            return {"recipe": {"epochs": int(settings["generations"]), "validation": recipe.validation}}
        fields = dataclasses.asdict(recipe)
        del fields["compile"]  # changes the speed; like the number of threads, it changes results only by rounding
        fields["lr_mask"] = recipe.lr if recipe.lr_mask is None else recipe.lr_mask
        if recipe.epochs == 0:  # nothing is learned: how images are looked at is all that counts
            return {"recipe": {name: fields[name] for name in ("epochs", "validation", "augment", "precision")}}
        if recipe.exclude_first_masked_layer is None:
            of_cnns = METHODS[self.method].excludes_first and not has_attention(self.pair.network)
            fields["exclude_first_masked_layer"] = of_cnns
        fields |= {name: getattr(Recipe, name) for name in METHODS[self.method].ignores}
        since = fields.pop("as_cut_from")
        if recipe.train_only is not None:
            fields["train_only"] = list(recipe.train_only)
        for name in LATER:
            if fields[name] == getattr(Recipe, name):
                del fields[name]
        if "as_cut" in fields and since > 0:  # without it, rehearsed as before there was this field
            fields["as_cut_from"] = since
        resources = self.study.resources.training
        groups = [-(-recipe.batch_size // workers) for workers in (resources.workers, resources.fewest)]
        return {"recipe": fields, "images_per_batchnorm": groups if resources.elastic else groups[0]}

    def modularize(self, train: Step) -> Step:
        """The relevance pass over a training."""
        return make_step(
            "modularize",
            {"version": VERSIONS["modularize"]},
            {"train": train.key},
            self.where(self.study.resources.subtask.model_dump()),
            f"modularize {train.label}",
        )

    def measure(self, train: Step, modularize: Step, threshold: float | None) -> Step:
        """Its modules' metrics at a threshold; modules that a search found have no threshold."""
        threshold = None if self.searches_modules else threshold
        return make_step(
            "measure",
            {"version": VERSIONS["measure"], "threshold": threshold},
            {"train": train.key, "modularize": modularize.key},
            self.where(self.study.resources.subtask.model_dump()),
            f"measure {train.label}{_at(threshold)}",
        )

    def point_steps(self, point: Point) -> list[Step]:
        """The training at a point and, if it is modular, its relevance pass and measures."""
        train = self.train(point)
        if not self.modular:
            return [train]
        modularize = self.modularize(train)
        return [train, modularize, *(self.measure(train, modularize, threshold) for threshold in self.thresholds)]

    def reuse_steps(self, point: Point, standard: Step | None) -> list[Step]:
        """The sub-tasks of the training at a point; `standard` is the standard training of the same pair and seed."""
        if self.study.subtasks is None or not self.modular:
            return []
        train = self.train(point)
        reuse = self._cutting(train, self.modularize(train), standard)
        return [
            reuse(classes, threshold, control)
            for threshold in self.subtask_thresholds
            for classes in self.subtask_classes()
            for control in (None, *self.study.subtasks.controls)
        ]

    @property
    def reuse_count(self) -> int:
        """How many sub-tasks a training has, the controls among them."""
        if self.study.subtasks is None or not self.modular:
            return 0
        each = 1 + len(self.study.subtasks.controls)
        return len(self.subtask_classes()) * len(self.subtask_thresholds) * each

    def reuse(
        self,
        train: Step,
        modularize: Step,
        standard: Step | None,
        classes: Sequence[int],
        threshold: float | None,
        control: Control | None = None,
    ) -> Step:
        """The reuse step for any classes, threshold and control, as the study would plan it."""
        threshold = None if self.searches_modules else threshold
        return self._cutting(train, modularize, standard)(classes, threshold, control)

    def _cutting(
        self, train: Step, modularize: Step, standard: Step | None
    ) -> Callable[[Sequence[int], float | None, Control | None], Step]:
        """A function that makes a training's reuse steps; they share their common params."""
        settings = self.study.subtasks
        parents = {"train": train.key, "modularize": modularize.key}
        if standard is not None:
            parents["standard"] = standard.key
        shared: dict[str, Any] = {
            "version": VERSIONS["reuse"] if self._recipe.validation > 0 else 1,  # without, there was nothing to mend
            "mask_values": settings.mask_values if settings else "drop",
            "head": (settings.head if settings else None) or self._own_head(train),
            "finetune": dataclasses.asdict(self.study.finetune_for(self.pair, settings)),
            "seed": self.seed,
        }
        # What came later, or means nothing here, is left out where it is not set: earlier results keep their keys.
        if is_transformer(self.pair.backbone):
            shared["surgery"] = settings.surgery if settings else "exact"
        recalibration = settings.recalibration if settings else None
        if recalibration is None and self._rehearses(train):
            recalibration = RECALIBRATION  # its modules were normalised by themselves
        if recalibration:
            shared["recalibration"] = recalibration
        if settings is not None and settings.attacks:
            shared["attacks"] = sorted(settings.attacks)
        where = self.where(self.study.resources.subtask.model_dump())
        groups = groups_of(self.description, settings)

        def step(classes: Sequence[int], threshold: float | None, control: Control | None) -> Step:
            params = {**shared, "threshold": threshold, "classes": list(classes)}
            named = groups.get(tuple(sorted(classes)))
            label = f"reuse {named or ','.join(map(str, classes))} of {train.label}{_at(threshold)}"
            if control is None:
                return make_step("reuse", params, parents, where, label)
            needs = {"pruned": parents["standard"]} if control in PRUNED else {}
            return make_step(
                "reuse", {**params, "control": control}, {**parents, **needs}, where, f"{label} {control} control"
            )

        return step

    def _own_head(self, train: Step) -> str:
        """The default classifier of modules; networks trained to answer as they are cut keep a slice of their own."""
        return "slice" if self._answers_as_cut(train) else METHODS[self.method].head

    def _answers_as_cut(self, train: Step) -> bool:
        """Whether a training sends images through its network as modules; a sweep may have trainings that do."""
        return "as_cut" in train.params["recipe"]

    def _rehearses(self, train: Step) -> bool:
        return "as_cut_from" in train.params["recipe"]

    @property
    def _recipe(self) -> Recipe:
        return self.study.recipe_for(self.pair, self.method)

    def subtask_classes(self) -> list[tuple[int, ...]]:
        """The classes of every sub-task, ascending, each once."""
        return [] if self.study.subtasks is None else self.class_sets(self.study.subtasks)

    def class_sets(self, settings: ClassSets, *, as_written: bool = False) -> list[tuple[int, ...]]:
        """The class sets that are asked for of this data set, each once: ascending, or in the order of the file."""
        subsets = subtasks(len(self.description.classes), settings.sizes, settings.samples, settings.seed)
        for names in (*settings.classes, *settings.named.values()):
            found = [find_class(name, self.description.classes) for name in names]
            numbers = dict.fromkeys(number for number in found if number is not None)
            subsets.append(tuple(numbers) if as_written else tuple(sorted(numbers)))
        return list(dict.fromkeys(subsets))

    def where(self, resources: Mapping[str, Any]) -> dict[str, Any]:
        """Where its data lies, and what a step of it runs on.

        Args:
            resources: As `Step.where` has them.
        """
        fingerprint = self.description.fingerprint
        where = {**location(self.study, self.pair), "fingerprint": fingerprint, "resources": dict(resources)}
        trained_by = METHODS[self.method].starts_from or self.method
        kept = self.study.recipe_for(self.pair, trained_by).augment == "imagenet"
        priority = self.study.priority_of(self.pair, self.method)
        return {**where, **({"keep_shape": True} if kept else {}), **({PRIORITY: priority} if priority else {})}


def _at(threshold: float | None) -> str:
    return "" if threshold is None else f" threshold {threshold:g}"
