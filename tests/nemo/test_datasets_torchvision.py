"""CIFAR and SVHN, read from tiny files in the real formats; their checksums are set to those of the tiny files."""

import hashlib
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
import torchvision.datasets as tv
from torchvision.datasets import utils

from nemo.datasets import describe_dataset, load_dataset, torchvision_sets
from nemo.datasets.superclasses import COARSE_OF_FINE, FINE_CLASSES
from nemo.errors import UserError

pytestmark = pytest.mark.heavy  # as torchvision is, to import


def md5(path: Path) -> str:
    return hashlib.md5(path.read_bytes()).hexdigest()


def pixels(seed: int, n: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (n, 3, 32, 32), dtype=np.uint8)


def write_batch(path: Path, key: str, images: np.ndarray, labels: list[int]) -> list[str]:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(pickle.dumps({"data": images.reshape(len(images), -1), key: labels}))
    return [path.name, md5(path)]


@pytest.fixture
def cifar10(tmp_path, monkeypatch):
    base = tmp_path / tv.CIFAR10.base_folder
    train = [
        write_batch(base / f"data_batch_{i + 1}", "labels", pixels(i, 10), np.roll(range(10), i).tolist())
        for i in range(5)
    ]
    test = [write_batch(base / "test_batch", "labels", pixels(9, 10), list(range(10)))]
    (base / "batches.meta").write_bytes(pickle.dumps({"label_names": list(torchvision_sets.CIFAR10.classes)}))
    monkeypatch.setattr(tv.CIFAR10, "train_list", train)
    monkeypatch.setattr(tv.CIFAR10, "test_list", test)
    monkeypatch.setattr(tv.CIFAR10, "meta", {**tv.CIFAR10.meta, "md5": md5(base / "batches.meta")})
    return tmp_path


def no_network(monkeypatch):
    def refuse(*args, **kwargs):
        raise utils.urllib.error.URLError("no route to host")

    monkeypatch.setattr(utils.urllib.request, "urlopen", refuse)


def test_our_checksums_are_torchvisions():
    assert torchvision_sets.CIFAR10.archives["archive"] == tv.CIFAR10.tgz_md5
    assert torchvision_sets.CIFAR100.archives["archive"] == tv.CIFAR100.tgz_md5
    assert torchvision_sets.SVHN.archives == {part: entry[2] for part, entry in tv.SVHN.split_list.items()}


def test_published_sizes():
    sizes = {
        (name, *options): describe_dataset(name, **dict.fromkeys(options, True))
        for name, *options in (["cifar10"], ["cifar100"], ["cifar100", "coarse"], ["svhn"], ["svhn", "extra"])
    }
    assert {key: (len(d.classes), d.train_size, d.test_size) for key, d in sizes.items()} == {
        ("cifar10",): (10, 50_000, 10_000),
        ("cifar100",): (100, 50_000, 10_000),
        ("cifar100", "coarse"): (20, 50_000, 10_000),
        ("svhn",): (10, 73_257, 26_032),
        ("svhn", "extra"): (10, 604_388, 26_032),
    }


def test_superclasses():
    # The coarse label of each fine label, as the official files pair them.
    official = (
        "4 1 14 8 0 6 7 7 18 3 3 14 9 18 7 11 3 9 7 11 6 11 5 10 7 6 13 15 3 15 0 11 1 10 12 14 16 9 11 5 5 19 8 8 15 "
        "13 14 17 18 10 16 4 17 4 2 0 17 4 18 17 10 3 2 12 12 16 12 1 9 19 2 10 0 1 16 12 9 13 15 13 16 19 2 4 6 19 5 "
        "5 8 19 18 1 2 15 6 0 17 8 14 13"
    )
    assert list(COARSE_OF_FINE) == [int(label) for label in official.split()]
    assert len(set(FINE_CLASSES)) == 100


def test_cifar10(cifar10):
    data = load_dataset("cifar10", root=str(cifar10))
    assert torch.equal(data.train.images[10:20], torch.from_numpy(pixels(1, 10)))
    assert torch.equal(data.test.images, torch.from_numpy(pixels(9, 10)))
    assert data.train.labels[10:20].tolist() == np.roll(range(10), 1).tolist()
    assert data.mean == (0.4914, 0.4822, 0.4465) and data.std == (0.2471, 0.2435, 0.2616)
    assert (data.padding, data.flip, data.name, data.classes[3]) == (4, True, "cifar10", "cat")
    assert data.fingerprint == describe_dataset("cifar10").fingerprint
    assert load_dataset("cifar10", root=str(cifar10), image_size=48).train.images.shape == (50, 3, 48, 48)


def test_the_root_comes_from_the_environment(cifar10, monkeypatch):
    monkeypatch.setenv("NEMO_DATA", str(cifar10))
    assert len(load_dataset("cifar10").train) == 50


def test_cifar10_is_unpacked_from_an_archive(cifar10, monkeypatch):
    no_network(monkeypatch)
    root = cifar10 / "root"
    root.mkdir()
    with tarfile.open(root / tv.CIFAR10.filename, "w:gz") as archive:
        archive.add(cifar10 / tv.CIFAR10.base_folder, tv.CIFAR10.base_folder)
    monkeypatch.setattr(tv.CIFAR10, "tgz_md5", md5(root / tv.CIFAR10.filename))
    assert len(load_dataset("cifar10", root=str(root)).train) == 50
    assert sorted(path.name for path in root.iterdir()) == [tv.CIFAR10.base_folder, tv.CIFAR10.filename]


def test_damaged_and_missing_files_are_named(cifar10, monkeypatch):
    no_network(monkeypatch)
    batch = cifar10 / tv.CIFAR10.base_folder / "data_batch_2"
    batch.write_bytes(batch.read_bytes()[:-1])
    with pytest.raises(UserError, match=f"{batch} is damaged .*; delete it"):
        load_dataset("cifar10", root=str(cifar10))
    batch.unlink()
    with pytest.raises(UserError, match=r"could not be downloaded .*put cifar-10-python.tar.gz there.*NEMO_DATA"):
        load_dataset("cifar10", root=str(cifar10))
    assert [path.name for path in cifar10.iterdir()] == [tv.CIFAR10.base_folder]


def test_cifar100_fine_and_coarse(tmp_path, monkeypatch):
    base, every = tmp_path / tv.CIFAR100.base_folder, list(range(100))
    monkeypatch.setattr(tv.CIFAR100, "train_list", [write_batch(base / "train", "fine_labels", pixels(0, 100), every)])
    monkeypatch.setattr(
        tv.CIFAR100, "test_list", [write_batch(base / "test", "fine_labels", pixels(1, 100), every[::-1])]
    )
    (base / "meta").write_bytes(pickle.dumps({"fine_label_names": list(FINE_CLASSES)}))
    monkeypatch.setattr(tv.CIFAR100, "meta", {**tv.CIFAR100.meta, "md5": md5(base / "meta")})
    fine = load_dataset("cifar100", root=str(tmp_path))
    coarse = load_dataset("cifar100", root=str(tmp_path), coarse=True)
    assert fine.num_classes == 100 and fine.train.labels.tolist() == every
    assert coarse.num_classes == 20 and coarse.train.labels.tolist() == list(COARSE_OF_FINE)
    assert coarse.name == "cifar100-coarse"


def test_svhn_with_and_without_extra(tmp_path, monkeypatch):
    parts = {}
    for seed, (part, n) in enumerate({"train": 20, "test": 10, "extra": 30}.items()):
        file = tmp_path / f"{part}_32x32.mat"
        labels = np.arange(n, dtype=np.uint8)[:, None] % 10 + 1  # the files call the digit 0 "10"
        scipy.io.savemat(file, {"X": pixels(seed, n).transpose(2, 3, 1, 0), "y": labels})
        parts[part] = ["", file.name, md5(file)]
    monkeypatch.setattr(tv.SVHN, "split_list", parts)
    plain = load_dataset("svhn", root=str(tmp_path))
    more = load_dataset("svhn", root=str(tmp_path), extra=True)
    assert torch.equal(plain.train.images, torch.from_numpy(pixels(0, 20)))
    assert plain.train.labels[:10].tolist() == [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]
    assert torch.equal(more.train.images, torch.from_numpy(np.concatenate([pixels(0, 20), pixels(2, 30)])))
    assert plain.mean == (0.485, 0.456, 0.406) and plain.flip and more.name == "svhn-extra"
