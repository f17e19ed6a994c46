"""The registry, the digits, and the parts of a data set."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from nemo.datasets import describe_dataset, load_dataset
from nemo.datasets.dataset import Split, select_classes, split_validation
from nemo.errors import UserError


@pytest.fixture(scope="module")
def digits():
    return load_dataset("digits")


def test_digits_are_described_as_they_are_loaded(digits):
    described = describe_dataset("digits")
    assert (described.train_size, described.test_size) == (len(digits.train), len(digits.test)) == (1437, 360)
    assert described.fingerprint == digits.fingerprint
    assert described.classes == digits.classes and digits.num_classes == 10
    assert digits.image_size == described.image_size == 32
    assert (digits.padding, digits.flip) == (2, False)
    assert digits.train.images.dtype == torch.uint8 and digits.train.labels.dtype == torch.int64


def test_digits_are_the_grey_values_of_scikit_learn():
    from sklearn.datasets import load_digits

    small = load_dataset("digits", image_size=8)
    ours = torch.cat([small.train.images, small.test.images])
    assert torch.equal(ours[:, 0], ours[:, 1]) and torch.equal(ours[:, 0], ours[:, 2])
    theirs = torch.from_numpy(np.rint(load_digits().images * 255 / 16).astype(np.uint8))
    assert sorted(map(bytes, ours[:, 0].numpy())) == sorted(map(bytes, theirs.numpy()))
    scaled = small.train.images[:, 0].double() / 255
    assert scaled.mean().item() == pytest.approx(small.mean[0], abs=0.01)
    assert scaled.std().item() == pytest.approx(small.std[0], abs=0.01)


def test_digits_split_is_stratified(digits):
    train, test = (torch.bincount(split.labels, minlength=10) for split in (digits.train, digits.test))
    assert torch.all((test / (train + test) - 360 / 1797).abs() < 0.01)


def test_describing_needs_no_torch():
    code = (
        "import sys; from nemo.datasets import describe_dataset as d; "
        "[d(n) for n in ('digits', 'cifar10', 'cifar100', 'svhn')]; "
        "sys.exit('torch' in sys.modules or 'sklearn' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_fingerprint_follows_what_changes_the_numbers():
    variants: list[tuple[str, dict]] = [
        ("digits", {}),
        ("digits", {"image_size": 48}),
        ("digits", {"padding": 3}),
        ("digits", {"flip": True}),
        ("digits", {"train_images": 100}),
        ("digits", {"mean": [0.5, 0.5, 0.5]}),
        ("cifar10", {}),
        ("cifar100", {}),
        ("cifar100", {"coarse": True}),
        ("svhn", {}),
        ("svhn", {"extra": True}),
    ]
    prints = [describe_dataset(name, **options).fingerprint for name, options in variants]
    assert len(set(prints)) == len(prints)
    assert describe_dataset("digits", image_size=32, flip=False, padding=2).fingerprint == prints[0]
    assert describe_dataset("cifar100", coarse=False).fingerprint == prints[7]
    assert describe_dataset("cifar10", root="/elsewhere").fingerprint == prints[6]


def test_the_first_images_are_kept(digits):
    few = load_dataset("digits", train_images=200, test_images=100)
    assert torch.equal(few.train.images, digits.train.images[:200])
    assert torch.equal(few.test.labels, digits.test.labels[:100])


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("digitz", {}, "choose one of digits, cifar10"),
        ("cifar10:x", {}, "choose one of"),
        ("parquet:", {}, "choose one of"),
        ("digits", {"coarse": True}, "no option 'coarse'; its options are mean, std"),
        ("cifar100", {"coarse": 1}, "coarse must be true or false"),
        ("digits", {"padding": -1}, "padding must be"),
        ("digits", {"std": [1, 0, 1]}, "std must be three positive"),
        ("digits", {"train_images": 1438}, "only 1437 train images"),
        ("digits", {"image_size": 0}, "image_size must be"),
        ("folder:/nowhere/at/all", {}, "no folder /nowhere/at/all"),
    ],
)
def test_a_mistake_is_one_sentence(name, options, words):
    with pytest.raises(UserError) as raised:
        describe_dataset(name, **options)
    message = str(raised.value)
    assert words in message and message.count("\n") == 0 and message.endswith(".")


def test_a_limit_that_loses_a_class_is_refused():
    with pytest.raises(UserError, match="has no test images"):
        load_dataset("digits", test_images=5)


def test_validation_is_stratified_and_repeatable(digits):
    train, validation = split_validation(digits.train, 0.1, seed=3)
    again = split_validation(digits.train, 0.1, seed=3)[1]
    other = split_validation(digits.train, 0.1, seed=4)[1]
    assert len(validation) == 144 and len(train) == 1437 - 144
    assert torch.equal(validation.images, again.images) and not torch.equal(validation.images, other.images)
    counts = torch.bincount(validation.labels, minlength=10)
    assert counts.min() >= 13 and counts.max() <= 16
    both = torch.cat([train.images, validation.images]).flatten(1)
    assert sorted(map(bytes, both.numpy())) == sorted(map(bytes, digits.train.images.flatten(1).numpy()))


def test_validation_leaves_every_class_on_both_sides():
    split = Split(torch.zeros(24, 3, 4, 4, dtype=torch.uint8), torch.tensor([0] * 20 + [1] * 2 + [2] * 2))
    for share in (0.01, 0.5, 0.99):
        for part in split_validation(split, share, seed=0):
            assert part.labels.unique().tolist() == [0, 1, 2]
    with pytest.raises(UserError, match="class 1 has a single image"):
        split_validation(Split(split.images[:21], split.labels[:21]), 0.1, seed=0)


def test_selected_classes_get_their_place_in_the_list(digits):
    part = select_classes(digits.test, [7, 0, 3])
    for place, label in enumerate([7, 0, 3]):
        theirs = digits.test.images[digits.test.labels == label]
        assert torch.equal(part.images[part.labels == place], theirs)
    assert len(part) == sum((digits.test.labels == label).sum().item() for label in (7, 0, 3))
