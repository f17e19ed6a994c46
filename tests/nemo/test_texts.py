"""Data sets of texts: three kinds of files, what is refused, and batches of about one length."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nemo.datasets import describe_dataset, load_dataset
from nemo.datasets.dataset import Dataset, split_validation
from nemo.datasets.tokenized import Tokenized, bucketed, join_texts
from nemo.errors import UserError
from nemo.loader import Loader
from nemo.tokens import PADDING, PART
from tests import texts

pytestmark = pytest.mark.filterwarnings("ignore:dataset text")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(texts.write_network(tmp_path_factory.mktemp("network of mine")))


def rows_of(part: Tokenized) -> list[list[int]]:
    batch = part.batch(torch.arange(len(part)))
    return [[token for token in row if token != PADDING] for row in batch.tolist()]


@pytest.mark.parametrize("kind", ["parquet", "csv", "jsonl"])
def test_every_kind_of_file_gives_the_same_texts(tmp_path: Path, tokenizer: str, kind: str) -> None:
    folder = texts.write_texts(tmp_path / "my texts", kind)
    data = load_dataset(f"text:{folder}", tokenizer=tokenizer)
    described = describe_dataset(f"text:{folder}", tokenizer=tokenizer)
    assert data.classes == described.classes == texts.CLASSES
    assert data.fingerprint == described.fingerprint
    assert described.counts == (20, 20, 20) and described.test_size == 30
    assert data.is_text and not data.paired
    assert isinstance(data.train.images, Tokenized)
    number = {word: place for place, word in enumerate(texts.VOCABULARY)}
    for row, label, (text, name) in zip(
        rows_of(data.train.images), data.train.labels.tolist(), texts.sentences(60), strict=True
    ):
        assert row == [2, *(number[word] for word in text.split()), 3]  # nothing cut off at the 6 of the file
        assert texts.CLASSES[label] == name
    longest = max(len(text.split()) for seed, count in ((0, 60), (1, 30)) for text, _ in texts.sentences(count, seed))
    assert described.image_size == data.image_size == (longest + 2,)


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_pairs_tell_their_parts_apart_where_the_network_does(tmp_path: Path, kind: str) -> None:
    tokenizer = str(texts.write_network(tmp_path / "net", kind))
    for part, seed in (("train", 0), ("test", 1)):
        first, second, names = zip(*texts.pairs(20, seed), strict=True)
        columns = {"question": list(first), "text_pair": list(second), "label": list(names)}
        pq.write_table(pa.table(columns), tmp_path / f"{part}.parquet")
    data = load_dataset(f"text:{tmp_path}", tokenizer=tokenizer, text="question")
    assert data.classes == ("other", "same") and data.paired
    assert isinstance(data.train.images, Tokenized)
    (row, *_) = rows_of(data.train.images)
    assert [token // PART for token in row] == [0] * 5 + [int(kind == "bert")] * 4  # [CLS] a b c [SEP] d e f [SEP]


def test_what_is_cut_off_is_told(tmp_path: Path, tokenizer: str) -> None:
    folder = texts.write_texts(tmp_path, "csv")
    with (folder / "train.csv").open("a") as file:
        file.write("hello " * 500_000 + ",greet\n")  # 3 MB
    described = describe_dataset(f"text:{folder}", tokenizer=tokenizer, max_length=20)
    assert described.image_size == (20,)
    (note,) = described.notes
    assert note.endswith("1 of its 91 texts is longer than 20 tokens, and cut off there (max_length).")
    other = describe_dataset(f"text:{folder}", tokenizer=tokenizer, max_length=21)
    assert other.fingerprint != described.fingerprint


def test_what_lies_beside_is_told(tmp_path: Path, tokenizer: str) -> None:
    folder = texts.write_texts(tmp_path, "jsonl")
    (folder / "validation.jsonl").write_text('{"text": "hello", "label": 0}\n')
    (note,) = describe_dataset(f"text:{folder}", tokenizer=tokenizer).notes
    assert "1 file is not read: validation.jsonl" in note


def test_only_some_classes(tmp_path: Path, tokenizer: str) -> None:
    folder = texts.write_texts(tmp_path)
    data = load_dataset(f"text:{folder}", tokenizer=tokenizer, only=["pay", "greet"])
    whole = load_dataset(f"text:{folder}", tokenizer=tokenizer)
    assert data.classes == ("pay", "greet") and len(data.train) == 40
    assert isinstance(data.train.images, Tokenized) and isinstance(whole.train.images, Tokenized)
    wanted = [row for row, label in zip(rows_of(whole.train.images), whole.train.labels, strict=True) if label != 1]
    assert rows_of(data.train.images) == wanted


def test_the_fingerprint_follows_the_tokenizer(tmp_path: Path, tokenizer: str) -> None:
    folder = texts.write_texts(tmp_path / "data")
    one = describe_dataset(f"text:{folder}", tokenizer=tokenizer).fingerprint
    moved = texts.write_network(tmp_path / "moved")
    assert describe_dataset(f"text:{folder}", tokenizer=str(moved)).fingerprint == one
    other = texts.write_network(tmp_path / "other", vocabulary=texts.VOCABULARY[:-1])
    assert describe_dataset(f"text:{folder}", tokenizer=str(other)).fingerprint != one


def test_what_stands_in_files_is_taken_as_it_stands(tmp_path: Path, tokenizer: str) -> None:
    rows = [("NA", "01"), ("null", "1"), ("12", "true"), ("2020-01-01", "01"), ('"hello\nday"', "1"), ("hello", "true")]
    for part in ("train", "test"):
        (tmp_path / f"{part}.csv").write_text("\n".join(["text,label", *(",".join(row) for row in rows)]) + "\n")
    data = load_dataset(f"text:{tmp_path}", tokenizer=tokenizer)
    assert data.classes == ("01", "1", "true")
    assert data.train.labels.tolist() == [0, 1, 2, 0, 1, 2]
    assert isinstance(data.train.images, Tokenized)
    hello, day = (texts.VOCABULARY.index(word) for word in ("hello", "day"))
    assert rows_of(data.train.images)[4] == [2, hello, day, 3]


def test_a_quote_in_tabs_is_a_quote_and_a_date_a_text(tmp_path: Path, tokenizer: str) -> None:
    for part in ("train", "test"):
        (tmp_path / f"{part}.tsv").write_text('text\tlabel\n"hello\t0\nbread"\t1\n')
    assert len(load_dataset(f"text:{tmp_path}", tokenizer=tokenizer).train) == 2
    dated = tmp_path / "dated"
    dated.mkdir()
    for part in ("train", "test"):
        (dated / f"{part}.jsonl").write_text('{"text": "2020-01-01", "label": 0}\n{"text": "2021-01-01", "label": 1}\n')
    assert len(load_dataset(f"text:{dated}", tokenizer=tokenizer).train) == 2


def test_the_longest_texts_are_trained_on_too() -> None:
    lengths = torch.arange(1, 34)  # one more than a batch of 32, which is dropped
    left = set()
    for seed in range(12):
        draw = torch.Generator().manual_seed(seed)
        left.add(int(bucketed(lengths, torch.randperm(33, generator=draw), 32, draw)[-1]))
    assert len(left) > 6


def _add(name: str, content: bytes) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(content)

    return change


def _remove(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def _name_the_test(folder: Path) -> None:
    (folder / "test.jsonl").write_text('{"text": "hello", "label": "greet"}\n')


def _cut_in_the_header(folder: Path) -> None:
    file = folder / "train.csv"
    file.write_bytes(file.read_bytes().replace(b"text,label", b"text,label,caf\xe9", 1))


def _twice(column: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        lines = (folder / "train.csv").read_text().splitlines()
        place = lines[0].split(",").index(column)
        (folder / "train.csv").write_text("\n".join(f"{line},{line.split(',')[place]}" for line in lines) + "\n")

    return change


def _number_by_time(folder: Path) -> None:
    for part in ("train", "test"):
        (folder / f"{part}.csv").write_text("text,label\nhello,1700000000\nbread,1\ncash,2\n")


def _rename_the_texts(folder: Path) -> None:
    file = folder / "train.csv"
    file.write_text(file.read_text().replace("text,label", "words,label", 1))


REFUSED: dict[str, tuple[str, Callable[[Path], None], str]] = {
    "empty": ("csv", _add("train.csv", b"  ,greet\n"), r"train\.csv: the text in row 60 is empty; remove the row"),
    "no label": ("csv", _add("train.csv", b"hello,\n"), r"train\.csv: the label in row 60 is empty; remove the row"),
    "unknown": ("csv", _add("test.csv", b"hello,leave\n"), r"test\.csv: the label 'leave' in row 30 is none of the 3"),
    "too high": (
        "jsonl",
        _add("test.jsonl", b'{"text": "hello", "label": 3}\n'),
        r"test\.jsonl: the label 3 in row 30 is none of the 3 classes",
    ),
    "latin 1": ("csv", _add("train.csv", b"caf\xe9,pay\n"), r"train\.csv is not in UTF-8 .*write it again in UTF-8"),
    "latin 1 header": ("csv", _cut_in_the_header, r"train\.csv is not in UTF-8"),
    "latin 1 label": ("csv", _add("train.csv", b"hello,caf\xe9\n"), r"train\.csv is not in UTF-8"),
    "utf 16": ("csv", lambda f: (f / "test.csv").write_text("a,b\n", "utf-16") and None, r"test\.csv is not in UTF-8"),
    "texts twice": ("csv", _twice("text"), r"train\.csv has 2 columns 'text'; rename all but one"),
    "labels twice": ("csv", _twice("label"), r"train\.csv has 2 columns 'label'; rename all but one"),
    "no labels": ("csv", _number_by_time, r"its column 'label' has the number 1700000000 for 6 texts"),
    "latin 1 json": (
        "jsonl",
        _add("train.jsonl", b'{"text": "caf\xe9", "label": 1}\n'),
        r"train\.jsonl is not in UTF-8",
    ),
    "latin 1 names": ("jsonl", _add("classes.txt", b"caf\xe9\n"), r"classes\.txt is not in UTF-8"),
    "broken": ("jsonl", _add("train.jsonl", b"{]\n"), r"train\.jsonl is damaged or no table"),
    "cut short": ("parquet", _add("test.parquet", b"xx"), r"test\.parquet is damaged or no parquet file"),
    "no test": ("csv", _remove("test.csv"), r"has no test\.parquet, test\.csv or test\.jsonl; add it"),
    "two kinds": ("csv", _add("train.jsonl", b"{}"), r"has train\.csv and train\.jsonl; leave files of one kind"),
    "mixed labels": ("jsonl", _name_the_test, r"train\.jsonl: its labels are numbers, and those of other files names"),
    "no column": ("csv", _rename_the_texts, r"train\.csv has no column 'text' with the texts among 'words', 'label'"),
    "names twice": ("jsonl", _add("classes.txt", b"pay\n"), r"classes\.txt: must name each class once"),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_wrong_with_files_is_told(tmp_path: Path, tokenizer: str, fault: str) -> None:
    kind, change, told = REFUSED[fault]
    change(texts.write_texts(tmp_path, kind))
    with pytest.raises(UserError, match=told) as refused:
        describe_dataset(f"text:{tmp_path}", tokenizer=tokenizer)
    assert "\n" not in str(refused.value)


def test_what_is_wrong_with_a_tokenizer_is_told(tmp_path: Path) -> None:
    folder = texts.write_texts(tmp_path / "data")
    nothing = tmp_path / "nothing"
    nothing.mkdir()
    for source, told in (
        (str(nothing), "nothing has no tokenizer .*save_pretrained"),
        (str(tmp_path / "gone"), "cannot be fetched .*option tokenizer"),
    ):
        with pytest.raises(UserError, match=told):
            describe_dataset(f"text:{folder}", tokenizer=source)
    broken = texts.write_network(tmp_path / "broken")
    (broken / "tokenizer.json").write_text(json.dumps({"version": "1.0"}))
    with pytest.raises(UserError, match=r"the tokenizer in .*broken cannot be read"):
        describe_dataset(f"text:{folder}", tokenizer=str(broken))
    with pytest.raises(UserError, match="this network has none; give hf:FOLDER as the backbone"):
        describe_dataset(f"text:{folder}")


def test_options_of_images_are_none_of_texts(tmp_path: Path, tokenizer: str) -> None:
    folder = texts.write_texts(tmp_path)
    with pytest.raises(UserError, match="there is no option 'flip'"):
        describe_dataset(f"text:{folder}", tokenizer=tokenizer, flip=True)
    with pytest.raises(UserError, match="image_size is for images"):
        describe_dataset(f"text:{folder}", tokenizer=tokenizer, image_size=32)
    with pytest.raises(UserError, match="train_texts is 61, but there are only 60"):
        describe_dataset(f"text:{folder}", tokenizer=tokenizer, train_texts=61)


def dataset(tmp_path: Path, tokenizer: str) -> Dataset:
    return load_dataset(f"text:{texts.write_texts(tmp_path)}", tokenizer=tokenizer)


def test_workers_share_the_batches_of_one(tmp_path: Path, tokenizer: str) -> None:
    data = dataset(tmp_path, tokenizer)

    def epoch(world: int, rank: int, number: int) -> list[tuple[list[list[int]], list[int], tuple[int, ...]]]:
        loader = Loader(data.train, dataset=data, batch_size=16, train=True, seed=3, rank=rank, world=world)
        return [(b.images.tolist(), b.labels.tolist(), b.counts) for b in loader.epoch(number)]

    alone, again, other = epoch(1, 0, 0), epoch(1, 0, 0), epoch(1, 0, 1)
    assert alone == again and alone != other
    for whole, first, second in zip(alone, epoch(2, 0, 0), epoch(2, 1, 0), strict=True):
        assert whole[0] == first[0] + second[0]  # padded alike, too
        assert whole[1] == first[1] + second[1]
    seen = sorted(tuple(token for token in row if token != PADDING) for batch in alone for row in batch[0])
    assert isinstance(data.train.images, Tokenized)
    assert seen == sorted(map(tuple, rows_of(data.train.images)))


def test_evaluation_goes_through_texts_in_order(tmp_path: Path, tokenizer: str) -> None:
    data = dataset(tmp_path, tokenizer)
    batches = list(Loader(data.test, dataset=data, batch_size=8, train=False).epoch())
    assert torch.cat([batch.labels for batch in batches]).equal(data.test.labels)
    assert len({batch.images.shape[1] for batch in batches}) > 1  # padded to their own longest


@given(st.lists(st.integers(1, 50), min_size=1, max_size=300), st.integers(1, 20), st.integers(0, 10))
def test_bucketing_moves_texts_and_loses_none(lengths: list[int], batch_size: int, seed: int) -> None:
    sizes = torch.tensor(lengths)
    draw = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(sizes), generator=draw)
    found = bucketed(sizes, order, batch_size, draw)
    assert sorted(found.tolist()) == list(range(len(sizes)))


def test_bucketing_saves_padding() -> None:
    draw = torch.Generator().manual_seed(0)
    lengths = torch.randint(3, 60, (512,), generator=draw)
    order = torch.randperm(512, generator=draw)

    def padded(order: torch.Tensor) -> int:
        return sum(int(part.max()) * len(part) for part in lengths[order].split(32))

    assert padded(bucketed(lengths, order, 32, draw)) < 0.65 * padded(order)


def test_parts_join(tmp_path: Path, tokenizer: str) -> None:
    data = dataset(tmp_path, tokenizer)
    kept, held = split_validation(data.train, 0.3, seed=1)
    assert isinstance(kept.images, Tokenized) and isinstance(held.images, Tokenized)
    assert rows_of(join_texts([held.images, kept.images])) == rows_of(held.images) + rows_of(kept.images)
