"""The options that a data set takes, and what their values may be."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nemo.errors import UserError
from nemo.image_size import INTERPOLATIONS

MAX_PADDING = 64
_LEAST_CROP = 0.1


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_count(value: Any, least: int = 1) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _is_padding(value: Any) -> bool:
    return _is_count(value, least=0) and value <= MAX_PADDING


def _is_mean(value: Any) -> bool:
    return _are_three(value) and all(0 <= part <= 1 for part in value)


def _is_std(value: Any) -> bool:
    return _are_three(value) and all(0 < part < math.inf for part in value)


def _are_three(value: Any) -> bool:
    return isinstance(value, list | tuple) and len(value) == 3 and all(map(_is_number, value))


def _is_names(value: Any) -> bool:
    if not isinstance(value, list | tuple) or not all(isinstance(name, str) for name in value):
        return False
    return len(set(value)) == len(value) >= 2


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_length(value: Any) -> bool:
    return _is_count(value, least=4)  # of a pair a token of either, and those around them


def _is_interpolation(value: Any) -> bool:
    return value in INTERPOLATIONS


def _is_crop(value: Any) -> bool:
    return _is_number(value) and (_LEAST_CROP <= value <= 1 or _is_count(value, least=2))


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


@dataclass(frozen=True)
class Option:
    """One option: what its value must be, in words and as a test."""

    wanted: str
    accepts: Callable[[Any], bool]


OPTIONS: Mapping[str, Option] = {
    "mean": Option("three numbers between 0 and 1, one per channel", _is_mean),
    "std": Option("three positive numbers, one per channel", _is_std),
    "padding": Option(f"a whole number of pixels from 0 to {MAX_PADDING}", _is_padding),
    "flip": Option("true or false", _is_flag),
    "interpolation": Option(f"one of {', '.join(INTERPOLATIONS)}", _is_interpolation),
    "crop": Option(
        f"the share of an image's shorter side that is kept, from {_LEAST_CROP} to 1, or the pixels that this side is "
        "resized to",
        _is_crop,
    ),
    "train_images": Option("a whole number, 1 or more", _is_count),
    "test_images": Option("a whole number, 1 or more", _is_count),
    "coarse": Option("true or false", _is_flag),
    "extra": Option("true or false", _is_flag),
    "only": Option("a list of two or more different classes, numbers among them in quotes", _is_names),
    "classes": Option("a list of different class names, numbers among them in quotes", _is_names),
    "text": Option("the name of a column, a number in quotes", _is_text),
    "text_pair": Option("the name of a column, a number in quotes", _is_text),
    "tokenizer": Option("a folder, or an ID of the hub", _is_text),
    "max_length": Option("a whole number of tokens, 4 or more", _is_length),
    "train_texts": Option("a whole number, 1 or more", _is_count),
    "test_texts": Option("a whole number, 1 or more", _is_count),
    "image": Option("the name of a column, a number in quotes", _is_text),
    "label": Option("the name of a column, a number in quotes", _is_text),
}
"""Every option of every data set."""

COMMON = ("mean", "std", "padding", "flip", "interpolation", "crop", "train_images", "test_images", "only")
"""The options that every data set of images takes; `train_images` and `test_images` keep the first n
images only, `only` those of some classes."""


def check_options(dataset: str, options: Mapping[str, Any], allowed: tuple[str, ...]) -> None:
    """Refuses an option that the data set does not have, or a value that the option cannot take.

    Args:
        dataset: The data set's name, for the message.
        options: Option name -> value.
        allowed: The options that this data set takes.

    Raises:
        UserError: The first option at fault, with what is allowed.
    """
    for name, value in options.items():
        if name not in allowed:
            raise UserError(f"dataset {dataset}: there is no option {name!r}; its options are {', '.join(allowed)}.")
        if not OPTIONS[name].accepts(value):
            raise UserError(f"dataset {dataset}: {name} must be {OPTIONS[name].wanted}, not {value!r}.")
