"""Data sets of a few small images, in folders and in parquet files, with whatever oddity a test wants."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

RED, GREEN, BLUE = (200, 20, 20), (20, 200, 20), (20, 20, 200)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def plain(colour: Any = RED, kind: str = "PNG", mode: str = "RGB", size: int = 8, **options: Any) -> bytes:
    """An image of one colour."""
    return encoded(Image.new(mode, (size, size), colour), kind, **options)


def halves(kind: str = "PNG", orientation: int | None = None, **options: Any) -> bytes:
    """An image whose left half is red and whose right half is blue, as it lies in the file."""
    image = Image.new("RGB", (8, 8), RED)
    image.paste(BLUE, (4, 0, 8, 8))
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif.tobytes()
    return encoded(image, kind, **options)


def folder(root: Path, files: Mapping[str, bytes]) -> Path:
    """Files by their paths below the root; folders are made."""
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def pets(*, train: int = 3, test: int = 2, classes: Sequence[str] = ("cat", "dog")) -> dict[str, bytes]:
    """The files of a folder of classes, each in a colour of its own; no two files are the same."""
    return {
        f"{part}/{name}/{index}.png": plain((10 + 60 * label, 100, 10 * index + (part == "test")))
        for part, count in (("train", train), ("test", test))
        for label, name in enumerate(classes)
        for index in range(count)
    }


def struct(images: Sequence[bytes | None]) -> pa.Array:
    """A column of images as the hubs have them."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array([{"bytes": image, "path": None} for image in images], kind)


def table(path: Path, columns: Mapping[str, Any], names: Any = None, label: str = "label") -> Path:
    """A parquet file of these columns, with the class names of the column of labels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    content = pa.table(dict(columns))
    if names is not None:
        info = {"info": {"features": {label: {"names": names, "_type": "ClassLabel"}}}}
        content = content.replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(content, path)
    return path


def shard(path: Path, labels: Sequence[int], names: Any = None, image: str = "image", label: str = "label") -> Path:
    """A parquet file with a plain image per label, whose red is ten times the label."""
    images = [plain((10 * number, 0, place)) for place, number in enumerate(labels)]
    return table(path, {image: struct(images), label: pa.array(labels, pa.int64())}, names, label)
