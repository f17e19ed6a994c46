"""The loader against torchvision's transforms, and its shares against the whole batch."""

import pytest
import torch
import torchvision.transforms.functional as tv
from hypothesis import given, settings
from hypothesis import strategies as st
from torchvision import transforms

from nemo.datasets.dataset import Dataset, Split
from nemo.errors import UserError
from nemo.loader import Loader, augment, draw, share_counts

pytestmark = pytest.mark.heavy  # as torchvision is, to import

MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2471, 0.2435, 0.2616)


def dataset(n: int, size: int = 8, classes: int = 3, padding: int = 2, flip: bool = True, seed: int = 0) -> Dataset:
    generator = torch.Generator().manual_seed(seed)
    split = Split(
        torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=generator),
        torch.arange(n) % classes,
    )
    return Dataset("made", tuple(map(str, range(classes))), split, split, MEAN, STD, padding, flip, "")


def loader(data: Dataset, batch_size: int = 4, train: bool = True, **options) -> Loader:
    return Loader(data.train, dataset=data, batch_size=batch_size, train=train, **options)


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(1, 13), padding=st.integers(0, 5), n=st.integers(1, 9), flip=st.booleans(), seed=st.integers(0, 99)
)
def test_augmentation_is_torchvisions(size, padding, n, flip, seed):
    data = dataset(n, size, padding=padding, flip=flip, seed=seed)
    draws = draw(n, padding, flip, seed, epoch=1)
    ours = augment(data.train.images, draws.top, draws.left, draws.mirrored, padding)
    for index, image in enumerate(data.train.images):
        top, left = int(draws.top[index]), int(draws.left[index])
        theirs = tv.crop(tv.pad(image, [padding]), top, left, size, size)
        assert torch.equal(ours[index], tv.hflip(theirs) if draws.mirrored[index] else theirs)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("size", [32, 48])
def test_a_training_batch_is_what_the_transforms_give(size, channels_last):
    data = dataset(11, size, padding=4)
    draws = draw(11, 4, True, seed=5, epoch=2)
    normalise = transforms.Normalize(MEAN, STD)
    position = 0
    for batch in loader(data, seed=5, channels_last=channels_last).epoch(2):
        assert batch.images.is_contiguous(memory_format=torch.channels_last) == channels_last
        for image, label in zip(batch.images, batch.labels, strict=True):
            index = int(draws.order[position])
            picture = tv.pad(tv.to_pil_image(data.train.images[index]), [4])
            picture = tv.crop(picture, int(draws.top[position]), int(draws.left[position]), size, size)
            picture = tv.hflip(picture) if draws.mirrored[position] else picture
            torch.testing.assert_close(image, normalise(tv.to_tensor(picture)), atol=1e-5, rtol=0)
            assert label == data.train.labels[index]
            position += 1
    assert position == 11


def test_evaluation_is_in_order_and_plain():
    data = dataset(10)
    batches = list(loader(data, train=False).epoch())
    expected = transforms.Normalize(MEAN, STD)(data.train.images / 255)
    torch.testing.assert_close(torch.cat([batch.images for batch in batches]), expected, atol=1e-5, rtol=0)
    assert torch.equal(torch.cat([batch.labels for batch in batches]), data.train.labels)


def test_epochs_and_seeds_differ_and_repeat():
    data = dataset(16)
    first, again = (torch.cat([b.images for b in loader(data, seed=1).epoch(3)]) for _ in range(2))
    assert torch.equal(first, again)
    for other in (loader(data, seed=1).epoch(4), loader(data, seed=2).epoch(3)):
        assert not torch.equal(first, torch.cat([batch.images for batch in other]))


def test_without_augmentation_training_is_only_shuffled():
    data = dataset(12)
    (batch,) = loader(data, batch_size=12, augment=False).epoch()
    expected = transforms.Normalize(MEAN, STD)(data.train.images / 255)[draw(12, 0, False, 0, 0).order]
    torch.testing.assert_close(batch.images, expected, atol=1e-5, rtol=0)


def test_every_shift_is_drawn_and_half_are_mirrored():
    draws = draw(20_000, 4, True, 0, 0)
    for part in (draws.top, draws.left):
        counts = torch.bincount(part)
        assert len(counts) == 9 and counts.min() > 2000
    assert 0.48 < draws.mirrored.float().mean() < 0.52
    assert torch.equal(draws.order.sort().values, torch.arange(20_000))


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(2, 23),
    batch_size=st.integers(2, 9),
    world=st.integers(1, 3),
    train=st.booleans(),
    epoch=st.integers(0, 3),
)
def test_shares_make_up_the_global_batches(n, batch_size, world, train, epoch):
    data = dataset(n, size=4)
    alone = list(loader(data, batch_size, train).epoch(epoch))
    shares = [list(loader(data, batch_size, train, rank=rank, world=world).epoch(epoch)) for rank in range(world)]
    whole = loader(data, batch_size, train)
    dropped = train and n % batch_size == 1
    assert len(whole) == len(alone) and sum(batch.size for batch in alone) == n - dropped
    for index, batch in enumerate(alone):
        parts = [share[index] for share in shares]
        for rank, part in enumerate(parts):
            assert (part.size, part.counts) == (batch.size, parts[0].counts)
            count = part.counts[rank]
            if count:
                assert len(part.images) == len(part.labels) == count and count >= (2 if train else 1)
            else:  # a phantom: the first images again, which do not count
                torch.testing.assert_close(part.images, batch.images[:2], atol=0, rtol=0)
                assert torch.equal(part.labels, batch.labels[:2])
        real = [part for part, count in zip(parts, parts[0].counts, strict=True) if count]
        assert torch.equal(torch.cat([part.images for part in real]), batch.images)
        assert torch.equal(torch.cat([part.labels for part in real]), batch.labels)


def test_share_counts():
    assert share_counts(8, 3, 2) == (3, 3, 2)
    assert share_counts(5, 3, 2) == (3, 2, 0)
    assert share_counts(3, 3, 2) == (3, 0, 0)
    assert share_counts(1, 2, 1) == (1, 0)


def test_a_batch_of_one_cannot_train():
    with pytest.raises(UserError, match="batch_size"):
        loader(dataset(4), batch_size=1)
    assert len(list(loader(dataset(4), batch_size=1, train=False).epoch())) == 4
