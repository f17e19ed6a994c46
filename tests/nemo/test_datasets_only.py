"""The option `only`: some classes of a data set as a data set of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from nemo.datasets import describe_dataset, load_dataset
from nemo.datasets.pictures import Images
from nemo.errors import UserError
from tests.pictures import write_folder


def test_it_is_what_is_left_of_the_whole() -> None:
    whole, some = load_dataset("digits", image_size=16), load_dataset("digits", image_size=16, only=["7", "2"])
    assert some.classes == ("7", "2")
    for part in ("train", "test"):
        own, all_ = getattr(some, part), getattr(whole, part)
        wanted = torch.isin(all_.labels, torch.tensor([7, 2]))
        assert torch.equal(own.images, all_.images[wanted])
        assert torch.equal(torch.tensor([7, 2])[own.labels], all_.labels[wanted])


def test_its_description_and_its_fingerprint() -> None:
    whole, some, turned = (describe_dataset("digits", **given) for given in ({}, _only("2", "7"), _only("7", "2")))
    assert some.classes == ("2", "7")
    assert len({whole.fingerprint, some.fingerprint, turned.fingerprint}) == 3
    loaded = load_dataset("digits", only=["2", "7"])
    assert loaded.fingerprint == some.fingerprint
    if some.counts is not None:
        assert list(some.counts) == np.bincount(loaded.train.labels).tolist()


@pytest.mark.parametrize("more", [{}, {"crop": 0.9}, {"loading": "stream"}])
def test_no_image_of_another_class_is_opened(tmp_path: Path, more: dict[str, Any]) -> None:
    write_folder(tmp_path, train=3, test=2)
    whole = load_dataset(f"folder:{tmp_path}", image_size=8, mean=[0.5] * 3, std=[0.5] * 3, **more)
    before = pixels(whole.train.images)
    first, second, third = whole.classes
    for image in tmp_path.rglob(f"{second}/*"):
        image.write_bytes(image.read_bytes()[:40])
    asked: dict[str, Any] = {"only": [third, first], **more}
    some = load_dataset(f"folder:{tmp_path}", image_size=8, mean=[0.5] * 3, std=[0.5] * 3, **asked)
    wanted = torch.isin(whole.train.labels, torch.tensor([0, 2]))
    assert torch.equal(pixels(some.train.images), before[wanted])
    assert some.train.labels.tolist() == [{0: 1, 2: 0}[int(label)] for label in whole.train.labels[wanted]]


def pixels(images: Images) -> torch.Tensor:
    return images if isinstance(images, torch.Tensor) else images.read()


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="dataset digits: only names '11', its classes are 0, 1, 2"):
        describe_dataset("digits", only=["3", "11"])
    with pytest.raises(UserError, match="only must be a list of two or more different classes"):
        describe_dataset("digits", only=["3"])


def _only(*names: str) -> dict[str, list[str]]:
    return {"only": list(names)}
