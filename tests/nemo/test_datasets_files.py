"""Folders of images and parquet files, in every form that images come in."""

import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image

from nemo.datasets import describe_dataset, images, load_dataset
from nemo.errors import UserError


def encoded(array: np.ndarray, format: str = "PNG", **options) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, format, **options)
    return out.getvalue()


def picture(seed: int, size: int = 48) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def write_classes(root, counts, size=48, first_seed=0):
    for number, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for index in range(count):
            file = root / name / f"{index}.png"
            file.write_bytes(encoded(picture(first_seed + 1000 * number + index, size)))


@pytest.fixture
def folder(tmp_path):
    write_classes(tmp_path / "pets" / "train", {"cat": 6, "dog": 5, "bird": 4})
    write_classes(tmp_path / "pets" / "test", {"cat": 2, "dog": 2, "bird": 2}, first_seed=100)
    return tmp_path / "pets"


def test_folder_with_train_and_test(folder):
    described, data = describe_dataset(f"folder:{folder}"), load_dataset(f"folder:{folder}")
    assert data.classes == described.classes == ("bird", "cat", "dog") and data.name == described.name == "pets"
    assert (described.train_size, described.test_size) == (len(data.train), len(data.test)) == (15, 6)
    assert data.image_size == described.image_size == 48 and data.fingerprint == described.fingerprint
    cats = data.test.images[data.test.labels == 1]
    files = {encoded(image.permute(1, 2, 0).numpy()) for image in cats}
    assert files == {file.read_bytes() for file in (folder / "test" / "cat").iterdir()}
    scaled = data.train.images.double() / 255
    assert data.mean == pytest.approx(scaled.mean((0, 2, 3)).tolist())
    assert data.std == pytest.approx(scaled.std((0, 2, 3), correction=0).tolist())
    assert (data.padding, data.flip) == (4, True)


def test_folder_is_split_where_it_has_one_part(tmp_path, monkeypatch):
    write_classes(tmp_path / "pets", {"cat": 10, "dog": 10, "bird": 20}, size=8)
    monkeypatch.setenv("HOME", str(tmp_path))
    data, again = load_dataset("folder:~/pets"), load_dataset("folder:~/pets")
    assert torch.bincount(data.test.labels).tolist() == [4, 2, 2]
    assert torch.bincount(data.train.labels).tolist() == [16, 8, 8]
    assert torch.equal(data.train.images, again.train.images)
    assert load_dataset("folder:~/pets", train_images=16).train.labels.unique().tolist() == [0, 1, 2]


def test_the_fingerprint_is_of_the_contents(folder):
    before = describe_dataset(f"folder:{folder}").fingerprint
    moved = folder.rename(folder.parent / "animals")
    assert describe_dataset(f"folder:{moved}").fingerprint == before
    (moved / "train" / "cat" / "0.png").write_bytes(encoded(picture(77)))
    assert describe_dataset(f"folder:{moved}").fingerprint != before


def test_every_kind_of_image_is_read_as_rgb(tmp_path):
    grey = np.arange(12 * 20, dtype=np.uint8).reshape(12, 20)
    colour = np.stack([grey, grey[::-1], 255 - grey], axis=-1)
    alpha = np.dstack([colour, np.full_like(grey, 7)])
    deep = grey.astype(np.uint16) * 257
    expected = Image.fromarray(np.repeat(grey[..., None], 3, -1)).resize((16, 16), Image.Resampling.BILINEAR)
    expected_colour = Image.fromarray(colour).resize((16, 16), Image.Resampling.BILINEAR)
    palette = io.BytesIO()
    Image.fromarray(grey).convert("P").save(palette, "PNG")
    cases = {
        "grey": (encoded(grey), expected),
        "16 bits": (encoded(deep), expected),
        "palette": (palette.getvalue(), expected),
        "rgb": (encoded(colour), expected_colour),
        "rgba": (encoded(alpha), expected_colour),
    }
    for name, (content, wanted) in cases.items():
        got = images.decode(content, 16, name)
        np.testing.assert_array_equal(got.transpose(1, 2, 0), np.asarray(wanted), err_msg=name)
    assert images.decode(encoded(np.full((1, 1, 3), 9, np.uint8)), 32, "tiny").tolist() == [[[9] * 32] * 32] * 3
    cmyk = io.BytesIO()
    Image.new("CMYK", (9, 9)).save(cmyk, "JPEG")
    assert images.decode(cmyk.getvalue(), 8, "cmyk").shape == (3, 8, 8)


def test_a_large_jpeg_is_resized_as_a_whole():
    ramp = np.repeat(np.linspace(0, 255, 1600)[None, :, None], 1200, 0).repeat(3, -1).astype(np.uint8)
    got = images.decode_all([encoded(ramp, "JPEG")] * 3, 16, ["a", "b", "c"])
    wanted = np.asarray(Image.fromarray(ramp).resize((16, 16), Image.Resampling.BILINEAR)).transpose(2, 0, 1)
    assert np.abs(got.astype(int) - wanted).max() <= 3


def mistake(name, **options) -> str:
    with pytest.raises(UserError) as raised:
        load_dataset(name, **options)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_mistakes_in_a_folder_are_named(folder):
    name, file = f"folder:{folder}", folder / "train" / "cat" / "3.png"
    content = file.read_bytes()
    file.write_bytes(content[:200])
    assert str(file) in mistake(name, image_size=32)
    file.write_text("no image")
    assert f"{file} is not a readable PNG, JPEG, WebP, BMP, TIFF or GIF" in mistake(name, image_size=32)
    file.unlink()
    (folder / "train" / "ant").mkdir()
    assert "class 'ant' has no training images" in mistake(name)
    (folder / "train" / "ant" / "0.jpg").write_bytes(encoded(picture(1), "JPEG"))
    assert "class 'ant' has no test images" in mistake(name)
    (folder / "test").rename(folder / "elsewhere")
    assert "has no folder 'test'" in mistake(name)


def test_a_folder_without_images_is_refused(tmp_path):
    assert "0 classes" in mistake(f"folder:{tmp_path}")


def test_bombs_and_photographs_are_refused(tmp_path, monkeypatch):
    write_classes(tmp_path / "big", {"a": 2, "b": 2}, size=300)
    assert "set image_size" in mistake(f"folder:{tmp_path / 'big'}")
    assert load_dataset(f"folder:{tmp_path / 'big'}", image_size=32).image_size == 32
    monkeypatch.setattr(images, "MAX_PIXELS", 300 * 300 - 1)
    assert "more pixels than the 89,999" in mistake(f"folder:{tmp_path / 'big'}", image_size=32)


def write_parquet(path, contents, labels, column="img", label="label", names=None):
    struct = [{"bytes": content, "path": None} for content in contents]
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table({column: pa.array(struct, kind), label: pa.array(labels, pa.int64())})
    if names:
        info = {"info": {"features": {label: {"names": names, "_type": "ClassLabel"}}}}
        table = table.replace_schema_metadata({"huggingface": json.dumps(info)})
    pq.write_table(table, path, row_group_size=4)


@pytest.fixture
def parquet(tmp_path):
    root = tmp_path / "shapes"
    root.mkdir()
    write_parquet(root / "train.parquet", [encoded(picture(i, 20)) for i in range(9)], [0, 1, 2] * 3)
    write_parquet(root / "test.parquet", [encoded(picture(50 + i, 20)) for i in range(6)], [2, 1, 0] * 2)
    return root


def test_parquet(parquet):
    name = f"parquet:{parquet}"
    described, data = describe_dataset(name), load_dataset(name)
    assert data.name == "shapes" and data.classes == described.classes == ("0", "1", "2")
    assert (described.train_size, described.test_size, described.image_size) == (9, 6, 20)
    assert data.fingerprint == described.fingerprint and data.test.labels.tolist() == [2, 1, 0] * 2
    for index in range(9):
        assert np.array_equal(data.train.images[index].permute(1, 2, 0).numpy(), picture(index, 20))
    few = load_dataset(name, train_images=6, image_size=32, classes=["x", "y", "z"], mean=[0.5] * 3, std=[0.2] * 3)
    assert few.train.images.shape == (6, 3, 32, 32) and few.classes == ("x", "y", "z")
    assert few.mean == (0.5, 0.5, 0.5) and few.fingerprint != data.fingerprint
    assert describe_dataset(name, classes=["x", "y", "z"]).fingerprint == data.fingerprint


def test_parquet_shards_and_the_hubs_class_names(tmp_path):
    for shard in range(2):
        contents = [encoded(picture(4 * shard + i, 10), "JPEG", quality=95) for i in range(4)]
        write_parquet(
            tmp_path / f"train-0000{shard}-of-00002.parquet", contents, [0, 1, 0, 1], "image", "labels", ["cat", "dog"]
        )
    write_parquet(tmp_path / "test-00000-of-00001.parquet", contents, [0, 1, 0, 1], "image", "labels", ["cat", "dog"])
    data = load_dataset(f"parquet:{tmp_path}")
    assert data.classes == ("cat", "dog") and len(data.train) == 8
    assert torch.equal(data.train.images[4:], data.test.images)


def test_mistakes_in_parquet_are_named(parquet):
    name, train = f"parquet:{parquet}", parquet / "train.parquet"
    good = [encoded(picture(i, 20)) for i in range(9)]
    assert "no integer column 'kind'" in mistake(name, label="kind")
    assert "labels up to 2" in mistake(name, classes=["a", "b"])
    assert "class 'd' has no training images" in mistake(name, classes=list("abcd"))
    write_parquet(train, [*good[:5], b"", *good[6:]], [0, 1, 2] * 3)
    assert f"row 5 of {train} is empty" in mistake(name)
    write_parquet(train, [*good[:5], good[5][:99], *good[6:]], [0, 1, 2] * 3)
    assert f"row 5 of {train}" in mistake(name)
    write_parquet(train, good, [0, 1, -1] * 3)
    assert "negative label -1" in mistake(name)
    write_parquet(train, good, [0, 1, None] * 3)
    assert "empty labels" in mistake(name)
    pq.write_table(pa.table({"x": [1.0] * 3, "label": [0, 1, 2]}), train)
    assert "no column of images" in mistake(name)
    train.write_bytes(train.read_bytes()[:-20])
    assert f"{train} is damaged" in mistake(name)
    train.unlink()
    assert "has no train.parquet" in mistake(name)
