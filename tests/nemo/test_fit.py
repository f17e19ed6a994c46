"""How images become those of one size: as torchvision's transforms would make them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nemo.datasets.fit import Fit
from nemo.datasets.images import decode
from tests.pictures import photograph


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.heavy
@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(10, 90),
    width=st.integers(10, 90),
    size=st.integers(4, 32),
    crop=st.sampled_from([1.0, 0.875, 0.95, 0.5]),
    interpolation=st.sampled_from(["bilinear", "bicubic", "nearest", "lanczos"]),
)
def test_a_shape_is_kept_as_resize_and_centre_crop_keep_it(
    height: int, width: int, size: int, crop: float, interpolation: str
) -> None:
    from torchvision.transforms import InterpolationMode, v2

    image, fit = noise(height, width), Fit(size, size, interpolation, crop)
    shorter = int(size / crop + 1e-6)
    theirs = v2.Compose([v2.Resize(shorter, InterpolationMode(interpolation)), v2.CenterCrop(size)])
    assert np.array_equal(np.asarray(fit.evaluated(image)), np.asarray(theirs(image)))


def test_the_share_of_published_weights_gives_their_size_back() -> None:
    for resized in range(225, 300):
        assert Fit(224, 224, crop=224 / resized).covered == (resized, resized)
    assert Fit(224, 224, crop=0.95).covered == (235, 235)  # timm rounds down


@pytest.mark.parametrize(("height", "width"), [(48, 64), (64, 48), (48, 200), (200, 48)])
def test_a_size_that_is_no_square_is_covered(height: int, width: int) -> None:
    fit = Fit(48, 64, crop=0.875)
    assert fit.evaluated(noise(height, width)).size == (64, 48)
    assert Fit(48, 64).kept(noise(height, width)).size == (64, 48)


def test_what_is_kept_is_bounded_and_small_images_are_not_enlarged() -> None:
    fit = Fit(48, 64, crop=0.75)  # covers 64 x 85
    assert fit.kept(noise(1000, 1000)).size == (170, 170)
    assert fit.kept(noise(100, 3000)).size == (3000, 100)
    assert fit.kept(noise(20, 30)).size == (30, 20)
    large = decode(photograph(0, 0, 900, 1200), fit, "the image")
    assert large.shape == (3, 128, 170)


def test_an_image_is_stretched_to_height_and_width() -> None:
    data = photograph(1, 0, 90, 120, "PNG")
    assert decode(data, (48, 64), "the image").shape == (3, 48, 64)
    square = decode(data, 40, "the image")
    assert np.array_equal(square, decode(data, (40, 40), "the image"))
