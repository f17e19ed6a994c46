"""What every store promises, on a disk and on a real S3 API server; see `orchestrator/storage/store.py`."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from orchestrator.storage import Store, store_at
from tests.object_store import ObjectServer

WRITERS = 4


def at_once(function: Callable[[int], object]) -> list[object]:
    """Calls a function in several threads."""
    with ThreadPoolExecutor(WRITERS) as pool:
        return list(pool.map(function, range(WRITERS)))


# whole files


def test_what_was_written_is_read(store: Store) -> None:
    assert store.read("some/file.json") is None
    store.write("some/file.json", b"first")
    store.write("some/file.json", b"second")
    store.write("empty", b"")
    assert (store.read("some/file.json"), store.read("empty")) == (b"second", b"")
    assert store.read_all(["empty", "missing", "some/file.json"]) == {"empty": b"", "some/file.json": b"second"}
    assert store.read_all([]) == {}


def test_a_file_is_created_once(store: Store) -> None:
    assert store.create("ledger/train/key.json", b"first")
    assert not store.create("ledger/train/key.json", b"second")
    assert store.read("ledger/train/key.json") == b"first"
    store.delete("ledger/train/key.json")
    assert store.create("ledger/train/key.json", b"third")


def test_of_those_who_create_a_file_at_once_one_does(store: Store) -> None:
    created = at_once(lambda writer: store.create("file", b"%d" % writer))
    assert created.count(True) == 1
    assert store.read("file") == b"%d" % created.index(True)
    assert store.list("").keys() == {"file"}


def test_a_file_is_swapped_for_what_was_seen(store: Store) -> None:
    assert store.look("lock") is None
    assert store.swap("lock", b"first", None)
    assert not store.swap("lock", b"second", None)
    seen = store.look("lock")
    assert seen is not None and seen.data == b"first"
    assert store.swap("lock", b"second", seen)
    assert not store.swap("lock", b"third", seen)
    assert store.read("lock") == b"second"
    seen = store.look("lock")
    store.delete("lock")
    assert not store.swap("lock", b"third", seen)
    assert store.read("lock") is None


def test_of_those_who_swap_what_all_have_seen_one_does(store: Store) -> None:
    def count_up(writer: int) -> None:
        for _ in range(3):
            while True:
                seen = store.look("counter")
                number = 0 if seen is None else int(seen.data)
                if store.swap("counter", b"%d" % (number + 1), seen):
                    break

    at_once(count_up)
    assert store.read("counter") == b"%d" % (3 * WRITERS)


def test_what_was_seen_can_be_withdrawn(store: Store) -> None:
    store.write("lock", b"mine")
    seen = store.look("lock")
    assert seen is not None
    store.write("lock", b"another one's")
    store.withdraw("lock", seen)
    assert store.read("lock") == b"another one's"
    seen = store.look("lock")
    assert seen is not None
    store.withdraw("lock", seen)
    assert not store.read("lock")
    assert store.swap("lock", b"mine again", store.look("lock"))


def test_what_is_deleted_is_gone(store: Store) -> None:
    store.delete("missing")
    store.write("file", b"content")
    store.delete("file")
    assert store.read("file") is None


def test_a_damaged_file_is_set_aside(store: Store) -> None:
    store.write("ledger/train/1f.json", b"damaged")
    told = store.set_aside("ledger/train/1f.json", "quarantine")
    assert store.read("ledger/train/1f.json") is None
    (name,) = store.below("quarantine")
    assert name.startswith("train-1f-") and name.endswith(".json")
    assert told == store.where(f"quarantine/{name}")
    assert store.read(f"quarantine/{name}") == b"damaged"
    store.set_aside("ledger/train/1f.json", "quarantine")  # another reader was faster
    assert len(store.below("quarantine")) == 1


# large files


def test_a_large_file_is_there_when_it_is_whole(store: Store) -> None:
    content = bytes(range(256)) * 50_000  # more than one part of an upload
    store.write("artifacts/key/network.bin", b"old")
    with store.writing("artifacts/key/network.bin") as path:
        path.write_bytes(content)
        assert store.read("artifacts/key/network.bin") == b"old"
    with store.fetching("artifacts/key/network.bin") as fetched:
        assert fetched is not None
        assert (fetched.name, fetched.read_bytes()) == ("network.bin", content)
    assert store.list("artifacts")["key/network.bin"].size == len(content)


def test_nothing_is_left_of_a_write_that_failed(store: Store) -> None:
    with pytest.raises(RuntimeError), store.writing("folder/file") as path:
        path.write_bytes(b"half")
        raise RuntimeError
    assert store.read("folder/file") is None
    assert store.list("folder") == {}


def test_what_is_not_there_is_not_fetched(store: Store) -> None:
    with store.fetching("missing") as path:
        assert path is None


# lines


def test_lines_stay_in_order_until_they_are_forgotten(store: Store) -> None:
    assert store.lines("spool/mlflow.jsonl") == []
    for number in range(12):
        store.append("spool/mlflow.jsonl", b"%d" % number)
    assert store.lines("spool/mlflow.jsonl") == [b"%d" % number for number in range(12)]
    store.delete_all("spool/mlflow.jsonl")
    assert store.lines("spool/mlflow.jsonl") == []


# folders


def test_a_listing_tells_what_is_there_and_whether_it_changed(store: Store) -> None:
    assert store.list("ledger/train") == {}
    for name in ("ledger/train/a.json", "ledger/train/b.json", "ledger/reuse/c.json", "ledger/trainings"):
        store.write(name, b"12345")
    first = store.list("ledger/train")
    assert first.keys() == {"a.json", "b.json"}
    assert first == store.list("ledger/train")
    assert first["a.json"].size == 5
    store.write("ledger/train/a.json", b"54321")
    again = store.list("ledger/train")
    assert again["a.json"] != first["a.json"]
    assert again["b.json"] == first["b.json"]
    assert store.list("ledger").keys() == {"train/a.json", "train/b.json", "reuse/c.json", "trainings"}


def test_a_listing_may_be_long(store: Store, object_server: ObjectServer) -> None:
    files = {f"ledger/reuse/{number:05d}.json": b"{}" for number in range(2_203)}
    if store.remote:
        object_server.fill(str(store), files)
    else:
        (store.local / "ledger" / "reuse").mkdir(parents=True)
        for name, data in files.items():
            (store.local / name).write_bytes(data)
    assert {f"ledger/reuse/{name}" for name in store.list("ledger/reuse")} == files.keys()
    store.delete_all("ledger")
    assert store.below() == set()


def test_what_lies_directly_below(store: Store) -> None:
    assert store.below() == store.below("studies") == set()
    store.write("study.yaml", b"")
    store.write("ledger/train/a.json", b"")
    assert store.below() == {"study.yaml", "ledger"}
    assert store.below("ledger") == {"train"}
    assert store.below("study.yaml") == set()


def test_names_with_a_dot_are_the_stores_own(store: Store) -> None:
    store.write("folder/.hidden", b"")
    store.write("folder/shown", b"")
    assert store.list("folder").keys() == store.below("folder") == {"shown"}


def test_a_folder_is_there_until_it_is_deleted_with_all_that_is_in_it(store: Store) -> None:
    assert not store.has_folder("checkpoints/key")
    store.make_folder("checkpoints/key")
    store.make_folder("checkpoints/key")
    assert store.has_folder("checkpoints/key")
    assert store.below("checkpoints") == {"key"}
    store.write("checkpoints/key/state.pt", b"")
    store.delete_all("checkpoints/key")
    store.delete_all("checkpoints/key")
    assert not store.has_folder("checkpoints/key")
    assert store.read("checkpoints/key/state.pt") is None


# places


def test_a_store_is_a_value(store: Store) -> None:
    store.write("file", b"content")
    sent = pickle.loads(pickle.dumps(store))
    assert (sent, hash(sent), sent.read("file")) == (store, hash(store), b"content")
    assert store_at(str(store)) == store_at(store) == store
    assert store.parent / store.name == store
    assert (store / "below").parent == store != store / "below"
    assert store.where("file") == f"{store}/file"


def test_what_belongs_to_a_machine_has_a_folder_on_it(store: Store) -> None:
    assert store.local.is_absolute()
    assert (store / "a").local != (store / "b").local
    (store.local / "ray").mkdir(parents=True)
    (store.local / "ray" / "token").touch()


def test_a_disk_without_links_creates_files_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: object, target: object) -> None:
        raise PermissionError("Operation not permitted")

    monkeypatch.setattr("orchestrator.storage.files.os.link", refuse)
    store = store_at(tmp_path)
    assert store.create("file", b"first")
    assert not store.create("file", b"second")
    assert store.list("").keys() == {"file"}
