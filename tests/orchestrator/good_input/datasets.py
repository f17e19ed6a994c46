"""Data sets that are odd and good: a name, what makes them in a folder, options, and what must be read of them."""

# ruff: noqa: E501 - one line each

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
from PIL import Image, PngImagePlugin

from tests.data_files import BLUE, GREEN, RED, encoded, folder, halves, pets, plain, shard, struct, table

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class Good:
    """An odd data set and what is right.

    Attributes:
        make: Makes it in a folder.
        classes: Their names, by label.
        train: Training images of each class.
        told: Part of what is told of it; empty where there is nothing to tell.
        pixels: Label, and the colours of the top left and the bottom right pixel of one of its training images.
    """

    name: str
    kind: str
    make: Callable[[Path], object]
    classes: Sequence[str] = ("cat", "dog")
    train: Sequence[int] = (3, 3)
    told: str = ""
    pixels: tuple[int, Colour, Colour] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


def _image(name: str, file: str, content: bytes, colour: Colour, last: Colour | None = None, told: str = "") -> Good:
    """An image more of the class cat, in a folder."""
    files = {**pets(), f"train/cat/{file}": content}
    return Good(
        name, "folder", lambda root: folder(root, files), train=(4, 3), told=told, pixels=(0, colour, last or colour)
    )


def _beside(name: str, file: str, told: str) -> Good:
    """A file more that is not read, in a folder."""
    return Good(name, "folder", lambda root: folder(root, {**pets(), file: b"x"}), told=told)


def _files(**shards: tuple[Sequence[int], Any]) -> Callable[[Path], object]:
    def make(root: Path) -> None:
        for name, (labels, names) in shards.items():
            shard(root / f"{name.replace('__', '-')}.parquet", labels, names)

    return make


def _columns(columns: Mapping[str, Any], names: Any = None) -> Callable[[Path], object]:
    def make(root: Path) -> None:
        for part in ("train", "test"):
            table(root / f"{part}.parquet", columns, names)

    return make


def _frames(kind: str, **options: Any) -> bytes:
    first, second = Image.new("RGB", (8, 8), RED), Image.new("RGB", (8, 8), BLUE)
    return encoded(first, kind, save_all=True, append_images=[second], **options)


def _palette(transparent: bool) -> bytes:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([*GREEN, *RED, *BLUE])
    return encoded(image, "PNG", **({"transparency": 1} if transparent else {}))


def _big_endian() -> bytes:
    header = b"MM\x00*\x00\x00\x00\x08\x00\x09"
    tags = [
        (256, 3, 1, 8),
        (257, 3, 1, 8),
        (258, 3, 1, 16),
        (259, 3, 1, 1),
        (262, 3, 1, 1),
        (273, 4, 1, 122),
        (277, 3, 1, 1),
        (278, 3, 1, 8),
        (279, 4, 1, 128),
    ]
    entries = b"".join(
        tag.to_bytes(2, "big") + kind.to_bytes(2, "big") + count.to_bytes(4, "big")
        + (value.to_bytes(2, "big") + b"\0\0" if kind == 3 else value.to_bytes(4, "big"))
        for tag, kind, count, value in tags
    )  # fmt: skip
    return header + entries + b"\0\0\0\0" + b"\x80\x40" * 64


def _comment() -> bytes:
    """Pillow refuses it by its own limit; other programs read it."""
    info = PngImagePlugin.PngInfo()
    info.add_text("prompt", "x" * 3_000_000, zip=True)
    return plain(RED, pnginfo=info)


def _damaged_exif() -> bytes:
    return plain(RED, "JPEG", quality=95, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xfe" * 30)


_PHOTOS = struct([plain(RED), plain(GREEN)])
_LABELS = pa.array([0, 1], pa.int64())
_BYTES = [plain(RED), plain(GREEN)]
_TURNED = "1 of its images is turned as EXIF says."

DATASETS: list[Good] = [
    # formats
    _image("WebP", "9.webp", plain(RED, "WEBP", lossless=True), RED),
    _image("BMP", "9.bmp", plain(RED, "BMP"), RED),
    _image("TIFF", "9.tif", plain(RED, "TIFF"), RED),
    _image("GIF", "9.gif", plain(RED, "GIF"), RED),
    _image("a suffix in capitals", "9.PNG", plain(RED), RED),
    _image("a JPEG that is called a PNG", "9.png", plain(RED, "JPEG", quality=95), RED),
    _image("a JFIF", "9.jfif", plain(RED, "JPEG", quality=95), RED),
    _image("a GIF's first frame", "9.gif", _frames("GIF"), RED),
    _image("a WebP's first frame", "9.webp", _frames("WEBP", lossless=True), RED),
    _image("a PNG's first frame", "9.png", _frames("PNG"), RED),
    _image("a TIFF's first page", "9.tiff", _frames("TIFF"), RED),
    # modes
    _image("a palette", "9.png", _palette(False), RED),
    _image("a palette with a transparent colour", "9.png", _palette(True), RED),
    _image("a transparent image", "9.png", plain((*RED, 0), mode="RGBA"), RED),
    _image("transparent grey", "9.png", plain((90, 0), mode="LA"), (90, 90, 90)),
    _image("grey", "9.png", plain(90, mode="L"), (90, 90, 90)),
    _image("black and white", "9.png", plain(1, mode="1"), (255, 255, 255)),
    _image("16 bits of grey", "9.png", plain(0x8040, mode="I;16"), (128, 128, 128)),
    _image("a TIFF of 16 bits", "9.tif", plain(0x8040, "TIFF", "I;16"), (128, 128, 128)),
    _image("a TIFF of 16 bits from a Mac", "9.tif", _big_endian(), (128, 128, 128)),
    _image("CMYK", "9.tif", plain((55, 235, 235, 0), "TIFF", "CMYK"), RED),
    _image("a JPEG in CMYK", "9.jpg", plain((55, 235, 235, 0), "JPEG", "CMYK", quality=95), RED),
    _image("a transparent WebP", "9.webp", plain((*RED, 128), "WEBP", "RGBA", lossless=True), RED),
    # EXIF
    _image("upright", "9.png", halves(orientation=1), RED, BLUE),
    _image("mirrored", "9.png", halves(orientation=2), BLUE, RED, _TURNED),
    _image("upside down", "9.png", halves(orientation=3), BLUE, RED, _TURNED),
    _image("a WebP that lies on its side", "9.webp", halves("WEBP", 6, lossless=True), RED, BLUE, _TURNED),
    _image("a TIFF that is upside down", "9.tif", halves("TIFF", 3), BLUE, RED, _TURNED),
    _image("an orientation that there is not", "9.png", halves(orientation=77), RED, BLUE),
    _image("a comment of megabytes", "9.png", _comment(), RED),
    _image("damaged EXIF", "9.jpg", _damaged_exif(), RED),
    # what is not read
    _beside("a HEIC", "train/cat/9.heic", "1 file is not read: 1 of the format .heic; the first is train/cat/9.heic."),
    _beside("a hidden file", "train/cat/._0.png", "1 file is not read: 1 hidden; the first is train/cat/._0.png."),
    _beside("an image in a folder of a class", "train/cat/old/0.png", "1 in folders within a class; the first is train/cat/old."),
    _beside("an image without a suffix", "test/cat/photo", "1 without a format in their names"),
    _beside("an image beside the classes", "train/0.png", "1 beside the classes' folders"),
    _beside("images for validation", "val/cat/0.png", "1 beside train and test; the first is val."),
    _beside("a name with a line end and no UTF-8", "train/cat/a\n\udcff.txt", "the first is train/cat/a\\n\\udcff.txt."),
    _beside("notes", "README.md", "1 beside train and test; the first is README.md."),
    # class names
    Good("names that are numbers", "folder", lambda root: folder(root, pets(classes=["00010", "2"])), classes=("00010", "2")),
    Good("names with all sorts of characters", "folder", lambda root: folder(root, pets(classes=["a b, $c%20", "é☃😀"])), classes=("a b, $c%20", "é☃😀")),
    Good("names in another order", "parquet", _files(train=([0, 0, 1], ["cat", "dog"]), test=([0, 1], ["dog", "cat"])), train=(2, 1), told="the labels of test.parquet are renumbered by their class names"),
    Good("a shard in another order", "parquet", _files(train__0__of__2=([0, 1, 1], ["cat", "dog"]), train__1__of__2=([0, 1, 1], ["dog", "cat"]), test=([0, 1], ["cat", "dog"])), train=(3, 3), told="the labels of train-1-of-2.parquet are renumbered"),
    Good("names in train alone", "parquet", _files(train=([0, 1], ["cat", "dog"]), test=([0, 1], None)), train=(1, 1), told="test.parquet has no class names; its labels are taken for those of train.parquet."),
    Good("names in test alone", "parquet", _files(train=([0, 1], None), test=([0, 1], ["cat", "dog"])), train=(1, 1), told="train.parquet has no class names"),
    Good("a name more in test", "parquet", _files(train=([0, 1], ["cat", "dog"]), test=([0, 1], ["cat", "dog", "owl"])), train=(1, 1), told="test.parquet has other class names than train.parquet; those that are used are the same."),
    Good("other names, and the option", "parquet", _files(train=([0, 1], ["cat", "dog"]), test=([0, 1], ["Cat", "Dog"])), ("a", "b"), (1, 1), "its numbers are taken, as the option classes has them.", options={"classes": ["a", "b"]}),
    Good("one name for two classes", "parquet", _files(train=([0, 1], ["crane", "crane"]), test=([0, 1], ["crane", "crane"])), ("crane", "crane"), (1, 1)),
    # shards
    Good("shards that are counted from one", "parquet", _files(train__1__of__2=([0, 1], None), train__2__of__2=([0, 1], None), test=([0, 1], None)), ("0", "1"), (2, 2)),
    Good("shards with hashes", "parquet", _files(**{"train-00000-of-00002-0a": ([0, 1], None), "train-00001-of-00002-1b": ([0, 1], None), "test-00000-of-00001-2c": ([0, 1], None)}), ("0", "1"), (2, 2)),
    Good("images for validation in parquet", "parquet", _files(train=([0, 1], None), test=([0, 1], None), validation=([0, 1], None)), ("0", "1"), (1, 1), "1 parquet file is not read: validation.parquet."),
    Good("more files beside", "parquet", _files(train=([0, 1], None), test=([0, 1], None), validation=([0, 1], None), dev=([0], None)), ("0", "1"), (1, 1), "2 parquet files are not read: dev.parquet, validation.parquet."),
    Good("a whole file beside its shards", "parquet", _files(train=([0, 1], None), train__0__of__1=([0, 0], None), test=([0, 1], None)), ("0", "1"), (1, 1), "1 parquet file is not read: train-0-of-1.parquet."),
    # columns
    Good("a hash before the image", "parquet", _columns({"hash": pa.array([b"0", b"1"]), "image": _PHOTOS, "label": _LABELS}), ("0", "1"), (1, 1), "its images are the column 'image', and not hash.", (0, RED, RED)),
    Good("a mask before the image", "parquet", _columns({"mask": struct([plain(BLUE), plain(BLUE)]), "img": _PHOTOS, "label": _LABELS}), ("0", "1"), (1, 1), "its images are the column 'img', and not mask.", (0, RED, RED)),
    Good("the option image", "parquet", _columns({"a": struct([plain(BLUE), plain(BLUE)]), "b": _PHOTOS, "label": _LABELS}), ("0", "1"), (1, 1), "", (0, RED, RED), {"image": "b"}),
    Good("the option label", "parquet", _columns({"image": _PHOTOS, "a": pa.array([0, 0]), "b": pa.array([1, 0])}), ("0", "1"), (1, 1), "", (1, RED, RED), {"label": "b"}),
    Good("fine and coarse labels", "parquet", _columns({"img": _PHOTOS, "coarse_label": pa.array([0, 0]), "fine_label": _LABELS}), ("0", "1"), (1, 1), "its labels are the column 'fine_label', and not coarse_label."),
    Good("labels as texts and as numbers", "parquet", _columns({"img": _PHOTOS, "label": pa.array(["x", "y"]), "label_id": _LABELS}), ("0", "1"), (1, 1), "its labels are the column 'label_id', and not label."),
    Good("other columns in test", "parquet", lambda root: (shard(root / "train.parquet", [0, 1]), shard(root / "test.parquet", [0, 1], label="labels")), ("0", "1"), (1, 1), "its labels are the column 'label' of train.parquet, 'labels' of test.parquet."),
    Good("pandas' row numbers", "parquet", _columns({"image": _PHOTOS, "y": _LABELS, "__index_level_0__": pa.array([7, 8])}), ("0", "1"), (1, 1)),
    Good("plain bytes", "parquet", _columns({"photo": pa.array(_BYTES, pa.large_binary()), "label": _LABELS}), ("0", "1"), (1, 1), "", (0, RED, RED)),
    Good("labels of a byte", "parquet", _columns({"image": _PHOTOS, "label": pa.array([0, 1], pa.uint8())}), ("0", "1"), (1, 1)),
    Good("a WebP in parquet", "parquet", _columns({"image": struct([plain(RED, "WEBP", lossless=True), plain(GREEN)]), "label": _LABELS}), ("0", "1"), (1, 1), "", (0, RED, RED)),
    Good("a turned image in parquet", "parquet", _columns({"image": struct([halves("JPEG", 3, quality=95, subsampling=0), plain(GREEN)]), "label": _LABELS}), ("0", "1"), (1, 1), "2 of its images are turned as EXIF says.", (0, BLUE, RED)),
]  # fmt: skip
