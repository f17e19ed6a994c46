"""How the images were prepared that weights were trained on, as their library describes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_RESAMPLE = {0: "nearest", 1: "lanczos", 2: "bilinear", 3: "bicubic", 4: "box", 5: "hamming"}  # of PIL


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """What is done to an image; None is not known.

    Attributes:
        mean: Of each channel, of values in 0..1.
        std: Deviation of each channel.
        image_size: Height and width of the crop in the middle in pixels, one number if it is square.
        interpolation: By which the image is resized before: `bilinear`, `bicubic`, ...
        crop: Fraction of the resized image's shorter side that the crop keeps; None too where images are stretched.
    """

    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    image_size: int | tuple[int, int] | None = None
    interpolation: str | None = None
    crop: float | None = None


def of_torchvision(transforms: Any) -> Preparation:
    """Of `weights.transforms()`."""
    size = transforms.crop_size[0]
    return Preparation(
        mean=tuple(transforms.mean),
        std=tuple(transforms.std),
        image_size=size,
        interpolation=transforms.interpolation.value,
        crop=min(1.0, size / transforms.resize_size[0]),
    )


def of_timm(described: Mapping[str, Any]) -> Preparation:
    """Of what `timm.data.resolve_model_data_config` gives."""
    return Preparation(
        mean=tuple(described["mean"]),
        std=tuple(described["std"]),
        image_size=_size(described["input_size"][1:]),
        interpolation=described["interpolation"],
        crop=described["crop_pct"],
    )


def of_transformers(fields: Mapping[str, Any]) -> Preparation:
    """Of a `preprocessor_config.json`; nothing of an empty one."""
    if not fields:
        return Preparation()
    given = fields.get("size")
    size, cropped = _size(given), _size(fields.get("crop_size"))
    crop = 1.0 if isinstance(given, Mapping) and "shortest_edge" in given else None
    if fields.get("crop_pct") and isinstance(size, int) and size < 384:  # ConvNeXt's rule
        crop = fields["crop_pct"]
    elif fields.get("do_center_crop") and isinstance(size, int) and isinstance(cropped, int):
        crop, size = min(1.0, cropped / size), cropped
    unscaled = fields.get("do_normalize") is False
    return Preparation(
        mean=(0.0,) * 3 if unscaled else tuple(fields.get("image_mean") or ()) or None,
        std=(1.0,) * 3 if unscaled else tuple(fields.get("image_std") or ()) or None,
        image_size=size,
        interpolation=_RESAMPLE.get(fields.get("resample", 2)),
        crop=crop,
    )


def _size(given: Any) -> int | tuple[int, int] | None:
    if isinstance(given, Mapping):
        given = given.get("shortest_edge") or (given.get("height"), given.get("width"))
    if isinstance(given, list | tuple):
        height, width = given
        return height if height == width else (height, width)
    return given if isinstance(given, int) else None
