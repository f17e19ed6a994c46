"""Streams: the same images in the same order as from memory, by any number of processes and workers."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import torch
from PIL import Image
from torch import Tensor

import nemo
from nemo import loader
from nemo.datasets import read_dataset
from nemo.datasets.dataset import Dataset
from nemo.datasets.pictures import Pictures, as_pictures, join
from nemo.errors import UserError
from nemo.loader import Loader, draw
from nemo.recipe import Augment
from nemo.reuse import subtask_dataset
from tests.pictures import write_photograph_table, write_photographs

pytestmark = pytest.mark.heavy

AUGMENTS: tuple[Augment, ...] = ("none", "crop", "imagenet", "trivial")


@pytest.fixture(scope="module", params=["folder", "parquet"])
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    write = {"folder": write_photographs, "parquet": write_photograph_table}[request.param]
    return f"{request.param}:{write(tmp_path_factory.mktemp('data') / 'photos', 7, 3)}"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(autouse=True)
def processes(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """How many read a stream; none, unless a test asks for some: they take a second to start."""

    def use(count: int) -> None:
        monkeypatch.setattr(loader, "process_count", lambda *_: count)

    use(0)
    return use


def loaded(source: str, cache: str, loading: Any, **options: Any) -> Dataset:
    return read_dataset(source, root=cache, image_size=(24, 32), loading=loading, **options)[0]


def batches(data: Dataset, augment: Augment, epoch: int = 2, **options: Any) -> list[Tensor]:
    batched = Loader(data.train, dataset=data, batch_size=6, train=True, augment=augment, seed=3, **options)
    return [batch.images for batch in batched.epoch(epoch)]


@pytest.mark.parametrize("options", [{}, {"keep_shape": True}, {"interpolation": "bicubic", "crop": 32}])
def test_memory_and_stream_are_the_same_to_the_bit(source: str, cache: str, options: dict[str, Any]) -> None:
    memory, stream = (loaded(source, cache, how, **options) for how in ("memory", "stream"))
    assert isinstance(memory.train.images, Tensor) == (not options.get("keep_shape") and "crop" not in options)
    assert isinstance(stream.train.images, Pictures) and stream.train.images.store.streams
    assert (memory.mean, memory.std, memory.fingerprint) == (stream.mean, stream.std, stream.fingerprint)
    assert memory.image_size == stream.image_size == (24, 32)
    for augment in AUGMENTS:
        ours, theirs = batches(memory, augment), batches(stream, augment)
        assert len(ours) == len(theirs) == 4 and ours[0].shape == (6, 3, 24, 32)
        assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True)), augment
    for part in ("train", "test"):
        whole = [getattr(each, part) for each in (memory, stream)]
        assert torch.equal(whole[0].labels, whole[1].labels)
        plain = [Loader(split, dataset=memory, batch_size=5, train=False).epoch() for split in whole]
        assert torch.equal(*(torch.cat([batch.images for batch in epoch]) for epoch in plain))


def test_processes_change_nothing_and_leave_the_random_state_alone(
    source: str, cache: str, processes: Callable[[int], None]
) -> None:
    data = loaded(source, cache, "stream", keep_shape=True)
    alone = {augment: [batches(data, augment, epoch) for epoch in range(2)] for augment in AUGMENTS[2:3]}
    processes(2)
    before = torch.get_rng_state()
    for augment, expected in alone.items():
        batched = Loader(data.train, dataset=data, batch_size=6, train=True, augment=augment, seed=3)
        for epoch, images in enumerate(expected):  # the processes stay for the second epoch
            found = [batch.images for batch in batched.epoch(epoch)]
            assert all(torch.equal(a, b) for a, b in zip(images, found, strict=True))
        resumed = Loader(data.train, dataset=data, batch_size=6, train=True, augment=augment, seed=3)
        found = [batch.images for batch in resumed.epoch(1)]
        assert all(torch.equal(a, b) for a, b in zip(expected[1], found, strict=True))
    assert torch.equal(before, torch.get_rng_state())
    assert not all(torch.equal(a, b) for a, b in zip(*alone["imagenet"], strict=True))


@pytest.mark.parametrize("augment", AUGMENTS)
def test_workers_share_an_epoch_without_repeats(source: str, cache: str, augment: Augment) -> None:
    data = loaded(source, cache, "stream", keep_shape=True)
    whole = batches(data, augment)
    shares = []
    for rank in range(2):
        batched = Loader(
            data.train, dataset=data, batch_size=6, train=True, augment=augment, seed=3, rank=rank, world=2
        )
        shares.append([batch.images[: batch.counts[rank]] for batch in batched.epoch(2)])
    assert all(torch.equal(one, torch.cat(parts)) for one, *parts in zip(whole, *shares, strict=True))


def test_imagenets_augmentation_is_torchvisions(source: str, cache: str) -> None:
    from torchvision.transforms import InterpolationMode, v2

    data = loaded(source, cache, "memory", keep_shape=True, mean=[0.0] * 3, std=[1 / 255] * 3)
    assert isinstance(data.train.images, Pictures)
    draws = draw(21, 0, True, 3, 2)
    found = torch.cat(batches(data, "imagenet")).round().to(torch.uint8)
    ratio = (1.0, 16 / 9)  # 3/4 to 4/3, of 32 over 24
    cut = v2.RandomResizedCrop((24, 32), ratio=ratio, interpolation=InterpolationMode.BILINEAR)
    for place in range(20):
        torch.manual_seed(int(draws.seeds[place]))
        image = cut(data.train.images.kept(int(draws.order[place])))
        image = v2.functional.horizontal_flip(image) if draws.mirrored[place] else image
        assert np.array_equal(np.asarray(image), found[place].permute(1, 2, 0).numpy())


def test_trivial_augment_comes_after_crop_and_flip(source: str, cache: str) -> None:
    from torchvision.transforms import v2

    data = loaded(source, cache, "memory", mean=[0.0] * 3, std=[1 / 255] * 3)
    cropped, found = (torch.cat(batches(data, name)).round().to(torch.uint8) for name in ("crop", "trivial"))
    draws, transform = draw(21, 4, True, 3, 2), v2.TrivialAugmentWide()
    for place in range(20):
        torch.manual_seed(int(draws.seeds[place]))
        image = transform(Image.fromarray(cropped[place].permute(1, 2, 0).contiguous().numpy()))
        assert np.array_equal(np.asarray(image), found[place].permute(1, 2, 0).numpy())
    assert not torch.equal(cropped, found)


def test_a_set_that_may_not_be_mirrored_is_not() -> None:
    digits = nemo.load_dataset("digits", train_images=40, test_images=40)
    batched = Loader(digits.train, dataset=digits, batch_size=40, train=True, augment="imagenet")
    assert not batched.flip and next(iter(batched.epoch())).images.shape == (40, 3, 32, 32)


def test_some_images_are_the_same_from_a_stream(source: str, cache: str) -> None:
    places = torch.tensor([3, 1, 3, 20])
    for augment in AUGMENTS:
        found = []
        for how in ("memory", "stream"):
            data = loaded(source, cache, how)
            batched = Loader(data.train, dataset=data, batch_size=6, train=True, augment=augment)
            torch.manual_seed(5)
            found.append((batched.some(places), torch.rand(1)))
        assert torch.equal(found[0][0], found[1][0]) and torch.equal(found[0][1], found[1][1])


def test_a_training_on_some_classes_is_the_same_from_a_stream(source: str, cache: str) -> None:
    states = []
    for how in ("memory", "stream"):
        data = subtask_dataset(loaded(source, cache, how), [2, 0])
        network = nemo.build_network("resnet18", "standard", 2, width=0.0625, image_size=(24, 32), seed=0)
        recipe = nemo.Recipe(epochs=2, batch_size=6, lr=0.01, validation=0.3, compile=False)
        trainer = nemo.Trainer(network, data, "standard", {}, recipe, seed=0)
        trainer.run_epoch()
        if how == "stream":  # interrupted, and begun anew
            saved = trainer.state_dict()
            trainer = nemo.Trainer(network, data, "standard", {}, recipe, seed=0)
            trainer.load_state_dict(saved)
        trainer.run_epoch()
        states.append(({**trainer.network.state_dict()}, trainer.history[-1]["test/accuracy"]))
    assert states[0][1] == states[1][1]
    assert all(torch.equal(states[0][0][name], states[1][0][name]) for name in states[0][0])


def test_pictures_and_tensors_join(source: str, cache: str) -> None:
    memory, stream = (loaded(source, cache, how) for how in ("memory", "stream"))
    joined = join([stream.train.images[torch.tensor([4, 2])], memory.test.images, stream.test.images])
    assert isinstance(joined, Pictures) and joined.shape == (20, 3, 24, 32)
    expected = torch.cat([memory.train.images[torch.tensor([4, 2])], memory.test.images, memory.test.images])
    assert torch.equal(joined.read(), expected)
    keeping = loaded(source, cache, "stream", keep_shape=True)
    both = join([keeping.test.images, memory.test.images])
    assert isinstance(both, Tensor) and torch.equal(both[9:], memory.test.images)
    assert torch.equal(as_pictures(memory.test.images).read(), memory.test.images)


@pytest.mark.parametrize("count", [0, 1])
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, processes: Callable[[int], None], count: int) -> None:
    processes(count)
    root = write_photographs(tmp_path / "photos", 5, 2)
    data = loaded(f"folder:{root}", str(tmp_path), "stream", mean=[0.5] * 3, std=[0.5] * 3)
    gone = root / "train" / "disc" / "003.jpg"
    gone.unlink()
    with pytest.raises(UserError, match=rf"^{gone} cannot be read \(No such file or directory\); check the file"):
        batches(data, "none")
    gone.write_bytes(b"no image")
    with pytest.raises(UserError, match=rf"^{gone} is not a readable PNG"):
        batches(data, "trivial")


def test_the_copy_of_a_parquet_file(tmp_path: Path) -> None:
    root = write_photograph_table(tmp_path / "photos", 4, 2)
    data = loaded(f"parquet:{root}", str(tmp_path), "stream", mean=[0.5] * 3, std=[0.5] * 3, train_images=11)
    assert len(data.train) == 11
    copies = sorted((tmp_path / "streams").iterdir())
    assert [copy.suffix for copy in copies].count(".images") == 2
    stamps = {copy: copy.stat().st_mtime_ns for copy in copies}
    again = loaded(f"parquet:{root}", str(tmp_path), "stream", mean=[0.5] * 3, std=[0.5] * 3, train_images=11)
    assert {copy: copy.stat().st_mtime_ns for copy in copies} == stamps
    for copy in copies:
        copy.unlink()
    assert torch.equal(torch.cat(batches(again, "none")), torch.cat(batches(data, "none")))  # made anew, here and now
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file/streams/.* cannot be written \(Not a directory\); make room there, or"):
        loaded(f"parquet:{root}", str(tmp_path / "file"), "stream", mean=[0.5] * 3, std=[0.5] * 3)


ENDLESS = """
import sys
import torch
from nemo.datasets import read_dataset
from nemo.loader import Loader
torch.set_num_threads(2)
data = read_dataset(sys.argv[1], image_size=16, loading="stream", mean=[0.5] * 3, std=[0.5] * 3)[0]
loader = Loader(data.train, dataset=data, batch_size=4, train=True)
for epoch in range(10 ** 9):
    for batch in loader.epoch(epoch):
        print("going", flush=True)
"""


def test_the_processes_end_with_a_killed_training(tmp_path: Path) -> None:
    root = write_photographs(tmp_path / "photos", 5, 2)
    (tmp_path / "endless.py").write_text(ENDLESS)
    training = subprocess.Popen(
        [sys.executable, "endless.py", f"folder:{root}"], cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    assert training.stdout is not None and training.stdout.readline() == "going\n"
    children = psutil.Process(training.pid).children(recursive=True)
    assert len(children) >= 3  # the fork server and two processes
    os.kill(training.pid, signal.SIGKILL)
    training.wait()
    deadline = time.monotonic() + 20
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_stream_is_found_from_another_working_folder(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, _, place = source.partition(":")
    monkeypatch.chdir(Path(place).parent)
    data = loaded(f"{kind}:{Path(place).name}", "cache", "stream")
    monkeypatch.chdir(tmp_path)
    assert len(list(Loader(data.train, dataset=data, batch_size=6, train=False).epoch())) > 1
    assert not list(tmp_path.iterdir())
