"""What is known of a study's data sets before anything is loaded, and the checks that need it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo.backbones import check_backbone
from nemo.datasets import describe_dataset, is_of_texts, loading_note
from nemo.datasets.naming import find_class
from nemo.errors import UserError
from nemo.image_size import is_text
from nemo.zoo.transformers_config import read_config
from orchestrator.study.class_names import check_class_names
from orchestrator.study.class_sets import ClassSets
from orchestrator.study.pair import Pair
from orchestrator.study.study import Study

if TYPE_CHECKING:
    from nemo.datasets.description import Description

_SHOWN = 10


@dataclass(frozen=True)
class DescribedStudy:
    """A study, and what is known of its data before anything is loaded: all that a plan is made of.

    Attributes:
        study: What is wanted.
        data: `Pair.data` -> description.
    """

    study: Study
    data: Mapping[str, Description]

    def of(self, pair: Pair) -> Description:
        """What is known of a pair's data set."""
        return self.data[pair.data]

    @property
    def notes(self) -> list[str]:
        """What a user should know of how the data are read and held out, a sentence each."""
        told = [note for description in self.data.values() for note in description.notes]
        for pair in self.study.pairs:
            counts = self.of(pair).counts
            told += [] if counts is None else held_out(self.study, pair, self.of(pair).classes, counts)[1]
            told += [_loading(self.study, pair, self.of(pair))]
        for position, pair in enumerate(self.study.pairs):
            if pair.fetches and pair.weights is None:
                told.append(
                    f"{self.study.where('pairs', position, 'pretrained')}: the weights of {pair.backbone} are not here "
                    "yet; which they are tells its steps, so there are up to so many until nemo run has fetched them."
                )
        return [note for note in dict.fromkeys(told) if note]


def describe(study: Study) -> DescribedStudy:
    """Describes every data set of a study.

    Raises:
        UserError: All data sets that are unknown, missing or damaged, each with its line in the study file.
    """
    descriptions: dict[str, Description] = {}
    wrong = {}
    for position, pair in enumerate(study.pairs):
        if pair.data in descriptions or pair.data in wrong:
            continue
        try:
            descriptions[pair.data] = describe_dataset(
                pair.dataset, root=study.data_root, image_size=pair.image_size, **pair.read_options
            )
            check_class_names(pair.dataset, descriptions[pair.data])
        except UserError as error:
            wrong[pair.data] = f"{study.where('pairs', position, 'dataset')}: {error}"
    if wrong:
        raise UserError("\n".join(wrong.values()))
    return DescribedStudy(study, descriptions)


def _loading(study: Study, pair: Pair, description: Description) -> str:
    """The sentence about how a pair's images are loaded; empty where they are in memory as ever."""
    augments = {study.recipe_for(pair, method).augment for method in study.methods}
    try:
        return loading_note(
            description,
            pair.dataset,
            image_size=pair.image_size,
            loading=pair.loading,
            keep_shape="imagenet" in augments,
            **pair.read_options,
        )
    except UserError:  # too little memory; whoever reads them is told so
        return ""


def location(study: Study, pair: Pair) -> dict[str, Any]:
    """Where a pair's data lies, for workers that run in other folders than this process: paths are absolute."""
    kind, _, path = pair.dataset.partition(":")
    options = dict(pair.read_options)
    if Path(os.path.expanduser(options.get("tokenizer", ""))).is_dir() and "tokenizer" in options:
        options["tokenizer"] = absolute(options["tokenizer"])
    return {
        "dataset": f"{kind}:{absolute(path)}" if path else kind,
        "image_size": list(pair.image_size) if isinstance(pair.image_size, tuple) else pair.image_size,
        "dataset_options": options,
        "data_root": absolute(study.data_root) if study.data_root else None,
        **({"loading": pair.loading} if pair.loading else {}),
    }


def absolute(path: str) -> str:
    """The path of a file that is named from here, for processes in other folders."""
    return str(Path(os.path.expanduser(path)).absolute())


def content_of(path: str) -> str:
    """SHA-256 (hex) of a file."""
    file = Path(absolute(path))
    status = file.stat()
    return _content(file, status.st_mtime_ns, status.st_size)


@lru_cache
def _content(file: Path, changed: int, size: int) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def architecture(backbone: str, num_classes: int, image_size: int | tuple[int, ...]) -> str:
    """What a user's own function makes, as one number: its file may change without changing the network.

    Raises:
        UserError: It can't be made, or followed.
    """
    file = backbone.removeprefix("python:").rpartition(":")[0]
    return _architecture(backbone, num_classes, image_size, content_of(file) if file.endswith(".py") else "")


@lru_cache
def _architecture(backbone: str, num_classes: int, image_size: int | tuple[int, ...], content: str) -> str:
    """`architecture` of a file with this content: a notebook may plan again after it was changed."""
    import torch

    from nemo.example import noise
    from nemo.zoo.build import build_foreign
    from nemo.zoo.digest import digest

    with torch.random.fork_rng(devices=[]):
        return digest(build_foreign(backbone, num_classes, image_size), noise(image_size))


def check_data(described: DescribedStudy) -> None:
    """Checks a study against its data sets: image sizes, and sub-tasks against the number of classes.

    Raises:
        UserError: All of what is wrong, each with its line in the study file.
    """
    study, wrong = described.study, []
    for position, pair in enumerate(study.pairs):
        description = described.of(pair)
        for built, place in ((pair, ()), (pair.taught_by, ("teacher",))):
            if built is not None:
                try:
                    check_backbone(built.backbone, built.width, description.image_size)
                except UserError as error:
                    field, _, text = str(error).partition(": ")
                    wrong.append(f"{study.where('pairs', position, *place, field)}: {text}")
        if description.vocabulary is not None:
            wrong += [f"{study.where('pairs', position, 'dataset')}: {text}" for text in _strange(pair, description)]
        if pair.classes_of and set(pair.classes_of) != set(description.classes):
            odd = sorted(set(pair.classes_of) ^ set(description.classes))
            text = f"{odd[0]!r} is not in both, name each class once: {', '.join(description.classes[:20])}."
            wrong.append(f"{study.where('pairs', position, 'classes_of')}: {text}")
        if description.counts is not None:
            refused, _ = held_out(study, pair, description.classes, description.counts)
            wrong += [f"{study.where('pairs', position, 'dataset')}: {text}" for text in refused]
        for field, sets in (("subtasks", study.subtasks), ("derive", study.derive)):
            if sets is not None and sets.attacks and is_text(description.image_size):
                text = f"change pixels, and dataset {pair.dataset} has texts; remove them."
                wrong.append(f"{study.where(field, 'attacks')}: {text}")
            wrong += [] if sets is None else _wrong_classes(study, field, sets, description)
    if wrong:
        raise UserError("\n".join(dict.fromkeys(wrong)))


def _strange(pair: Pair, description: Description) -> list[str]:
    """What is to be said of a tokenizer that is not the network's."""
    if not pair.network.startswith("hf:"):
        return []
    known, own = read_config(pair.network).get("vocab_size"), description.vocabulary
    if known is None or own is None or own <= known:
        return []
    return [
        f"dataset {pair.dataset}: its tokenizer, {pair.read_options['tokenizer']}, has {own:,} tokens, and the "
        f"network's vocabulary {known:,}; give the network's own by the option tokenizer."
    ]


def held_out(study: Study, pair: Pair, classes: Sequence[str], counts: Sequence[int]) -> tuple[list[str], list[str]]:
    """What is to be said of classes with too few training images for the share that is held out for validation.

    Args:
        study: With the recipes of the pair's trainings.
        pair: One of its pairs.
        classes: The names of the data set's classes.
        counts: Training images of each.

    Returns:
        Sentences that refuse the study, and sentences to tell.
    """
    shares = [study.recipe_for(pair, method).validation for method in study.methods]
    share = min((share for share in shares if share > 0), default=0.0)
    if share == 0:
        return [], []
    single = [name for name, count in zip(classes, counts, strict=True) if count == 1]
    few = [f"{name!r} ({count})" for name, count in zip(classes, counts, strict=True) if 0 < count * share < 1]
    sample = "text" if is_of_texts(pair.dataset) else "image"
    refused = (
        f"dataset {pair.dataset}: {_classes(list(map(repr, single)))} a single training {sample}, which cannot be both "
        f"trained on and held out (validation: {share:g}); add images, or leave out what has no more."
    )
    told = (
        f"dataset {pair.dataset}: {_classes(few)} so few training {sample}s that validation: {share:g} of them is less "
        "than one; one of each is held out."
    )
    return [refused] * bool(single), [told] * bool(few and not single)


def _classes(names: Sequence[str]) -> str:
    shown = ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else "")
    return f"class {shown} has" if len(names) == 1 else f"classes {shown} have"


def groups_of(description: Description, sets: ClassSets | None) -> dict[tuple[int, ...], str]:
    """Numbers of classes, ascending -> the name of the group that they are; those that a data set has not are none."""
    found = {}
    for group, names in ({} if sets is None else sets.named).items():
        numbers = [find_class(name, description.classes) for name in names]
        found[tuple(sorted(number for number in numbers if number is not None))] = group
    return found


def _wrong_classes(study: Study, field: str, sets: ClassSets, description: Description) -> list[str]:
    """What is wrong with a field's class sets for a data set with these classes."""
    wrong = []
    known = f"{description.name} has {len(description.classes)} classes"
    for index, size in enumerate(sets.sizes):
        if size > len(description.classes):
            wrong.append(
                f"{study.where(field, 'sizes', index)}: {size} is too many, {known}: "
                f"choose sizes from 2 to {len(description.classes)}."
            )
    given: dict[tuple[str | int, ...], list[int | str]] = {
        **{("classes", index): classes for index, classes in enumerate(sets.classes)},
        **{("groups", group): classes for group, classes in sets.named.items()},
    }
    for where_given, classes in given.items():
        found: list[int] = []
        for place, name in enumerate(classes):
            where = study.where(field, *where_given, place)
            try:
                number = find_class(name, description.classes)
            except UserError as error:
                wrong.append(f"{where}: {error}.")
                continue
            if number is None:
                names = ", ".join(description.classes[:20])
                wrong.append(
                    f"{where}: {name!r} is unknown, {known}: "
                    f"choose numbers from 0 to {len(description.classes) - 1} or names among {names}."
                )
            elif number in found:
                wrong.append(f"{where}: {name!r} is the class {description.classes[number]!r} once more, remove one.")
            else:
                found.append(number)
    return wrong
