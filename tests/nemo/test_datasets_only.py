"""The option `only`: some classes of a data set as a data set of their own."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nemo.datasets import describe_dataset, load_dataset
from nemo.errors import UserError


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


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="dataset digits: only names '11', its classes are 0, 1, 2"):
        describe_dataset("digits", only=["3", "11"])
    with pytest.raises(UserError, match="only must be a list of two or more different classes"):
        describe_dataset("digits", only=["3"])


def _only(*names: str) -> dict[str, list[str]]:
    return {"only": list(names)}
