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
    """One option: what its value must be, in words and as a test.

    Attributes:
        wanted: What its value must be.
        accepts: Whether one is that.
        of: The data sets that have it; `images` are all but texts.
        told: What it means.
        form: What its value must be as far as JSON Schema has words for it.
    """

    wanted: str
    accepts: Callable[[Any], bool]
    of: str
    told: str
    form: Mapping[str, Any]


_FLAG = {"type": "boolean"}
_TEXT = {"type": "string"}
_NAMES = {"type": "array", "items": _TEXT, "minItems": 2, "uniqueItems": True}
_CHANNELS = {"type": "array", "minItems": 3, "maxItems": 3}
_COUNT = {"type": "integer", "minimum": 1}
_COLUMN = "the name of a column, a number in quotes"
_WHOLE = "a whole number, 1 or more"

OPTIONS: Mapping[str, Option] = {
    "mean": Option(
        "three numbers between 0 and 1, one per channel",
        _is_mean,
        "images",
        "of each channel, between 0 and 1, to normalise by",
        {**_CHANNELS, "items": {"type": "number", "minimum": 0, "maximum": 1}},
    ),
    "std": Option(
        "three positive numbers, one per channel",
        _is_std,
        "images",
        "of each channel, to normalise by",
        {**_CHANNELS, "items": {"type": "number", "exclusiveMinimum": 0}},
    ),
    "padding": Option(
        f"a whole number of pixels from 0 to {MAX_PADDING}",
        _is_padding,
        "images",
        "pixels of the random crop",
        {"type": "integer", "minimum": 0, "maximum": MAX_PADDING},
    ),
    "flip": Option("true or false", _is_flag, "images", "whether training images are mirrored", _FLAG),
    "interpolation": Option(
        f"one of {', '.join(INTERPOLATIONS)}",
        _is_interpolation,
        "images",
        "by which images are resized: `bilinear` (left out), `nearest`, `bicubic`, `lanczos`",
        {"enum": [*INTERPOLATIONS]},
    ),
    "crop": Option(
        f"the share of an image's shorter side that is kept, from {_LEAST_CROP} to 1, or the pixels that this side is "
        "resized to",
        _is_crop,
        "images",
        "keeps the images' shapes: each is resized until it covers `image_size` over this share (`0.875`; or until its "
        "shorter side has so many pixels, `256`), and the middle is taken. Left out, images are stretched, and kept in "
        "shape by 0.875 with `augment: imagenet`",
        {"anyOf": [{"type": "number", "minimum": _LEAST_CROP, "maximum": 1}, {"type": "integer", "minimum": 2}]},
    ),
    "train_images": Option(_WHOLE, _is_count, "images", "only the first so many for training", _COUNT),
    "test_images": Option(_WHOLE, _is_count, "images", "only the first so many for the test", _COUNT),
    "only": Option(
        "a list of two or more different classes, numbers among them in quotes",
        _is_names,
        "all",
        "a list of classes: the data set is theirs alone, in this order",
        _NAMES,
    ),
    "classes": Option(
        "a list of different class names, numbers among them in quotes",
        _is_names,
        "`parquet:`, `text:`",
        "names of the classes, by label",
        _NAMES,
    ),
    "image": Option(_COLUMN, _is_text, "`parquet:`", "the column of images, where there are several", _TEXT),
    "label": Option(_COLUMN, _is_text, "`parquet:`, `text:`", "the column of labels", _TEXT),
    "text": Option(_COLUMN, _is_text, "`text:`", "the column of texts (`docs/text.md`)", _TEXT),
    "text_pair": Option(_COLUMN, _is_text, "`text:`", "the column of second texts", _TEXT),
    "tokenizer": Option(
        "a folder, or an ID of the hub", _is_text, "`text:`", "another tokenizer than the network's own", _TEXT
    ),
    "max_length": Option(
        "a whole number of tokens, 4 or more",
        _is_length,
        "`text:`",
        "tokens at which a text is cut off; 128 if left out",
        {"type": "integer", "minimum": 4},
    ),
    "train_texts": Option(_WHOLE, _is_count, "`text:`", "only the first so many for training", _COUNT),
    "test_texts": Option(_WHOLE, _is_count, "`text:`", "only the first so many for the test", _COUNT),
    "coarse": Option("true or false", _is_flag, "`cifar100`", "the twenty super-classes", _FLAG),
    "extra": Option("true or false", _is_flag, "`svhn`", "the extra training images too", _FLAG),
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
