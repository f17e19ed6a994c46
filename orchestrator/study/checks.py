"""What can only be checked across the parts of a study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from nemo.backbones import backbone_entry
from nemo.methods import METHODS
from nemo.recipe import Finetune, Recipe
from orchestrator.study.problems import Place, Problems, valid_fields

if TYPE_CHECKING:
    from orchestrator.study.pair import Pair
    from orchestrator.study.study import Study


Layers = list[tuple[Place, dict[str, Any]]]
"""Recipe fields and where they stand in the study, those that win last."""

MOST_MEASURES = 1_000_000


def check_whole(study: Study) -> None:
    """Checks what lies between the parts: methods, recipes, thresholds, what selects needs validation images.

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
    _check_activations(study, problems)
    _check_recipes(study, problems)
    _check_subtasks(study, problems)
    problems.raise_any()


def _check_number(study: Study, problems: Problems) -> None:
    """Refuses a study of more trainings and measures than anybody could wait for."""
    trainings = len(study.pairs) * len(study.seeds) * sum(len(study.points(method)) for method in study.methods)
    measures = trainings * len(study.thresholds)
    if measures > MOST_MEASURES:
        text = f"asks for {measures:,} measures, give fewer seeds, points or thresholds: at most {MOST_MEASURES:,}."
        problems.add(text=text)


def _check_activations(study: Study, problems: Problems) -> None:
    """Refuses what cannot be had of methods that read relevance from activations."""
    driven = [name for name in study.methods if METHODS[name].source == "activations"]
    for position, pair in enumerate(study.pairs):
        if driven and not backbone_entry(pair.network).relu:
            text = f"{pair.backbone} has no ReLU whose activations {driven[0]} could read, drop one of them."
            problems.add("pairs", position, "backbone", text=text)
    if driven and study.subtasks is not None and study.subtasks.mask_values != "drop":
        text = f"{study.subtasks.mask_values} needs mask generators, {driven[0]} has none: choose drop, or drop it."
        problems.add("subtasks", "mask_values", text=text)


def _check_recipes(study: Study, problems: Problems) -> None:
    """Builds the recipe of every training; a problem is told once, where its field was set."""
    told: set[Place] = set()
    for position, pair in enumerate(study.pairs):
        for method in study.methods:
            layers = _layers(study, position, pair, method)
            recipe = _check_recipe(study, layers, problems, told)
            if recipe is None or recipe.validation > 0:
                continue
            if method in study.sweep and study.sweep[method].search and (spot := _place("validation", layers, told)):
                problems.add(*spot, text=f"is 0, but the search for {method} selects on validation images: give 0.1.")
            if _selects(study, method) and (spot := _place("validation", layers, told)):
                text = "is 0, but `subtasks: {from: best}` selects on validation images: give 0.1, or `from: every`."
                problems.add(*spot, text=text)
        if pair.taught_by is not None:
            standard = study.methods.get("standard")
            of_method = [] if standard is None else [(("methods", "standard", "recipe"), standard.recipe)]
            own: tuple[Place, dict[str, Any]] = (("pairs", position, "teacher", "recipe"), pair.taught_by.recipe)
            _check_recipe(study, [(("recipe",), study.recipe), *of_method, own], problems, told)


def _check_recipe(study: Study, layers: Layers, problems: Problems, told: set[Place]) -> Recipe | None:
    fields: dict[str, Any] = {name: value for _, layer in layers for name, value in layer.items()}
    try:
        recipe = Recipe(**fields)
    except ValueError:
        valid_fields(Recipe, fields, problems, lambda field: _place(field, layers, told))
        return None
    workers = study.resources.training.workers
    if recipe.batch_size < 2 * workers and (spot := _place("batch_size", layers, told)):
        text = f"{recipe.batch_size} leaves less than 2 images for each of {workers} workers, raise it."
        problems.add(*spot, text=text)
    return recipe


def _place(field: str, layers: Layers, told: set[Place]) -> Place | None:
    """Where a recipe's field was set; None if that was told already."""
    where: Place = (*next((at for at, layer in reversed(layers) if field in layer), ("recipe",)), field)
    fresh = where not in told
    told.add(where)
    return where if fresh else None


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
    for position, pair in enumerate(study.pairs):
        fields = {**study.subtasks.finetune, **pair.finetune}

        def place(field: str, position: int = position, pair: Pair = pair) -> Place | None:
            return ("pairs", position, "finetune", field) if field in pair.finetune else None

        valid_fields(Finetune, fields, problems, place)
    if study.subtasks.surgery == "paper" and study.subtasks.mask_values == "keep_generator":
        text = "keep_generator needs the whole stream that generators read, choose drop or `surgery: exact`."
        problems.add("subtasks", "mask_values", text=text)
    for position, threshold in enumerate(study.subtasks.thresholds or []):
        if threshold not in study.thresholds:
            text = f"{threshold} is none of the study's thresholds, add it there."
            problems.add("subtasks", "thresholds", position, text=text)
