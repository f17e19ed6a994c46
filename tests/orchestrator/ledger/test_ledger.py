import errno
import json
import logging
import os

import pytest

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.plan.results import Trial
from orchestrator.plan.step import make_step
from orchestrator.storage import files
from orchestrator.storage.files import atomic_path
from orchestrator.study.data import DescribedStudy
from tests.orchestrator.study_examples import DESCRIPTIONS, documents, study

TRAIN = make_step("train", {"seed": 0}, {}, {"resources": {}}, "standard vgg16/digits seed 0")
REUSE = make_step("reuse", {"classes": [0, 1]}, {"train": TRAIN.key}, {}, "reuse 0,1")


ARTIFACT = f"artifacts/{TRAIN.key}/network.safetensors"


@pytest.fixture
def ledger(store):
    return Ledger(store)


def again(ledger):
    """The same study as another process sees it."""
    return Ledger(ledger.store)


def result_name(step):
    return f"ledger/{step.kind}/{step.key}.json"


def write_artifact(ledger):
    with ledger.writing(TRAIN.key, "network.safetensors") as path:
        path.write_bytes(b"weights")


def test_an_empty_ledger_touches_nothing(ledger):
    assert ledger.get(TRAIN.key) is None
    assert ledger.failure(TRAIN.key) is None
    assert ledger.finished() == set()
    assert ledger.suggestions("search") == []
    assert ledger.store.below() == set()
    assert not ledger.folder.exists()


def test_puts_and_gets(ledger):
    ledger.put(TRAIN, {"accuracy": 0.9, "loss": float("nan")}, seconds=2.5, environment={"torch": "2"}, device="cpu")
    ledger.put(REUSE, {"krr": 0.5})
    document = again(ledger).get(TRAIN.key)
    assert document["result"] == {"accuracy": 0.9, "loss": None}
    assert document["kind"] == "train"
    assert document["params"] == {"seed": 0}
    assert (document["seconds"], document["environment"], document["device"]) == (2.5, {"torch": "2"}, "cpu")
    assert "resources" not in document
    assert again(ledger).finished() == {TRAIN.key, REUSE.key}
    assert ledger.finished("reuse") == {REUSE.key}
    assert [key for key, _ in ledger.results("train")] == [TRAIN.key]


def test_a_result_never_changes(ledger):
    first = ledger.put(TRAIN, {"accuracy": 0.9})
    assert ledger.put(TRAIN, {"accuracy": 0.1}) == first
    assert again(ledger).get(TRAIN.key) == first


@pytest.mark.parametrize("damage", ["truncate", "empty", "flip", "no checksum", "no mapping"])
def test_a_damaged_result_is_quarantined_and_missing(ledger, damage, caplog):
    ledger.put(TRAIN, {"accuracy": 0.9})
    data = ledger.store.read(result_name(TRAIN))
    damaged = {
        "truncate": data[: len(data) // 2],
        "empty": b"",
        "flip": data.replace(b"0.9", b"0.8"),
        "no checksum": json.dumps({"key": TRAIN.key}).encode(),
        "no mapping": b"[1]",
    }
    ledger.store.write(result_name(TRAIN), damaged[damage])
    reader = again(ledger)
    with caplog.at_level(logging.WARNING):
        assert reader.get(TRAIN.key) is None
        assert reader.get(TRAIN.key) is None
        assert reader.finished() == set()
    assert len(caplog.records) == 1
    assert ledger.store.read(result_name(TRAIN)) is None
    assert len(ledger.store.below("quarantine")) == 1
    reader.put(TRAIN, {"accuracy": 0.9})
    assert again(ledger).finished() == {TRAIN.key}


def test_who_only_looks_on_moves_nothing(ledger):
    ledger.put(TRAIN, {"accuracy": 0.9})
    ledger.store.write(result_name(TRAIN), b"{")
    assert Ledger(ledger.store, readonly=True).get(TRAIN.key) is None
    assert ledger.store.read(result_name(TRAIN)) == b"{"


def test_a_truncated_artifact_is_found(ledger):
    write_artifact(ledger)
    document = ledger.put(TRAIN, {})
    assert document["artifacts"]["network.safetensors"]["bytes"] == 7
    assert again(ledger).verify(TRAIN.key)
    ledger.store.write(ARTIFACT, b"weig")
    assert again(ledger).get(TRAIN.key) is None
    assert ledger.store.read(result_name(TRAIN)) is None


def test_a_flipped_bit_in_an_artifact_is_found(ledger):
    write_artifact(ledger)
    ledger.put(TRAIN, {})
    ledger.store.write(ARTIFACT, b"weighty")
    assert not ledger.verify(TRAIN.key)
    assert ledger.get(TRAIN.key) is None
    assert not again(ledger).verify(TRAIN.key)


def test_an_artifact_is_read_as_it_was_written(ledger):
    write_artifact(ledger)
    ledger.put(TRAIN, {})
    with again(ledger).reading(TRAIN.key, "network.safetensors") as path:
        assert path.read_bytes() == b"weights"
    for key, name in ((TRAIN.key, "logits.safetensors"), (REUSE.key, "network.safetensors")):
        with again(ledger).reading(key, name) as path:
            assert path is None


def test_an_artifact_that_another_process_wrote_counts_too(ledger):
    """A worker that died between its artifact and its result."""
    write_artifact(again(ledger))
    assert ledger.put(TRAIN, {})["artifacts"]["network.safetensors"]["bytes"] == 7
    assert again(ledger).verify(TRAIN.key)


def test_an_artifact_that_is_damaged_is_not_read(ledger):
    write_artifact(ledger)
    ledger.put(TRAIN, {})
    ledger.store.write(ARTIFACT, b"weighty")
    reader = again(ledger)
    with reader.reading(TRAIN.key, "network.safetensors") as path:
        assert path is None
    assert reader.get(TRAIN.key) is None


def test_a_result_that_another_process_put_first_stays(ledger):
    """Both have looked before either writes."""
    slower = again(ledger)
    first = ledger.put(TRAIN, {"accuracy": 0.9})
    slower.get = lambda key, kind=None: None
    assert slower.put(TRAIN, {"accuracy": 0.1}) == first
    assert again(ledger).get(TRAIN.key) == first


def test_a_snapshot_says_what_the_ledger_says(ledger):
    ledger.put(TRAIN, {"accuracy": 0.9})
    ledger.fail(REUSE, "NaN")
    ledger.suggest("search", 0, {"alpha": 0.5})
    snapshot = again(ledger).snapshot()
    assert snapshot.get(TRAIN.key, "train") == ledger.get(TRAIN.key)
    assert snapshot.get(REUSE.key, "reuse") is None
    assert (snapshot.failure(TRAIN.key), snapshot.failure(REUSE.key)["reason"]) == (None, "NaN")
    assert snapshot.suggestions("search") == [Trial(0, {"alpha": 0.5})]
    assert snapshot.snapshot().get(TRAIN.key, "train") == ledger.get(TRAIN.key)


def test_failures_stand_beside_the_results(ledger):
    ledger.fail(TRAIN, "the loss became NaN in epoch 3")
    assert again(ledger).failure(TRAIN.key)["reason"] == "the loss became NaN in epoch 3"
    assert list(ledger.failures()) == [TRAIN.key]
    assert ledger.finished() == set()
    ledger.put(TRAIN, {})
    assert again(ledger).failure(TRAIN.key) is None


def test_a_step_with_a_result_has_not_failed(ledger):
    """A driver that died after it wrote the result and before it deleted the failure; or two that ran it at once."""
    ledger.put(TRAIN, {})
    ledger.fail(TRAIN, "its worker died")
    assert again(ledger).failure(TRAIN.key) is None
    assert again(ledger).failures() == {}


def test_trials_of_a_search(ledger):
    ledger.suggest("search", 1, {"alpha": 0.7})
    ledger.suggest("search", 0, {"alpha": 0.5})
    assert [trial.outcome for trial in ledger.suggestions("search")] == [None, None]
    ledger.conclude("search", 1, {"state": "stopped", "epoch": 3})
    assert ledger.suggestions("search") == again(ledger).suggestions("search")
    assert ledger.stops() == [{"state": "stopped", "epoch": 3}]
    assert again(ledger).suggestions("search") == [
        Trial(0, {"alpha": 0.5}),
        Trial(1, {"alpha": 0.7}, {"state": "stopped", "epoch": 3}),
    ]


def test_a_trial_whose_suggestion_is_damaged_while_it_runs_is_suggested_anew(ledger):
    ledger.suggest("search", 0, {"alpha": 0.5})
    ledger.store.write("ledger/searches/search/00000.json", b"{")
    ledger.conclude("search", 0, {"state": "stopped", "epoch": 3})
    assert ledger.suggestions("search") == again(ledger).suggestions("search") == []
    assert ledger.stops() == [{"state": "stopped", "epoch": 3}]
    ledger.suggest("search", 0, {"alpha": 0.5})
    assert again(ledger).suggestions("search") == [Trial(0, {"alpha": 0.5})]


def test_a_plan_reads_a_ledger(tmp_path):
    made = study(recipe={"validation": 0.1}, subtasks={"from": "best", "sizes": [2], "samples": 4})
    ledger = Ledger(tmp_path)
    before = plan(DescribedStudy(made, DESCRIPTIONS), ledger)
    numbers = {"train": {"validation_accuracy": 0.9}, "measure": {"krr": 0.5}, "modularize": {}}
    for step in before.steps:
        ledger.put(step, numbers[step.kind])
    after = plan(DescribedStudy(made, DESCRIPTIONS), again(ledger))
    assert after.counts()["reuse"] == 4
    assert [step.kind for step in after.pending(ledger)] == ["reuse"] * 4
    known = documents(before.steps, {step.key: numbers[step.kind] for step in before.steps})
    assert plan(DescribedStudy(made, DESCRIPTIONS), known) == after


def test_every_submitted_study_is_kept(ledger):
    first, second = study(), study(seeds=[0, 1])
    ledger.record_study(first.text)
    ledger.record_study(second.text)
    ledger.record_study(second.text)
    assert ledger.store.read("study.yaml").decode() == second.text
    kept = ledger.store.read_all(f"studies/{name}" for name in ledger.store.below("studies"))
    assert {data.decode() for data in kept.values()} == {first.text, second.text}


def test_nothing_is_left_of_a_write_that_failed(tmp_path):
    with pytest.raises(RuntimeError), atomic_path(tmp_path / "file") as temporary:
        temporary.write_bytes(b"half")
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_full_folder_is_told(tmp_path, monkeypatch):
    ledger = Ledger(tmp_path)

    def full(handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(UserError, match=r"ledger/train: cannot be written \(No space left on device\)"):
        ledger.put(TRAIN, {})
    assert list((tmp_path / "ledger" / "train").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "small").write_text("a file where the study's folder should be")
    with pytest.raises(UserError, match=r"small/studies: cannot be written"):
        Ledger(tmp_path / "small").record_study(study().text)
