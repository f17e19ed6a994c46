"""A checkpoint comes back as it was saved, or is put away and told of; nothing in it ever runs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo.distributed import Workers
from nemo.errors import UserError
from orchestrator.execution.checkpoint import Checkpoint
from orchestrator.execution.context import Context
from orchestrator.execution.system_metrics import SystemMetrics
from orchestrator.execution.training import resumed, run_epochs
from orchestrator.plan.step import Step, make_step
from orchestrator.storage import Store, layout, store_at
from orchestrator.storage.files import Unwritable
from orchestrator.study.resources import Resources

STATE = {"network": {"weight": torch.arange(6.0)}, "history": [{"epoch": 0.0, "train/loss": 0.5}]}
STEP = make_step("train", {"seed": 0}, {}, {}, "mwt, seed 0")
ALONE: Any = SimpleNamespace(workers=Workers(), agree=lambda value: value, tell=lambda message: None)
OTHER = make_step("train", {"seed": 1}, {}, {}, "mwt, seed 1")


def checkpoint(store: Store, step: Step = STEP) -> Checkpoint:
    context = Context(store, Resources())
    store.make_folder(layout.checkpoints(step.key))
    return Checkpoint(context, step)


def content_of(store: Store, step: Step = STEP) -> bytes:
    content = store.read(checkpoint(store, step).name)
    assert content is not None
    return content


def assert_refused(store: Store, reason: str) -> None:
    """It is put away and told of, and the next start finds none."""
    content = content_of(store)
    found = checkpoint(store)
    assert found.load() is None
    (kept,) = store.below("quarantine")
    assert kept.endswith(".pt") and store.read(f"quarantine/{kept}") == content
    moved = f"{store.where(found.name)}: moved to {store.where('quarantine')}"
    assert found.damage == f"{moved}, {reason}; {STEP.label} starts again."
    again = checkpoint(store)
    assert (again.load(), again.damage) == (None, "")


def test_a_state_comes_back(store: Store) -> None:
    assert checkpoint(store).load() is None
    checkpoint(store).save({"network": {}})
    checkpoint(store).save(STATE)
    found = checkpoint(store)
    state = found.load()
    assert state is not None and found.damage == ""
    assert state["history"] == STATE["history"]
    assert torch.equal(state["network"]["weight"], torch.arange(6.0))
    assert store.below("quarantine") == set()


def test_a_training_that_was_stopped_saves_no_more(store: Store) -> None:
    stopped = checkpoint(store)
    Context(store, Resources()).forget(STEP)
    stopped.save(STATE)
    assert store.below("checkpoints") == set()


@pytest.mark.parametrize(("raised", "seen"), [(Unwritable, Unwritable), (UserError, OSError)])
def test_what_cannot_be_read_now_is_no_damage(
    store: Store, monkeypatch: pytest.MonkeyPatch, raised: type[UserError], seen: type[Exception]
) -> None:
    checkpoint(store).save(STATE)

    def away(self: Store, name: str) -> bytes:
        raise raised("s3://bucket: does not answer")

    with monkeypatch.context() as patch, pytest.raises(seen, match="does not answer"):
        patch.setattr(type(store), "read", away)
        checkpoint(store).load()
    assert checkpoint(store).load() is not None


def test_a_full_device_is_no_damage(store: Store) -> None:
    checkpoint(store).save(STATE)

    def full(state: dict[str, Any]) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with pytest.raises(torch.OutOfMemoryError):
        resumed(lambda: cast("Any", SimpleNamespace(load_state_dict=full)), checkpoint(store), ALONE)
    assert checkpoint(store).load() is not None


@settings(max_examples=60)
@given(st.data())
def test_no_damage_goes_unseen(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = store_at(folder)
        checkpoint(store).save(STATE)
        whole = bytearray(content_of(store))
        place = data.draw(st.integers(0, len(whole) - 1))
        if data.draw(st.booleans()):
            whole[place] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del whole[place:]
        store.write(checkpoint(store).name, bytes(whole))
        assert_refused(store, "its checksum is wrong")


def test_a_checkpoint_of_another_training(store: Store) -> None:
    checkpoint(store, OTHER).save(STATE)
    store.write(checkpoint(store).name, content_of(store, OTHER))
    assert_refused(store, "its checksum is wrong")


class _Trap:
    """Unpickling it would leave a file behind."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._file,)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "trapped"
    store = store_at(tmp_path)
    checkpoint(store).save({"network": _Trap(trap)})
    found = checkpoint(store)
    assert found.load() is None
    assert "Weights only load failed" in found.damage
    assert len(store.below("quarantine")) == 1
    assert not trap.exists()


def test_the_state_of_other_code_is_put_away_and_the_training_starts_again(store: Store) -> None:
    checkpoint(store).save({"network": {"renamed": torch.ones(2)}})

    def make() -> Any:
        network = torch.nn.Linear(2, 1)
        load = lambda state: network.load_state_dict(state["network"])  # noqa: E731
        return SimpleNamespace(network=network, device="cpu", load_state_dict=load)

    found = checkpoint(store)
    assert set(resumed(make, found, ALONE).network.state_dict()) == {"weight", "bias"}
    assert "Error(s) in loading state_dict for Linear" in found.damage
    assert checkpoint(store).load() is None


@pytest.mark.parametrize(
    ("told", "made", "weight"), [([True], 1, 2.0), ([False, False], 1, 0.0), ([False, True], 2, 0.0)]
)
def test_the_first_worker_says_whether_all_go_on(store: Store, told: list[bool], made: int, weight: float) -> None:
    checkpoint(store).save({"weight": torch.tensor(2.0)})
    trainers: list[Any] = []

    def make() -> Any:
        trainer = SimpleNamespace(weight=torch.tensor(0.0), device="cpu")
        trainer.load_state_dict = trainer.__dict__.update
        trainers.append(trainer)
        return trainer

    answers = iter(told)
    session: Any = SimpleNamespace(workers=Workers(rank=1, world=2), agree=lambda value: next(answers))
    assert resumed(make, checkpoint(store), session).weight == weight
    assert len(trainers) == made
    assert checkpoint(store).load() == {"weight": torch.tensor(2.0)}  # only the first one puts a file away


@pytest.mark.parametrize(
    ("epoch", "saving", "lost"),
    [(29.0, 2.0, 29.0), (10.0, 2.0, 30.0), (300.0, 60.0, 300.0), (1.0, 0.125, 3.0)],
    ids=["almost 30 s", "10 s", "minutes", "a second"],
)
def test_no_training_loses_more_than_30_s_or_an_epoch(
    monkeypatch: pytest.MonkeyPatch, epoch: float, saving: float, lost: float
) -> None:
    clock, saved = [0.0], [0.0]
    monkeypatch.setattr("orchestrator.execution.training.time.monotonic", lambda: clock[0])
    trainer = SimpleNamespace(epoch=0, done=False, history=[], state_dict=dict)
    at_risk = []

    def run_epoch() -> dict[str, float]:
        clock[0] += epoch
        at_risk.append(clock[0] - saved[0])
        trainer.history.append({"epoch": float(trainer.epoch)})
        trainer.epoch += 1
        trainer.done = trainer.epoch == 50
        return cast("dict[str, float]", trainer.history[-1])

    def save(state: object) -> None:
        clock[0] += saving
        saved[0] = clock[0]

    trainer.run_epoch = run_epoch
    checkpoint = cast("Any", SimpleNamespace(damage="", save=save))
    run_epochs(cast("Any", trainer), checkpoint, ALONE, SystemMetrics(False), every_epoch=False)
    assert max(at_risk) == lost
