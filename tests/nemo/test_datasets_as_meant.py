"""Data sets are read as they are meant: properties over generated names, orders, shards and orientations."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nemo.datasets import describe_dataset, images, load_dataset
from nemo.datasets.description import fingerprint
from nemo.datasets.naming import find_class, parse_classes
from nemo.errors import UserError
from tests.data_files import encoded, folder, halves, pets, shard

OWN = {"mean": None, "std": None, "padding": 4, "flip": True}  # what the options are, where none is given
NAMES = st.lists(st.sampled_from(["cat", "dog", "owl", "é", "10", "2", "a b"]), min_size=2, max_size=5, unique=True)
TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_applied(kind: str, orientation: int) -> None:
    """EXIF's definition: which side of the picture the first row and the first column of the file are."""
    lying = np.random.default_rng(0).integers(0, 256, (2, 4, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": {"quality": 95, "subsampling": 0}, "WEBP": {"lossless": True}}.get(kind, {})
    got = images.decode(encoded(Image.fromarray(lying), kind, exif=exif.tobytes(), **options), 16, "image")
    turned = lying if orientation < 5 else lying.transpose(1, 0, 2)
    turned = turned[::-1] if orientation in (3, 4, 7, 8) else turned
    turned = turned[:, ::-1] if orientation in (2, 3, 6, 7) else turned
    wanted = np.asarray(Image.fromarray(np.ascontiguousarray(turned)).resize((16, 16), Image.Resampling.BILINEAR))
    assert np.abs(got.transpose(1, 2, 0).astype(int) - wanted).max() <= (12 if kind == "JPEG" else 0)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP"]), st.data())
def test_damaged_images_are_a_sentence_or_an_image(kind: str, data) -> None:  # type: ignore[no-untyped-def]
    content = bytearray(halves(kind, **({} if kind in ("GIF", "BMP") else {"orientation": 6})))
    for place in data.draw(st.lists(st.integers(0, len(content) - 1), max_size=4)):
        content[place] ^= 1 << data.draw(st.integers(0, 7))
    damaged = bytes(content[: data.draw(st.integers(0, len(content)))])
    images.is_turned(damaged)
    try:
        assert images.decode(damaged, 8, "image").shape == (3, 8, 8)
    except UserError as error:
        assert str(error).startswith("image ") and "\n" not in str(error)


def test_what_was_read_as_it_was_meant_keeps_its_fingerprint(tmp_path: Path) -> None:
    """Results that were made before would else be lost: these are the parts that a fingerprint had then."""
    root = folder(tmp_path / "pets", {**pets(), "train/cat/notes.txt": b"x"})
    described = describe_dataset(f"folder:{root}")
    order: dict[str, list[tuple[str, str]]] = {}
    for part in ("train", "test"):
        files = sorted((root / part).glob("*/*.png"))
        shuffled = [files[place] for place in np.random.RandomState(0).permutation(len(files))]
        order[part] = [
            (str(file.relative_to(root)), hashlib.sha256(file.read_bytes()).hexdigest()) for file in shuffled
        ]
    assert described.fingerprint == fingerprint(data={"folder": order}, image_size=8, options=OWN)

    shards = [shard(tmp_path / "p" / f"{part}.parquet", [0, 1], ["cat", "dog"]) for part in ("train", "test")]
    digests = [hashlib.sha256(file.read_bytes()).hexdigest() for file in shards]
    described = describe_dataset(f"parquet:{tmp_path / 'p'}")
    data = {"parquet": {"train": digests[:1], "test": digests[1:]}}
    assert described.fingerprint == fingerprint(data=data, image_size=8, options=OWN)


def test_what_was_read_otherwise_has_another_fingerprint(tmp_path: Path) -> None:
    def of(name: str, **files: bytes) -> str:
        root = folder(tmp_path / name, {**pets(), **{f"train/cat/{file}.png": data for file, data in files.items()}})
        return describe_dataset(f"folder:{root}").fingerprint

    def before(name: str) -> str:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("nemo.datasets.folder.is_turned", lambda _: False)
            return describe_dataset(f"folder:{tmp_path / name}").fingerprint

    assert of("upright", a=halves(orientation=1)) == before("upright")
    assert of("turned", a=halves(orientation=6)) != before("turned")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                ["", "train/", "train/cat/", "test/dog/", "train/cat/old/", "val/", "val/cat/", "train/.git/"]
            ),
            st.sampled_from(["", "."]),
            st.sampled_from(["a", "b", "ä ß"]),
            st.sampled_from([".heic", ".txt", ".PNG.part", "", ".svg"]),
        ).map("".join),
        unique_by=lambda path: path.partition("/.git/")[0] if "/.git/" in path else path,
    )
)
def test_what_is_not_read_is_counted_to_the_file(extra: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = folder(Path(place), {**pets(), **{f"{path}": b"x" for path in extra}})
        described = describe_dataset(f"folder:{root}")
    assert (described.train_size, described.test_size) == (6, 4)
    told = "".join(described.notes)
    assert ("not read" in told) == bool(extra)
    if extra:
        assert f": {len(extra)} file{'s are' if len(extra) > 1 else ' is'} not read: " in told
        counts = [int(part.split()[0]) for part in told.partition("read: ")[2].split(";")[0].split(", ")]
        assert sum(counts) == len(extra)


@settings(max_examples=30, deadline=None)
@given(st.lists(TEXTS, min_size=2, max_size=4, unique=True))
def test_folders_of_any_name(names: list[str]) -> None:
    """Whatever a file system takes for a name is the class's name, but for hidden folders, which are told."""
    shown = sorted(name for name in names if not name.startswith("."))
    with tempfile.TemporaryDirectory() as place:
        try:
            root = folder(Path(place), pets(classes=names))
        except OSError:  # a name that this file system does not take
            return
        if len({os.path.normcase(name) for name in names}) < len(names) or len(shown) < 2:
            return
        described = describe_dataset(f"folder:{root}")
    assert described.classes == tuple(shown)
    assert bool(described.notes) == (len(shown) < len(names))
    for number, name in enumerate(shown):
        try:
            assert find_class(name, described.classes) == number
        except UserError as error:  # two that look alike
            assert "is the name of the classes" in str(error)


@settings(max_examples=40, deadline=None)
@given(NAMES, st.randoms(use_true_random=False), st.data())
def test_labels_mean_the_same_names_in_every_file(names: list[str], random, data) -> None:  # type: ignore[no-untyped-def]
    """Whatever the order of a file's class names: an image's class has the name that the file gave it."""
    with tempfile.TemporaryDirectory() as place:
        root, given_names = Path(place), {}
        for part in ("train-0-of-2", "train-1-of-2", "test"):
            own = random.sample(names, len(names))
            labels = [*range(len(names)), *data.draw(st.lists(st.integers(0, len(names) - 1), max_size=5))]
            shard(root / f"{part}.parquet", labels, own)
            given_names[part] = [own[label] for label in labels]
        loaded, _ = _quietly(f"parquet:{root}")
    assert sorted(loaded.classes) == sorted(names)
    assert [loaded.classes[label] for label in loaded.test.labels] == given_names["test"]
    train = given_names["train-0-of-2"] + given_names["train-1-of-2"]
    assert [loaded.classes[label] for label in loaded.train.labels] == train


def _quietly(name: str):  # type: ignore[no-untyped-def]
    from nemo.datasets import read_dataset

    return read_dataset(name)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.integers(0, 1), st.data())
def test_a_set_of_shards_is_whole_or_refused(total: int, start: int, data) -> None:  # type: ignore[no-untyped-def]
    present = data.draw(st.sets(st.integers(start, start + total - 1), min_size=1))
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        for number in present:
            shard(root / f"train-{number:05d}-of-{total:05d}.parquet", [0, 1])
        shard(root / "test.parquet", [0, 1])
        if len(present) == total:
            assert describe_dataset(f"parquet:{root}").train_size == 2 * total
        else:
            with pytest.raises(UserError, match=f"of the {total} files train-\\*-of-{total}, number .* missing"):
                describe_dataset(f"parquet:{root}")


@given(st.lists(st.sampled_from([*"0123", "10", "00", "cat", "a,b", "é"]), min_size=2, max_size=6))
def test_a_class_is_found_by_its_name_or_its_place_and_never_by_chance(classes: list[str]) -> None:
    for name in [*classes, "none", *range(-1, 12)]:
        places = {place for place, each in enumerate(classes) if each == str(name)}
        if isinstance(name, int) and 0 <= name < len(classes):
            places.add(name)
        if len(places) > 1:
            with pytest.raises(UserError, match="is the name of"):
                find_class(name, classes)
        else:
            assert find_class(name, classes) == next(iter(places), None)


@given(st.lists(st.one_of(st.integers(0, 99), st.text("abc019 ,é", min_size=1)), min_size=1))
def test_the_command_line_reads_names_in_quotes_and_numbers_without(wanted: list[int | str]) -> None:
    text = ",".join(f'"{each}"' if isinstance(each, str) else str(each) for each in wanted)
    assert parse_classes(text) == wanted


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        ("cat,dog", ["cat", "dog"]),
        (" cat , 3 ", ["cat", 3]),
        ("00010,'12'", ["00010", "12"]),
        ("devil's club,s'", ["devil's club", "s'"]),
        ('"a, b",c', ["a, b", "c"]),
        ("0,-1,1_0,1e3,12:30", [0, "-1", "1_0", "1e3", "12:30"]),
        ("cat,,dog,", ["cat", "dog"]),
    ],
)
def test_what_the_command_line_reads(text: str, classes: Sequence[str | int]) -> None:
    assert parse_classes(text) == classes


def test_names_that_look_alike_are_one_name() -> None:
    composed, decomposed = "\u00e9", "e\u0301"
    assert find_class(composed, [decomposed, "a"]) == 0
    with pytest.raises(UserError, match="is the name of the classes 0 and 1, give the number"):
        find_class(composed, [composed, decomposed])


def test_python_is_told_too(tmp_path: Path) -> None:
    root = folder(tmp_path / "pets", {**pets(), "train/cat/0.heic": b"x"})
    with pytest.warns(UserWarning, match=r"dataset folder:.*pets: 1 file is not read: 1 of the format \.heic"):
        load_dataset(f"folder:{root}")
