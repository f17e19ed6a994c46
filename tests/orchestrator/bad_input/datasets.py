"""Data sets that must be refused: a name, what makes them in a folder, the study's fields, and part of what is said.

The data set is at `{root}`; where no fields are given, the study trains on it as a `folder:` or `parquet:` set.
"""

# ruff: noqa: E501 - one line each

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.data_files import GREEN, RED, folder, halves, pets, plain, shard, struct, table

Make = Callable[[Path], object]
Bad = tuple[str, str, Make, dict[str, Any], str]


_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 12345\n"


def _shards(*names: str) -> Make:
    """Two classes in each of these parquet files, beside a whole test.parquet."""

    def make(root: Path) -> None:
        for name in names:
            shard(root / f"{name}.parquet", [0, 1])
        shard(root / "test.parquet", [0, 1])

    return make


def _named(train: Any, test: Any, labels: tuple[int, ...] = (0, 1)) -> Make:
    def make(root: Path) -> None:
        shard(root / "train.parquet", [0, 1], train)
        shard(root / "test.parquet", labels, test)

    return make


def _columns(**columns: Any) -> Make:
    """Both files have these columns."""

    def make(root: Path) -> None:
        for part in ("train", "test"):
            table(root / f"{part}.parquet", columns)

    return make


def _files(**changes: bytes) -> Make:
    return lambda root: folder(root, {**pets(), **{name.replace("__", "/"): data for name, data in changes.items()}})


def _in_folder(name: str, content: bytes) -> Make:
    return lambda root: folder(root, {**pets(), name: content})


def _not_readable(root: Path) -> None:
    folder(root, pets())
    (root / "train/cat/0.png").unlink()
    (root / "train/cat/0.png").symlink_to("nowhere.png")


def _a_pipe(root: Path) -> None:
    folder(root, pets())
    os.mkfifo(root / "train/cat/9.webp")


def _two_of(column: str) -> Make:
    def make(root: Path) -> None:
        images = struct([plain(RED), plain(GREEN)])
        labels = pa.array([0, 1], pa.int64())
        arrays = {"image": [images, images, labels], "label": [images, labels, labels]}[column]
        names = {"image": ["image", "image", "label"], "label": ["image", "label", "label"]}[column]
        for part in ("train", "test"):
            root.mkdir(exist_ok=True)
            pa.parquet.write_table(pa.Table.from_arrays(arrays, names), root / f"{part}.parquet")

    return make


_PHOTOS = struct([plain(RED), plain(GREEN)])
_LABELS = pa.array([0, 1], pa.int64())
_HASHES = pa.array([b"0", b"1"], pa.binary())

DATASETS: list[Bad] = [
    # shards
    ("the second of two shards", "parquet", _shards("train-00000-of-00002"), {}, "has 1 of the 2 files train-*-of-2, number 1 is missing; fetch all of them."),
    ("the first of two shards", "parquet", _shards("train-00001-of-00002"), {}, "has 1 of the 2 files train-*-of-2, number 0 is missing"),
    ("one of three, counted from one", "parquet", _shards("train-00001-of-00003", "train-00003-of-00003"), {}, "has 2 of the 3 files train-*-of-3, number 2 is missing"),
    ("a thousand shards", "parquet", _shards("train-00000-of-01000"), {}, "has 1 of the 1000 files train-*-of-1000, number 1, 2, 3, ... is missing"),
    ("a shard with a hash", "parquet", _shards("train-00000-of-00002-0a1b2c3d"), {}, "number 1 is missing"),
    ("two sets of shards", "parquet", _shards("train-00000-of-00001", "train-00000-of-00002", "train-00001-of-00002"), {}, "has train-00000-of-00001.parquet and train-00000-of-00002.parquet, which are not of one set"),
    ("shards and another file", "parquet", _shards("train-00000-of-00001", "train_old"), {}, "train-00000-of-00001.parquet and train_old.parquet, which are not of one set"),
    ("shards of another split", "parquet", _shards("train-00000-of-00001", "train_extra-00000-of-00001"), {}, "which are not of one set; leave those of one set there."),
    ("a shard twice", "parquet", _shards("train-00000-of-00001", "train-0-of-1"), {}, "has 2 files train-*-of-1, but there are 1; remove what is there twice."),
    ("the test's second shard", "parquet", lambda root: (shard(root / "train.parquet", [0, 1]), shard(root / "test-00000-of-00002.parquet", [0, 1])), {}, "has 1 of the 2 files test-*-of-2"),
    ("a shard that is a folder", "parquet", lambda root: (_shards("train-00000-of-00002")(root), (root / "train-00001-of-00002.parquet").mkdir()), {}, "number 1 is missing"),
    # class names
    ("another class in test", "parquet", _named(["cat", "dog"], ["cat", "owl"]), {}, "test.parquet has images of the class 'owl', and the other files have cat, dog; give it the same names"),
    ("names in another case", "parquet", _named(["cat", "dog"], ["Cat", "Dog"]), {}, "has images of the class 'Cat', and the other files have cat, dog"),
    ("too few names in test", "parquet", _named(["cat", "dog"], ["cat"]), {}, "test.parquet has labels up to 1, but names only 1 classes; name all."),
    ("more names in test", "parquet", _named(["cat", "dog"], ["cat", "dog", "owl"], (0, 1, 2)), {}, "has images of the class 'owl'"),
    ("a class that test numbers otherwise", "parquet", lambda root: (shard(root / "train.parquet", [0, 1, 2], ["cat", "dog", "owl"]), shard(root / "test.parquet", [0, 1], ["dog", "owl"])), {}, "class 'cat' has no test images; add some, or leave the class out."),
    ("one name twice, in another order", "parquet", _named(["cat", "dog", "cat"], ["dog", "cat", "cat"]), {}, "names two classes 'cat' in another order than the other files; rename one."),
    ("other names that contradict the option", "parquet", _named(["cat", "dog"], ["dog", "owl"]), {"dataset_options": {"classes": ["x", "y"]}}, "has images of the class 'owl'"),
    # columns
    ("two columns of images", "parquet", _columns(photo=_PHOTOS, thumb=_PHOTOS, label=_LABELS), {}, "train.parquet has 2 columns that could be the images, photo, thumb; name one with the dataset's option image."),
    ("a hash and a photo", "parquet", _columns(hash=_HASHES, photo=_PHOTOS, label=_LABELS), {}, "could be the images, hash, photo; name one"),
    ("image and img", "parquet", _columns(image=_PHOTOS, img=_PHOTOS, label=_LABELS), {}, "could be the images, image, img; name one"),
    ("an image that is none", "parquet", _columns(image=_PHOTOS, label=_LABELS), {"dataset_options": {"image": "label"}}, "has no column 'label' of images, struct{bytes, path} or binary, among image, label."),
    ("an image that is not there", "parquet", _columns(image=_PHOTOS, label=_LABELS), {"dataset_options": {"image": "photo"}}, "has no column 'photo' of images"),
    ("two columns of one name", "parquet", _two_of("image"), {}, "has 2 columns 'image'; rename all but that of the images."),
    ("two labels of one name", "parquet", _two_of("label"), {}, "has 2 columns 'label'; rename all but that of the labels."),
    ("two columns of integers", "parquet", _columns(image=_PHOTOS, kind=_LABELS, colour=_LABELS), {}, "has 2 columns that could be the labels, kind, colour; name one with the dataset's option label."),
    ("a label that is no integer", "parquet", _columns(image=_PHOTOS, label=_LABELS), {"dataset_options": {"label": "image"}}, "its column 'image' has the type struct<bytes: binary, path: string>, and labels are integers;"),
    ("labels that are texts", "parquet", _columns(image=_PHOTOS, label=pa.array(["x", "y"])), {}, "its column 'label' has the type string, and labels are integers; number the classes from 0, or name another column with the dataset's option label."),
    ("labels that are texts, beside row numbers", "parquet", _columns(image=_PHOTOS, label=pa.array(["x", "y"]), id=_LABELS), {}, "its column 'label' has the type string, and labels are integers;"),
    ("paths in place of images", "parquet", _columns(image=pa.array([{"bytes": None, "path": "a/0.png"}] * 2, struct([]).type), label=_LABELS), {}, "the image in row 0 of {root}/train.parquet is a path alone, a/0.png; write the file with the images' bytes in it."),
    ("a pointer of Git LFS in place of a table", "parquet", lambda root: folder(root, {"train.parquet": _POINTER, "test.parquet": _POINTER}), {}, "{root}/train.parquet is a pointer of Git LFS and not the file itself; git lfs pull fetches it."),
    ("a number as a column", "parquet", _columns(image=_PHOTOS, label=_LABELS), {"dataset_options": {"image": 5}}, "image must be the name of a column, a number in quotes, not 5."),
    ("numbers as class names", "parquet", _named(None, None), {"dataset_options": {"classes": [1, 2]}}, "classes must be a list of different class names, numbers among them in quotes, not [1, 2]."),
    ("an empty image", "parquet", _columns(image=struct([plain(), None]), label=_LABELS), {}, "the image in row 1 of {root}/train.parquet is empty; remove the row."),
    # folders
    ("no image of a class is taken", "folder", lambda root: folder(root, {**pets(classes=["cat"]), "train/dog/a.heic": b"x", "test/dog/a.png": plain()}), {}, "class 'dog' has no training images"),
    ("all images lie deeper", "folder", lambda root: folder(root, {**pets(classes=["cat"]), "train/dog/old/a.png": plain(), "test/dog/a.png": plain()}), {}, "class 'dog' has no training images"),
    ("a pointer of Git LFS in place of a picture", "folder", _in_folder("train/cat/0.png", _POINTER), {}, "{root}/train/cat/0.png is a pointer of Git LFS and not the file itself; git lfs pull fetches it."),
    ("a picture that is a text", "folder", _in_folder("train/cat/0.png", b"no image"), {}, "{root}/train/cat/0.png is not a readable PNG, JPEG, WebP, BMP, TIFF or GIF image; replace it or leave it out."),
    ("a link to nowhere", "folder", _not_readable, {}, "train/cat/0.png cannot be read (No such file or directory)"),
    ("a pipe that is called an image", "folder", _a_pipe, {}, "train/cat/9.webp is a folder, a pipe or a device; leave it out."),
    ("half a GIF", "folder", _in_folder("train/cat/9.gif", halves("GIF")[:40]), {}, "train/cat/9.gif is "),
    ("an SVG", "folder", _in_folder("train/cat/9.webp", b"<svg/>"), {}, "train/cat/9.webp is not a readable PNG"),
    ("32-bit values", "folder", _in_folder("train/cat/9.tif", plain(70_000, "TIFF", "I")), {}, "train/cat/9.tif has 32-bit values, of which nobody knows the range; save it with 8 or 16 bits."),
    ("floating-point values", "folder", _in_folder("train/cat/9.tif", plain(0.5, "TIFF", "F")), {}, "train/cat/9.tif has 32-bit values"),
    ("a single image to split", "folder", lambda root: folder(root, {"cat/0.png": plain(), "dog/0.png": plain(), "dog/1.png": plain()}), {}, "class 'cat' has a single image, which cannot be on both sides of a split; add images"),
    ("a single image to hold out", "folder", lambda root: folder(root, {name: data for name, data in pets().items() if name not in ("train/dog/1.png", "train/dog/2.png")}), {"recipe": {"epochs": 1, "validation": 0.25}}, "class 'dog' has a single training image"),
    ("a class in another case", "folder", lambda root: folder(root, {**pets(classes=["cat", "dog"], test=0), **{name.replace("dog", "Dog"): data for name, data in pets(train=0).items()}}), {}, "class 'Dog' has no training images; add some, or leave the class out, or is it 'dog'?"),
    ("no test folder", "folder", lambda root: folder(root, {name: data for name, data in pets().items() if name.startswith("train")}), {}, "has no folder 'test'; add it."),
]  # fmt: skip
