"""The columns of a parquet file that hold the images and the labels, and what the labels are called."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from nemo.errors import UserError

_IMAGES = ("image", "img")
_LABELS = ("label", "labels", "fine_label")

Labels = NDArray[np.int64]  # [n]


def image_columns(schema: pa.Schema) -> list[str]:
    """The columns that could hold the images: `struct{bytes, path}`, or plain binary."""
    return [str(field.name) for field in schema if _is_binary(field.type)]


def label_columns(schema: pa.Schema) -> list[str]:
    """The columns that could hold the labels: those of integers, but for the row numbers that pandas adds."""
    columns = [str(field.name) for field in schema if pa.types.is_integer(field.type)]
    return [column for column in columns if not column.startswith("__index_level_")]


def called_images(schema: pa.Schema) -> list[str]:
    """The columns that one would take for the images: those that could hold them, or that are called so."""
    return list(dict.fromkeys([*image_columns(schema), *(name for name in schema.names if name in _IMAGES)]))


def called_labels(schema: pa.Schema) -> list[str]:
    """The columns that one would take for the labels: those that could hold them, or that are called so."""
    return list(dict.fromkeys([*label_columns(schema), *(name for name in schema.names if name in _LABELS)]))


def image_column(schema: pa.Schema, path: Path, wanted: str | None) -> str:
    """The column of images: the wanted one, the only one called image or img, or the only one.

    Raises:
        UserError: There is none, or several could be it.
    """
    columns = image_columns(schema)
    named = [column for column in columns if column in _IMAGES] or columns
    if not columns or (wanted is not None and wanted not in columns):
        column = "" if wanted is None else f" {wanted!r}"
        raise UserError(
            f"{path} has no column{column} of images, struct{{bytes, path}} or binary, among {_listed(schema.names)}."
        )
    return _the_only(columns, named, path, "images", "image", wanted)


def label_column(schema: pa.Schema, path: Path, wanted: str | None) -> str:
    """The column of labels: the wanted one, that called label, else labels, else fine_label, or the only one.

    Raises:
        UserError: There is none, several could be it, or the one that is called so has no integers.
    """
    columns = label_columns(schema)
    named = [name for name in _LABELS if name in columns]
    meant = [wanted] if wanted is not None else [] if named else _LABELS
    for name in [name for name in meant if name in schema.names and name not in columns]:
        if wanted is None and any(name in column for column in columns):
            continue  # label_id beside label
        raise UserError(
            f"{path}: its column {name!r} has the type {schema.field(name).type}, and labels are integers; number the "
            "classes from 0, or name another column with the dataset's option label."
        )
    if not columns or (wanted is not None and wanted not in columns):
        raise UserError(
            f"{path} has no integer column {wanted or _LABELS[0]!r} with the labels among {_listed(schema.names)}; "
            "name it with the dataset's option label."
        )
    fitting = [column for column in columns if column == named[0]] if named else columns
    return _the_only(columns, fitting, path, "labels", "label", wanted)


def _the_only(
    columns: Sequence[str], fitting: Sequence[str], path: Path, what: str, option: str, wanted: str | None
) -> str:
    chosen = [column for column in columns if column == wanted] if wanted is not None else list(fitting)
    if len(set(chosen)) > 1:
        raise UserError(
            f"{path} has {len(chosen)} columns that could be the {what}, {_listed(chosen)}; name one with the "
            f"dataset's option {option}."
        )
    if len(chosen) > 1:
        raise UserError(f"{path} has {len(chosen)} columns {chosen[0]!r}; rename all but that of the {what}.")
    return chosen[0]


def told_choice(what: str, chosen: str, columns: Sequence[str], wanted: str | None) -> str:
    """The sentence about a column that was chosen by its name, among others; empty where there was no choice."""
    others = [column for column in columns if column != chosen]
    if wanted is not None or not others:
        return ""
    return f"its {what} are the column {chosen!r}, and not {_listed(others, ' or ')}."


def class_names(schema: pa.Schema, column: str) -> list[str] | None:
    """The class names in the metadata that the `datasets` library writes, where there are any."""
    try:
        names = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"][column]["names"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return None
    return [str(name) for name in names] if isinstance(names, list) and names else None


def renumbered(labels: Labels, own: Sequence[str], common: Sequence[str], path: Path, by_number: bool) -> Labels:
    """The labels of one file as numbers of the classes of all.

    Args:
        labels: `[n]`, by the file's own names.
        own: These names.
        common: The names of all files.
        path: The file, for messages.
        by_number: Whether a name that the others lack stands for the class of its number: the user has named them.

    Raises:
        UserError: A label has a name that the others lack, or a name that is given twice.
    """
    used = [int(label) for label in np.unique(labels)]
    if used and used[-1] >= len(own):
        raise UserError(f"{path} has labels up to {used[-1]}, but names only {len(own)} classes; name all.")
    places: dict[int, int] = {}
    for label in used:
        name = own[label]
        if label < len(common) and common[label] == name:
            places[label] = label
        elif name in common and (common.count(name) > 1 or own.count(name) > 1):
            raise UserError(f"{path} names two classes {name!r} in another order than the other files; rename one.")
        elif name in common:
            places[label] = common.index(name)
        elif by_number and label < len(common) and common[label] not in own:
            places[label] = label
        else:
            raise UserError(
                f"{path} has images of the class {name!r}, and the other files have {_listed(common)}; give it the "
                "same names, or name all classes with the dataset's option classes where the numbers mean the same."
            )
    return labels if not used else np.asarray([places.get(label, label) for label in range(used[-1] + 1)])[labels]


def _is_binary(kind: Any) -> bool:
    if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
        kind = kind.field("bytes").type
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _listed(names: Sequence[str], between: str = ", ") -> str:
    return between.join([*names[:20], "..."] if len(names) > 20 else names)


Names = Mapping[Path, Sequence[str] | None]
"""File -> its class names, None where it has none."""


def told_names(names: Names, moved: Sequence[Path], by_number: bool) -> str:
    """The sentence about files whose class names are in another order, or missing, or others; empty without any."""
    named = [(path, own) for path, own in names.items() if own]
    if not named:
        return ""
    first, common = named[0]
    if moved:
        files = _listed([path.name for path in moved])
        return f"the labels of {files} are renumbered by their class names, which are in another order in {first.name}."
    without = [path.name for path, own in names.items() if not own]
    if without:
        return f"{_listed(without)} has no class names; its labels are taken for those of {first.name}."
    others = [path.name for path, own in named if list(own) != list(common)]
    if not others:
        return ""
    reason = (
        "its numbers are taken, as the option classes has them" if by_number else "those that are used are the same"
    )
    return f"{_listed(others)} has other class names than {first.name}; {reason}."
