"""Data sets that tests make: shapes of three classes as PNG files, in folders or in parquet files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageDraw

CLASSES = ("cross", "disc", "square")
_COLOURS = ((200, 70, 60), (60, 170, 80), (70, 90, 210))


def shape(label: int, seed: int, size: int = 48) -> bytes:
    """A shape of the class somewhere on a dark, noisy ground, in a colour that is mostly its own; as a PNG."""
    draw = np.random.default_rng([label, seed])
    image = Image.fromarray(draw.integers(0, 90, (size, size, 3), dtype=np.uint8))
    radius = size // 5
    x, y = (int(at) for at in draw.integers(radius, size - radius, 2))
    colour = tuple(int(part) for part in np.clip(_COLOURS[label] + draw.integers(-40, 41, 3), 0, 255))
    box = (x - radius, y - radius, x + radius, y + radius)
    pen = ImageDraw.Draw(image)
    if CLASSES[label] == "cross":
        pen.line((box[0], y, box[2], y), colour, radius // 2)
        pen.line((x, box[1], x, box[3]), colour, radius // 2)
    elif CLASSES[label] == "disc":
        pen.ellipse(box, colour)
    else:
        pen.rectangle(box, colour)
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def write_folder(root: Path, train: int, test: int, size: int = 48) -> Path:
    """`root/train/<class>/*.png` and `root/test/<class>/*.png` with that many images of each class."""
    for part, count, first in (("train", train, 0), ("test", test, train)):
        for label, name in enumerate(CLASSES):
            (root / part / name).mkdir(parents=True)
            for index in range(count):
                (root / part / name / f"{index:03d}.png").write_bytes(shape(label, first + index, size))
    return root


def write_parquet(root: Path, train: int, test: int, size: int = 32) -> Path:
    """`root/train.parquet` and `root/test.parquet` with that many images of each class."""
    root.mkdir(parents=True)
    for part, count, first in (("train", train, 0), ("test", test, train)):
        labels = list(range(len(CLASSES))) * count
        images = [shape(label, first + number, size) for number, label in enumerate(labels)]
        write_table(root / f"{part}.parquet", images, labels)
    return root


def write_table(path: Path, images: list[bytes], labels: list[int]) -> None:
    """A parquet file as the hubs have them."""
    column = pa.array([{"bytes": image, "path": None} for image in images])
    pq.write_table(pa.table({"img": column, "label": pa.array(labels, pa.int64())}), path)


def photograph(label: int, seed: int, height: int, width: int, kind: str = "JPEG") -> bytes:
    """A shape on a ground that is not square, as cameras take them."""
    image = Image.open(io.BytesIO(shape(label, seed, 64))).resize((width, height), Image.Resampling.BILINEAR)
    out = io.BytesIO()
    image.save(out, kind, **({"quality": 90} if kind == "JPEG" else {}))
    return out.getvalue()


SIZES = ((70, 90), (120, 80), (64, 64), (300, 410), (40, 61))


def write_photographs(root: Path, train: int, test: int) -> Path:
    """`root/train/<class>/*.jpg` and `root/test/<class>/*.jpg` of several sizes, with that many of each class."""
    for part, count, first in (("train", train, 0), ("test", test, train)):
        for label, name in enumerate(CLASSES):
            (root / part / name).mkdir(parents=True)
            for index in range(count):
                data = photograph(label, first + index, *SIZES[(label + index) % len(SIZES)])
                (root / part / name / f"{index:03d}.jpg").write_bytes(data)
    return root


def write_photograph_table(root: Path, train: int, test: int) -> Path:
    """The same as `root/train.parquet` in two files, and `root/test.parquet`."""
    root.mkdir(parents=True)
    for part, count, first in (("train", train, 0), ("test", test, train)):
        labels = list(range(len(CLASSES))) * count
        images = [photograph(label, first + number, *SIZES[number % len(SIZES)]) for number, label in enumerate(labels)]
        half = len(labels) // 2 if part == "train" else 0
        for number, piece in enumerate((slice(0, half), slice(half, None)) if half else (slice(None),)):
            name = f"train-0000{number}-of-00002.parquet" if half else f"{part}.parquet"
            write_table(root / name, images[piece], labels[piece])
    return root
