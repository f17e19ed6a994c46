"""The study: everything that a user describes in one YAML file, typed; its checks look across its parts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Annotated, Any, Self

from pydantic import Field, ModelWrapValidatorHandler, PrivateAttr, ValidationError, model_validator

from nemo.backbones import backbone_entry, has_attention
from nemo.backbones.vit_config import is_transformer, read_config
from nemo.control import PRUNED
from nemo.errors import UserError
from nemo.methods import METHODS, Setting
from nemo.recipe import GENERATORS, Finetune, Recipe
from orchestrator.storage.layout import STORES
from orchestrator.study.class_sets import ClassSets
from orchestrator.study.deriving import Deriving
from orchestrator.study.form import Check, Schema, one_of
from orchestrator.study.limits import Limits
from orchestrator.study.methods import MethodEntry, Methods, RecipeFields
from orchestrator.study.notify import Notify
from orchestrator.study.pair import Pair
from orchestrator.study.points import unfit
from orchestrator.study.problems import Model, NoDuplicates, Place, Problems, Whole, field_name, sentence, valid_fields
from orchestrator.study.resources import Resources, TrackingSettings
from orchestrator.study.subtasks import Selection, Subtasks, Threshold
from orchestrator.study.sweep import Point, Sweeps
from orchestrator.study.widths import Written, as_written, one_width_each
from orchestrator.study.yaml_source import dump_yaml

Layers = list[tuple[Place, dict[str, Any]]]
"""Recipe fields and where they stand in the study, those that win last."""

MOST_MEASURES = 1_000_000
"""The most measures that a study may ask for."""


_LETTERS = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


def _check_study_name(name: str) -> str:
    problems = Problems()
    if not re.fullmatch(_LETTERS, name):
        text = f"{name!r} names a folder, use 1 to 64 letters, digits, '.', '_' or '-', a letter or digit first."
        problems.add(text=text)
    if name in STORES:
        problems.add(text=f"{name!r} is where the storage folder keeps MLflow's data, choose another name.")
    problems.raise_any()
    return name


_NAME: Schema = {"pattern": f"^{_LETTERS}$", "not": one_of(STORES)}


class Study(Model):
    """One study; `load_study_file` reads it from YAML.

    Raises:
        ValidationError: All problems, each with its place.
    """

    name: Annotated[str, Check(_check_study_name, _NAME)]
    """names the study's folder, and its experiment in MLflow

    Example: my-study
    """
    pairs: Annotated[list[Pair], Field(min_length=1), NoDuplicates]
    """backbones, each with a data set, and of each `width`"""
    methods: Methods
    """`standard`, `mwt`, `nemo`, `moda`, `cnnsplitter`, each with its settings and, as `recipe`, with what its
    trainings do otherwise, and as `priority` with when its turn is; `[standard, mwt]` takes the defaults
    """
    seeds: Annotated[list[Annotated[Whole, Field(ge=0, lt=2**32)]], Field(min_length=1), NoDuplicates] = [0]
    """every training is made with each of them

    Example: [0, 1, 2]
    """
    recipe: RecipeFields = {}
    """how networks are trained"""
    sweep: Sweeps = {}
    """by method, which of its settings, and which recipes, are tried"""
    thresholds: Annotated[list[Threshold], Field(min_length=1), NoDuplicates] = [0.9]
    """a kernel belongs to a class's module if it is relevant to this share of its images"""
    subtasks: Subtasks | None = None
    """which modules are cut out"""
    derive: Deriving | None = None
    """which small networks are derived of those that `standard` trains"""
    select: Selection = Selection()
    """how the best point of a sweep is chosen"""
    resources: Resources = Resources()
    """what steps may use; changes no result and no key"""
    limits: Limits = Limits()
    """what the study may spend before it ends in order (`docs/running.md`); changes no result and no key"""
    notify: Notify | None = None
    """who is told when it ends, fails, reaches a limit or is silent (`docs/running.md`); `{}` for the defaults

    Left out: nobody
    """
    tracking: TrackingSettings = TrackingSettings()
    """where MLflow writes"""
    storage: str | None = None
    """where studies lie: a folder, or a bucket such as `s3://bucket/prefix` (`docs/storage.md`)

    Left out: `$NEMO_STORAGE`, else `runs`
    """
    data_root: str | None = None
    """where `cifar10`, `cifar100` and `svhn` are, or are downloaded to

    Left out: `$NEMO_DATA`, else `~/.cache/nemo`
    """
    _source: Any = PrivateAttr(None)
    _written: Written = PrivateAttr(())

    @model_validator(mode="after")
    def _check(self) -> Self:
        _check_whole(self)
        return self

    @model_validator(mode="wrap")  # below the other one, whose problems it sees then
    @classmethod
    def _read_widths(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Makes a pair of each width; what is wrong is told where it is written."""
        problems = Problems()
        data, written = one_width_each(data, problems)
        study: Self | None = None
        try:
            study = handler(data)
        except ValidationError as errors:
            told = ((as_written(each["loc"], written), sentence(each)) for each in errors.errors(include_url=False))
            for place, text in dict.fromkeys(told):
                problems.add(*place, text=text)
        problems.raise_any()
        assert study is not None
        if written:
            study._written = written
        return study

    def finetune_for(self, pair: Pair, sets: ClassSets | None) -> Finetune:
        """How a pair's modules are fine-tuned, or what is derived of its networks: `subtasks` or `derive`."""
        return Finetune(**{**(sets.finetune if sets else {}), **pair.finetune})

    def recipe_for(self, pair: Pair, method: str, **changed: Any) -> Recipe:
        """The recipe of one training: the pair's fields win over the method's, and those over the study's.

        Args:
            pair: The pair.
            method: The method.
            changed: Fields that win over all of them: those that a sweep changes.
        """
        fields = dict(self.recipe)
        for layer in self.recipe_layers(pair, method):
            fields |= layer
        return Recipe(**{**fields, **changed})

    def recipe_layers(self, pair: Pair, method: str) -> list[dict[str, Any]]:
        """The recipe fields in the order in which later ones win, after the study's own.

        A method that starts from another one's network has that one's recipe.
        """
        method = METHODS[method].starts_from or method
        special = pair.methods.get(method, MethodEntry())
        return [self.methods.get(method, MethodEntry()).recipe, pair.recipe, special.recipe]

    def settings_for(self, pair: Pair, method: str) -> dict[str, Setting]:
        """The method's settings on a pair before any sweep."""
        own, special = self.methods.get(method, MethodEntry()), pair.methods.get(method, MethodEntry())
        settings = {**own.settings, **special.settings}
        return METHODS[method].complete(settings, transformer=has_attention(pair.network))

    def priority_of(self, pair: Pair, method: str) -> int:
        """The pair's priority and the method's together; the pair's own one of the method wins over the study's."""
        entries = (entries.get(method, MethodEntry()) for entries in (pair.methods, self.methods))
        own = next((entry.priority for entry in entries if entry.priority is not None), 0)
        return pair.priority + own

    def points(self, method: str) -> list[Point]:
        """The sweep points of a method that are known beforehand; one empty point without a sweep."""
        sweep = self.sweep.get(method)
        return [{}] if sweep is None else sweep.points()

    @property
    def subtask_thresholds(self) -> list[float]:
        """The thresholds at which modules are cut out."""
        if self.subtasks is None:
            return []
        return self.subtasks.thresholds or [max(self.thresholds)]

    @property
    def text(self) -> str:
        """The study as YAML: as submitted, with overrides applied."""
        if self._source is not None:
            return str(self._source.text)
        return dump_yaml(self.model_dump(mode="json", by_alias=True, exclude_unset=True))

    def where(self, *place: str | int) -> str:
        """`file:line: field` of a place in the file that the study was read from."""
        place = as_written(place, self._written)
        return field_name(place) if self._source is None else str(self._source.where(place))

    @contextmanager
    def naming_lines(self) -> Iterator[None]:
        """Puts the line of the field in the file before an error whose text starts with the field."""
        try:
            yield
        except UserError as error:
            field, _, text = str(error).partition(": ")
            raise UserError(f"{self.where(*field.split('.'))}: {text}") from error


def _check_whole(study: Study) -> None:
    """Checks the parts against each other: methods, recipes, thresholds, validation images for what selects.

    Raises:
        ValidationError: All of what is wrong.
    """
    problems = Problems()
    for name in study.sweep:
        if name not in study.methods:
            problems.add("sweep", name, text=f"{name} is none of the study's methods, add it there or drop its sweep.")
        threshold = study.sweep[name].threshold
        if threshold is not None and threshold not in study.thresholds:
            text = f"{threshold} is none of the study's thresholds, add it there."
            problems.add("sweep", name, "threshold", text=text)
        if study.sweep[name].constraints and "standard" not in study.methods:
            text = "compare with the standard network, add `standard: {}` to methods, or drop them."
            problems.add("sweep", name, "constraints", text=text)
        if study.sweep[name].warm_start == study.name:
            problems.add("sweep", name, "warm_start", text="is the study itself, name another one or remove it.")
    for position, pair in enumerate(study.pairs):
        for name in study.methods:
            applies = METHODS[name].backbones
            if applies and pair.backbone not in applies:
                text = f"{pair.backbone} is none that {name} applies to, choose {' or '.join(applies)}, or drop {name}."
                problems.add("pairs", position, "backbone", text=text)
        for name in pair.methods:
            if name not in study.methods:
                text = f"{name} is none of the study's methods, add it there or remove it."
                problems.add("pairs", position, "methods", name, text=text)
    _check_number(study, problems)
    _check_masks(study, problems)
    _check_activations(study, problems)
    _check_recipes(study, problems)
    _check_swept(study, problems)
    _check_subtasks(study, problems)
    _check_deriving(study, problems)
    _check_finetuning(study, problems)
    problems.raise_any()


def _check_number(study: Study, problems: Problems) -> None:
    """Refuses a study of more trainings and measures than anybody could wait for."""
    trainings = len(study.pairs) * len(study.seeds) * sum(len(study.points(method)) for method in study.methods)
    measures = trainings * len(study.thresholds)
    if measures > MOST_MEASURES:
        text = f"asks for {measures:,} measures, give fewer seeds, points or thresholds: at most {MOST_MEASURES:,}."
        problems.add(text=text)


def _check_masks(study: Study, problems: Problems) -> None:
    """Refuses Transformers that are too small for the masks of a method: the first block has none."""
    masked = [name for name in study.methods if METHODS[name].source == "masks"]
    for position, pair in enumerate(study.pairs):
        if masked and is_transformer(pair.network) and read_config(pair.network)["num_hidden_layers"] < 2:
            text = (
                f"{pair.backbone} has one block, which {masked[0]} never masks, give it num_hidden_layers of 2 or more."
            )
            problems.add("pairs", position, "backbone", text=text)


def _check_activations(study: Study, problems: Problems) -> None:
    """Refuses settings that methods cannot support that read relevance from activations."""
    driven = [name for name in study.methods if METHODS[name].source == "activations"]
    for position, pair in enumerate(study.pairs):
        if driven and not backbone_entry(pair.network).relu:
            text = f"{pair.backbone} has no ReLU whose activations {driven[0]} could read, drop one of them."
            problems.add("pairs", position, "backbone", text=text)
    if driven and study.subtasks is not None and study.subtasks.mask_values != "drop":
        text = f"{study.subtasks.mask_values} needs mask generators, {driven[0]} has none: choose drop, or drop it."
        problems.add("subtasks", "mask_values", text=text)


def _check_recipes(study: Study, problems: Problems) -> None:
    """Builds the recipe of every training; a problem is reported once, where its field was set."""
    seen: set[Place] = set()
    for position, pair in enumerate(study.pairs):
        for method in study.methods:
            layers = _layers(study, position, pair, method)
            recipe = _check_recipe(study, layers, problems, seen)
            only = () if recipe is None else recipe.train_only or ()
            masked = METHODS[method].source == "masks" or METHODS[method].starts_from is not None
            if GENERATORS in only and not masked and (spot := _place("train_only", layers, seen)):
                text = f"{method} has no generators, give train_only to the methods that have them, in their `recipe`."
                problems.add(*spot, text=text)
            if method != "standard" or not pair.pretrained:
                _check_trains(recipe, layers, problems, seen)
            if recipe is None or recipe.validation > 0:
                continue
            if method == "standard" and _constrains(study) and (spot := _place("validation", layers, seen)):
                text = "is 0, but constraints judge the standard network on validation images: give 0.1."
                problems.add(*spot, text=text)
            if method in study.sweep and study.sweep[method].search and (spot := _place("validation", layers, seen)):
                problems.add(*spot, text=f"is 0, but the search for {method} selects on validation images: give 0.1.")
            if _selects(study, method) and (spot := _place("validation", layers, seen)):
                text = "is 0, but `subtasks: {from: best}` selects on validation images: give 0.1, or `from: every`."
                problems.add(*spot, text=text)
        if pair.taught_by is not None:
            standard = study.methods.get("standard")
            of_method = [] if standard is None else [(("methods", "standard", "recipe"), standard.recipe)]
            own: tuple[Place, dict[str, Any]] = (("pairs", position, "teacher", "recipe"), pair.taught_by.recipe)
            layers = [(("recipe",), study.recipe), *of_method, own]
            _check_trains(_check_recipe(study, layers, problems, seen), layers, problems, seen)


def _check_swept(study: Study, problems: Problems) -> None:
    """Refuses points whose values fit no recipe together, on any of the pairs; of each sweep the first."""
    for method in study.sweep:
        for pair in study.pairs if method in study.methods else ():
            with suppress(ValueError):  # of the recipe itself, which was told already
                found = unfit(
                    study.sweep[method],
                    method,
                    partial(study.recipe_for, pair, method),
                    study.resources.training.workers,
                )
                if found is not None:
                    problems.add("sweep", method, *found[0], text=found[1])
                    break


def _check_recipe(study: Study, layers: Layers, problems: Problems, seen: set[Place]) -> Recipe | None:
    fields: dict[str, Any] = {name: value for _, layer in layers for name, value in layer.items()}
    try:
        recipe = Recipe(**fields)
    except ValueError:
        valid_fields(Recipe, fields, problems, lambda field: _place(field, layers, seen))
        return None
    workers = study.resources.training.workers
    if recipe.batch_size < 2 * workers and (spot := _place("batch_size", layers, seen)):
        text = f"{recipe.batch_size} leaves less than 2 images for each of {workers} workers, raise it."
        problems.add(*spot, text=text)
    return recipe


def _check_trains(recipe: Recipe | None, layers: Layers, problems: Problems, seen: set[Place]) -> None:
    if recipe is not None and recipe.epochs == 0 and (spot := _place("epochs", layers, seen)):
        text = "must be at least 1, not 0: `standard` alone, with pretrained weights, may be left untouched."
        problems.add(*spot, text=text)


def _place(field: str, layers: Layers, seen: set[Place]) -> Place | None:
    """Where a recipe's field was set; None if a problem with it was reported already."""
    where: Place = (*next((at for at, layer in reversed(layers) if field in layer), ("recipe",)), field)
    is_new = where not in seen
    seen.add(where)
    return where if is_new else None


def _constrains(study: Study) -> bool:
    return any(sweep.constraints for sweep in study.sweep.values())


def _selects(study: Study, method: str) -> bool:
    return study.subtasks is not None and study.subtasks.source == "best" and METHODS[method].modular


def _layers(study: Study, position: int, pair: Pair, method: str) -> Layers:
    places: list[Place] = [
        ("methods", method, "recipe"),
        ("pairs", position, "recipe"),
        ("pairs", position, "methods", method, "recipe"),
    ]
    return [(("recipe",), study.recipe), *zip(places, study.recipe_layers(pair, method), strict=True)]


def _check_subtasks(study: Study, problems: Problems) -> None:
    if study.subtasks is None:
        return
    if not any(METHODS[method].modular for method in study.methods):
        modular = [name for name, method in METHODS.items() if method.modular]
        text = f"need a modular network to cut, add {' or '.join(modular)} to methods."
        problems.add("subtasks", text=text)
    if study.subtasks.surgery == "paper" and study.subtasks.mask_values == "keep_generator":
        text = "keep_generator needs the whole stream that generators read, choose drop or `surgery: exact`."
        problems.add("subtasks", "mask_values", text=text)
    pruned = [name for name in study.subtasks.controls if name in PRUNED]
    if pruned and "standard" not in study.methods:
        text = f"{pruned[0]} is cut from the standard network, add `standard: {{}}` to methods, or drop it."
        problems.add("subtasks", "controls", text=text)
    for position, threshold in enumerate(study.subtasks.thresholds or []):
        if threshold not in study.thresholds:
            text = f"{threshold} is none of the study's thresholds, add it there."
            problems.add("subtasks", "thresholds", position, text=text)


def _check_deriving(study: Study, problems: Problems) -> None:
    if study.derive is not None and "standard" not in study.methods:
        text = "needs a network without generators to derive from, add `standard: {}` to methods, or drop it."
        problems.add("derive", text=text)


def _check_finetuning(study: Study, problems: Problems) -> None:
    """Builds the fine-tunings of every pair; a problem is reported once, where the pair has set it."""
    seen: set[Place] = set()
    for position, pair in enumerate(study.pairs):
        for sets in filter(None, (study.subtasks, study.derive)):

            def place(field: str, position: int = position, pair: Pair = pair) -> Place | None:
                where: Place = ("pairs", position, "finetune", field)
                is_new = field in pair.finetune and where not in seen
                seen.add(where)
                return where if is_new else None

            valid_fields(Finetune, {**sets.finetune, **pair.finetune}, problems, place)
