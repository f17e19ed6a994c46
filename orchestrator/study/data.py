"""What is known of a study's data sets before anything is loaded, and the checks that need it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nemo.backbones import check_backbone
from nemo.datasets import describe_dataset
from nemo.errors import UserError
from orchestrator.study.class_names import check_class_names
from orchestrator.study.pair import Pair
from orchestrator.study.study import Study

if TYPE_CHECKING:
    from nemo.datasets.description import Description


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
                pair.dataset, root=study.data_root, image_size=pair.image_size, **pair.dataset_options
            )
            check_class_names(pair.dataset, descriptions[pair.data])
        except UserError as error:
            wrong[pair.data] = f"{study.where('pairs', position, 'dataset')}: {error}"
    if wrong:
        raise UserError("\n".join(wrong.values()))
    return DescribedStudy(study, descriptions)


def location(study: Study, pair: Pair) -> dict[str, Any]:
    """Where a pair's data lies, for workers that run in other folders than this process: paths are absolute."""
    kind, _, path = pair.dataset.partition(":")
    return {
        "dataset": f"{kind}:{_absolute(path)}" if path else kind,
        "image_size": pair.image_size,
        "dataset_options": pair.dataset_options,
        "data_root": _absolute(study.data_root) if study.data_root else None,
    }


def _absolute(path: str) -> str:
    return str(Path(os.path.expanduser(path)).absolute())


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
        wrong += _wrong_subtasks(study, description)
    if wrong:
        raise UserError("\n".join(dict.fromkeys(wrong)))


def _wrong_subtasks(study: Study, description: Description) -> list[str]:
    """What is wrong with the sub-tasks for a data set with these classes."""
    wrong = []
    known = f"{description.name} has {len(description.classes)} classes"
    subtasks = study.subtasks
    for index, size in enumerate(subtasks.sizes if subtasks else []):
        if size > len(description.classes):
            wrong.append(
                f"{study.where('subtasks', 'sizes', index)}: {size} is too many, {known}: "
                f"choose sizes from 2 to {len(description.classes)}."
            )
    for index, classes in enumerate(subtasks.classes if subtasks else []):
        for place, name in enumerate(classes):
            if class_number(name, description) is None:
                names = ", ".join(description.classes[:20])
                wrong.append(
                    f"{study.where('subtasks', 'classes', index, place)}: {name!r} is unknown, {known}: "
                    f"choose numbers from 0 to {len(description.classes) - 1} or names among {names}."
                )
    return wrong


def class_number(name: int | str, description: Description) -> int | None:
    """The number of a class given by number or by name; None where there is none such."""
    if isinstance(name, int):
        return name if 0 <= name < len(description.classes) else None
    return description.classes.index(name) if name in description.classes else None
