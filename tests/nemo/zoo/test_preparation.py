from __future__ import annotations

from typing import Any

import pytest

from nemo.zoo.preparation import Preparation, of_transformers

SCALED = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}


@pytest.mark.parametrize(
    ("fields", "size", "interpolation", "crop"),
    [
        ({"size": 224, "resample": 2}, 224, "bilinear", None),
        ({"size": {"height": 192, "width": 256}}, (192, 256), "bilinear", None),
        ({"size": {"shortest_edge": 224}, "crop_pct": 0.875, "resample": 3}, 224, "bicubic", 0.875),
        ({"size": {"shortest_edge": 384}, "crop_pct": 0.875}, 384, "bilinear", 1.0),
        (
            {"size": {"shortest_edge": 256}, "do_center_crop": True, "crop_size": {"height": 224, "width": 224}},
            *(224, "bilinear", 0.875),
        ),
    ],
)
def test_the_forms_in_which_transformers_says_it(
    fields: Any, size: Any, interpolation: str, crop: float | None
) -> None:
    expected = Preparation(mean=(0.5,) * 3, std=(0.5,) * 3, image_size=size, interpolation=interpolation, crop=crop)
    assert of_transformers(SCALED | fields) == expected


def test_images_that_are_not_normalised_and_nothing_said() -> None:
    assert of_transformers({"do_normalize": False, "size": 8}).std == (1.0, 1.0, 1.0)
    assert of_transformers({}) == Preparation()
