"""Results folded into segments: faster to read, and never believed over the results' own files."""

from __future__ import annotations

import hashlib
import logging
import os
import random
import shutil
import tempfile
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import KINDS, Step, make_step
from orchestrator.storage import Store, Where, files, store_at
from tests.object_store import ObjectServer
from tests.orchestrator.invented import invented_study, plan_of


def step(number: int) -> Step:
    return make_step("reuse", {"classes": [number]}, {}, {}, f"reuse {number}")


def filled(where: Where, numbers: range) -> Ledger:
    ledger = Ledger(where)
    for number in numbers:
        ledger.put(step(number), {"krr": number / 7, "accuracy": None})
    return ledger


def segments(ledger: Ledger) -> list[str]:
    return sorted(f"ledger/segments/{name}" for name in ledger.store.list("ledger/segments"))


def name_of(number: int) -> str:
    return f"ledger/reuse/{step(number).key}.json"


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Counts the files that are read, by suffix."""
    counted: Counter[str] = Counter()
    real = Path.read_bytes

    def read_bytes(path: Path) -> bytes:
        counted[path.suffix] += 1
        return real(path)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    return counted


@pytest.fixture
def ledger(store: Store) -> Ledger:
    """Twenty results, folded in two segments."""
    made = filled(store, range(14))
    made.fold(1)
    filled(store, range(14, 20)).fold(1)
    assert len(segments(made)) == 2
    return made


def test_a_folded_study_is_the_same_study(store: Store) -> None:
    study, ledger = invented_study(store)
    before = list(ledger.results()), plan_of(study, Ledger(ledger.store))
    ledger.fold(1)
    assert len(segments(ledger)) == 4
    reader = Ledger(ledger.store)
    assert (list(reader.results()), plan_of(study, reader)) == before
    assert list(reader.results("measure")) == [row for row in before[0] if row[1]["kind"] == "measure"]
    assert reader.finished() == {key for key, _ in before[0]}


@pytest.mark.heavy
def test_two_thousand_results_are_a_handful_of_reads(tmp_path: Path, reads: Counter[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(files.os, "fsync", lambda handle: None)
    ledger = filled(tmp_path, range(0))
    for begin in range(0, 2000, 100):
        filled(tmp_path, range(begin, begin + 100)).fold(100)
    filled(tmp_path, range(2000, 2003)).fold(100)
    reads.clear()
    assert len(Ledger(tmp_path).finished()) == 2003
    assert reads[".json"] == 3
    assert reads[".parquet"] <= 6
    assert ledger.get(step(1999).key) == dict(ledger.results())[step(1999).key]


@pytest.mark.heavy
def test_on_an_object_store_it_is_a_handful_of_requests(
    bucket: str, object_server: ObjectServer, tmp_path: Path, monkeypatch: Any
) -> None:
    """Two listings of a kind, a page for each thousand, and a request for each segment; none for a result."""
    monkeypatch.setattr(files.os, "fsync", lambda handle: None)
    on_disk = filled(tmp_path, range(1200))
    on_disk.put(make_step("train", {"seed": 0}, {}, {}, "seed 0"), {"accuracy": 0.9})
    stored = {name: (tmp_path / name).read_bytes() for name in map("ledger/{}".format, on_disk.store.list("ledger"))}
    store = store_at(bucket)
    object_server.fill(bucket, stored)
    Ledger(store).fold(1)
    filled(store, range(1200, 1203))

    object_server.asked.clear()
    reader = Ledger(store)
    assert len(reader.finished()) == 1204
    assert object_server.count("GET", ".json") == 3
    assert object_server.count("GET", ".parquet") == 2
    lists = 2 * len(KINDS) + 1  # of every kind and its segments, one of them with two pages
    assert object_server.count("GET", "?list") == lists
    assert object_server.asked.total() == lists + 5

    object_server.asked.clear()
    assert reader.failures() == {}
    snapshot = reader.snapshot()
    missing = [make_step("train", {"seed": seed}, {}, {}, "") for seed in range(1, 100)]
    assert [step for step in missing if snapshot.get(step.key, "train") or snapshot.failure(step.key)] == []
    assert object_server.asked.total() <= 6


def test_few_results_are_left_in_their_files(tmp_path: Path) -> None:
    ledger = filled(tmp_path, range(20))
    ledger.fold()
    assert segments(ledger) == []
    ledger.fold(21)
    assert segments(ledger) == []


def test_folding_again_changes_nothing(ledger: Ledger) -> None:
    before = segments(ledger)
    ledger.fold(1)
    assert segments(ledger) == before


def test_a_result_whose_file_is_gone_is_not_finished(ledger: Ledger) -> None:
    ledger.store.delete(name_of(3))
    reader = Ledger(ledger.store)
    assert step(3).key not in reader.finished()
    assert reader.get(step(3).key) is None
    assert len(reader.finished()) == 19


def test_a_result_that_was_computed_again_is_read_from_its_file(ledger: Ledger) -> None:
    ledger.store.delete(name_of(3))
    Ledger(ledger.store).put(step(3), {"krr": 0.25})
    assert dict(Ledger(ledger.store).results())[step(3).key]["result"] == {"krr": 0.25}
    ledger.fold(1)
    assert dict(Ledger(ledger.store).results())[step(3).key]["result"] == {"krr": 0.25}


def test_a_damaged_result_is_quarantined_although_it_is_folded(ledger: Ledger) -> None:
    ledger.store.write(name_of(3), (ledger.store.read(name_of(3)) or b"")[:-1])
    assert step(3).key not in Ledger(ledger.store).finished()
    assert ledger.store.read(name_of(3)) is None


def test_a_folded_result_whose_artifact_is_gone_is_not_finished(store: Store) -> None:
    _, ledger = invented_study(store)
    ledger.fold(1)
    train = next(ledger.results("train"))[0]
    ledger.store.delete(f"artifacts/{train}/network.safetensors")
    assert train not in Ledger(ledger.store).finished()


def test_a_copied_study_is_folded_anew(tmp_path: Path) -> None:
    """The copies of the results have times of their own."""
    ledger = filled(tmp_path / "study", range(20))
    ledger.fold(1)
    copy = Ledger(shutil.copytree(ledger.folder, tmp_path / "copy", copy_function=shutil.copy))
    for path in copy.folder.glob("ledger/reuse/*.json"):
        os.utime(path, ns=(1, 1))
    assert list(copy.results()) == list(ledger.results())
    copy.fold(1)
    assert len(segments(copy)) == 1
    assert list(Ledger(copy.folder).results()) == list(ledger.results())


def _whole_file_of_another_kind(whole: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({"key": ["a"], "other": [1]}), sink)
    return sink.getvalue().to_pybytes()


DAMAGE = {
    "truncated": lambda whole: whole[:-20],
    "empty": lambda whole: b"",
    "flipped": lambda whole: whole[:40] + bytes([whole[40] ^ 1]) + whole[41:],
    "foreign": _whole_file_of_another_kind,
}


def damage_one(ledger: Ledger, name: str, how: str) -> None:
    ledger.store.write(name, DAMAGE[how](ledger.store.read(name) or b""))


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_segment_costs_time_and_nothing_else(ledger: Ledger, damage: str, caplog: Any) -> None:
    before, name = list(ledger.results()), segments(ledger)[0]
    damage_one(ledger, name, damage)
    onlooker = Ledger(ledger.store, readonly=True)
    with caplog.at_level(logging.WARNING):
        assert list(onlooker.results()) == list(onlooker.results()) == before
        assert name in segments(ledger)
        assert len(caplog.records) == 1
        reader = Ledger(ledger.store)
        assert list(reader.results()) == before
    assert name not in segments(ledger)
    assert len(ledger.store.below("quarantine")) == 1
    reader.fold(1)
    assert list(Ledger(ledger.store).results()) == before


def test_a_whole_file_with_other_columns_is_no_segment(ledger: Ledger) -> None:
    data = _whole_file_of_another_kind(b"")
    foreign = f"ledger/segments/reuse/{hashlib.sha256(data).hexdigest()[:20]}.parquet"
    ledger.store.write(foreign, data)
    assert len(Ledger(ledger.store).finished()) == 20
    assert foreign not in segments(ledger)


def test_segments_that_say_the_same_say_it_once(tmp_path: Path) -> None:
    """As two drivers leave them, when one has wrongly taken over."""
    ledger = filled(tmp_path, range(4))
    ledger.fold(1)
    first = segments(ledger)[0]
    data = (tmp_path / first).read_bytes()
    filled(tmp_path, range(4, 9)).fold(1)  # which takes in the first one
    (tmp_path / first).write_bytes(data)
    assert len(segments(ledger)) == 2
    assert [key for key, _ in Ledger(tmp_path).results()] == sorted(step(number).key for number in range(9))


def test_a_full_folder_only_leaves_results_unfolded(tmp_path: Path, caplog: Any) -> None:
    ledger = filled(tmp_path, range(4))
    (tmp_path / "ledger" / "segments").write_text("a file where the folder should be")
    with caplog.at_level(logging.WARNING):
        ledger.fold(1)
    assert "cannot be written" in caplog.text
    assert len(Ledger(tmp_path).finished()) == 4


class Folding(RuleBasedStateMachine):
    """Whatever is put, folded, deleted, damaged or interrupted: the results are what their files say."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.ledger = Ledger(self.folder)
        self.expected: dict[str, dict[str, Any]] = {}

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.luck = random.Random(seed)

    @rule(number=st.integers(0, 30), krr=st.floats(0, 1))
    def put(self, number: int, krr: float) -> None:
        document = Ledger(self.folder).put(step(number), {"krr": krr})
        assert self.expected.setdefault(step(number).key, document) == document

    @rule(first=st.integers(0, 20), at_least=st.integers(1, 4))
    def put_some_and_fold(self, first: int, at_least: int) -> None:
        for number in range(first, first + 6):
            self.put(number, 0.5)
        self.ledger.fold(at_least)

    @rule(at_least=st.integers(1, 4))
    def fold(self, at_least: int) -> None:
        self.ledger.fold(at_least)

    @rule(before=st.sampled_from(["fsync", "replace"]))
    def die_while_folding(self, before: str) -> None:
        def die(*given: object) -> None:
            raise KeyboardInterrupt

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(files.os, before, die)
            with suppress(KeyboardInterrupt):
                Ledger(self.folder).fold(1)

    @precondition(lambda self: self.expected)
    @rule()
    def lose_a_result(self) -> None:
        key = self.luck.choice(sorted(self.expected))
        self.ledger.store.delete(f"ledger/reuse/{key}.json")
        del self.expected[key]

    @precondition(lambda self: segments(self.ledger))
    @rule(damage=st.sampled_from(sorted(DAMAGE)))
    def damage_a_segment(self, damage: str) -> None:
        damage_one(self.ledger, self.luck.choice(segments(self.ledger)), damage)

    @precondition(lambda self: segments(self.ledger))
    @rule()
    def lose_a_segment(self) -> None:
        self.ledger.store.delete(self.luck.choice(segments(self.ledger)))

    @invariant()
    def results_are_those_of_the_files(self) -> None:
        for reader in (Ledger(self.folder), Ledger(self.folder, readonly=True)):
            assert dict(reader.results()) == self.expected

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


Folding.TestCase.settings = settings(max_examples=30, stateful_step_count=12)
test_whatever_happens_results_are_what_their_files_say = Folding.TestCase
