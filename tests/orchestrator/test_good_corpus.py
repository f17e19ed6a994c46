"""The corpus of data sets that are odd and good: each is planned, told of where something is, and read right."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from nemo.datasets import describe_dataset, load_dataset
from orchestrator.study.file import study_with_data
from tests.orchestrator.good_input.datasets import DATASETS, Colour, Good
from tests.orchestrator.test_corpus import study_on


def test_the_corpus_is_large() -> None:
    assert len(DATASETS) > 40
    assert len({good.name for good in DATASETS}) == len(DATASETS)


@pytest.mark.parametrize("good", DATASETS, ids=[good.name for good in DATASETS])
def test_datasets(tmp_path: Path, good: Good) -> None:
    root = tmp_path / "data"
    good.make(root)
    name = f"{good.kind}:{root}"
    described = describe_dataset(name, **good.options)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        data = load_dataset(name, **good.options)
    warned = [str(each.message) for each in told]  # Pillow warns of damaged EXIF too
    assert tuple(text for text in warned if text.startswith("dataset ")) == described.notes
    assert data.classes == described.classes == tuple(good.classes)
    assert data.fingerprint == described.fingerprint
    assert described.counts == tuple(good.train) == tuple(torch.bincount(data.train.labels).tolist())
    assert len(described.notes) == bool(good.told)
    assert good.told in "".join(described.notes)
    if good.pixels is not None:
        label, first, last = good.pixels
        images = data.train.images[data.train.labels == label].numpy()  # [n, 3, 8, 8]
        assert any(_like(image[:, 0, 0], first) and _like(image[:, -1, -1], last) for image in images)
    study = study_with_data(study_on(tmp_path, name, {"dataset_options": dict(good.options)}))
    assert study.notes == list(described.notes)


def _like(pixel: np.ndarray, colour: Colour) -> bool:
    return bool(np.abs(pixel.astype(int) - colour).max() <= 6)  # JPEG loses a little
