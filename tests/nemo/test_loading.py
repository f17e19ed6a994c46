"""Whether a data set is kept in memory or streamed, and that a user is told."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from nemo.datasets import describe_dataset, load_dataset, loading, loading_note
from nemo.datasets.description import Description
from nemo.datasets.fit import Fit
from nemo.datasets.loading import Loading, available_memory, choose_loading, needed_memory
from nemo.datasets.pictures import Held, Pictures
from nemo.errors import UserError
from tests.pictures import write_folder

FEW = Description("photos", ("a", "b"), 100, 900, 100, "f")
FIT = Fit(100, 100)
NEEDED = 1000 * 3 * 100 * 100


def choose(wanted: Loading | None = None, can_stream: bool = True, fit: Fit = FIT) -> tuple[Loading, str]:
    return choose_loading("folder:photos", FEW, fit, can_stream=can_stream, wanted=wanted)


def test_what_takes_more_than_a_quarter_of_the_memory_is_streamed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert needed_memory(FEW, FIT) == NEEDED
    monkeypatch.setattr(loading, "available_memory", lambda: 4 * NEEDED)
    assert choose() == ("memory", "")
    monkeypatch.setattr(loading, "available_memory", lambda: 4 * NEEDED - 1)
    chosen, told = choose()
    assert chosen == "stream"
    assert told.startswith("dataset folder:photos: its 1,000 images for 100x100 pixels would take ")
    assert "more than 25% of the 0.1 GB of memory that are available; they are streamed" in told
    assert choose(can_stream=False) == ("memory", "")
    assert choose("memory") == ("memory", "dataset folder:photos: its images are kept in memory, as loading says.")


def test_images_that_keep_their_shape_take_more() -> None:
    assert needed_memory(FEW, Fit(100, 100, crop=1.0)) > 4 * NEEDED


def test_what_is_asked_for_is_told_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose("stream") == ("stream", "dataset folder:photos: its 1,000 images are streamed, as loading says.")
    with pytest.raises(UserError, match=r"^dataset folder:photos: has no files of images to stream, remove loading\.$"):
        choose("stream", can_stream=False)
    with pytest.raises(UserError, match=r"or fewer images with train_images, or loading: stream\.$"):
        choose("memory", fit=Fit(10**6, 10**6))


def test_the_available_memory_is_some() -> None:
    assert 2**20 < available_memory() < 2**50


@pytest.mark.heavy
def test_a_folder_is_streamed_or_held(tmp_path: Path) -> None:
    name = f"folder:{write_folder(tmp_path / 'data', train=3, test=2, size=20)}"
    with pytest.warns(UserWarning, match="are streamed, as loading says"):
        images = load_dataset(name, loading="stream", root=str(tmp_path)).train.images
    assert isinstance(images, Pictures) and images.store.streams
    held = load_dataset(name, keep_shape=True).train.images
    assert isinstance(held, Pictures) and isinstance(held.store, Held)
    told = loading_note(describe_dataset(name), name, loading="stream")
    assert told == f"dataset {name}: its 15 images are streamed, as loading says."


@pytest.mark.heavy
def test_a_set_too_large_for_the_memory_streams_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"folder:{write_folder(tmp_path / 'data', train=3, test=2, size=20)}"
    whole = load_dataset(name).train.images
    monkeypatch.setattr(loading, "available_memory", lambda: 4 * 15 * 3 * 20 * 20 - 1)
    with pytest.warns(UserWarning, match="of memory that are available; they are streamed"):
        images = load_dataset(name, root=str(tmp_path)).train.images
    assert isinstance(images, Pictures) and torch.equal(images.read(), whole)
    kept = load_dataset("digits", train_images=50, test_images=50).train.images  # which can't, and is small
    assert isinstance(kept, torch.Tensor)
