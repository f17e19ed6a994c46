"""A checkpoint comes back as it was saved, or is put away and told of; nothing in it ever runs."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.checkpoint import Checkpoint
from orchestrator.context import Context
from orchestrator.step import Step, make_step
from orchestrator.stores import store_at
from orchestrator.study import Resources
from orchestrator.training import resumed

STATE = {"network": {"weight": torch.arange(6.0)}, "history": [{"epoch": 0.0, "train/loss": 0.5}]}
STEP = make_step("train", {"seed": 0}, {}, {}, "mwt, seed 0")
OTHER = make_step("train", {"seed": 1}, {}, {}, "mwt, seed 1")


def checkpoint(folder: Path, step: Step = STEP) -> Checkpoint:
    context = Context(store_at(folder), Resources())
    context.store.make_folder(context.checkpoints(step))
    return Checkpoint(context, step)


def file(folder: Path, step: Step = STEP) -> Path:
    return folder / "checkpoints" / step.key / "state.pt"


def put_away(folder: Path) -> list[Path]:
    return list((folder / "quarantine").glob("*.pt"))


def assert_refused(folder: Path, reason: str, step: Step = STEP) -> None:
    """It is put away and told of, and the next start finds none."""
    content = file(folder, step).read_bytes()
    found = checkpoint(folder, step)
    assert found.load() is None
    (kept,) = put_away(folder)
    assert kept.read_bytes() == content
    assert found.damage == f"{file(folder, step)}: moved to {kept.parent}, {reason}; {step.label} starts again."
    again = checkpoint(folder, step)
    assert (again.load(), again.damage) == (None, "")


def test_a_state_comes_back(tmp_path: Path) -> None:
    assert checkpoint(tmp_path).load() is None
    checkpoint(tmp_path).save({"network": {}})
    checkpoint(tmp_path).save(STATE)
    found = checkpoint(tmp_path)
    state = found.load()
    assert state is not None and found.damage == ""
    assert state["history"] == STATE["history"]
    assert torch.equal(state["network"]["weight"], torch.arange(6.0))
    assert put_away(tmp_path) == []


def test_a_training_that_was_stopped_saves_no_more(tmp_path: Path) -> None:
    stopped = checkpoint(tmp_path)
    shutil.rmtree(file(tmp_path).parent)
    stopped.save(STATE)
    assert not file(tmp_path).parent.exists()


@settings(max_examples=60)
@given(st.data())
def test_no_damage_goes_unseen(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        checkpoint(Path(folder)).save(STATE)
        path = file(Path(folder))
        whole = bytearray(path.read_bytes())
        place = data.draw(st.integers(0, len(whole) - 1))
        if data.draw(st.booleans()):
            whole[place] ^= 1 << data.draw(st.integers(0, 7))
        else:
            del whole[place:]
        path.write_bytes(whole)
        assert_refused(Path(folder), "its checksum is wrong")


def test_a_checkpoint_of_another_training(tmp_path: Path) -> None:
    checkpoint(tmp_path, OTHER).save(STATE)
    checkpoint(tmp_path)
    file(tmp_path, OTHER).rename(file(tmp_path))
    assert_refused(tmp_path, "its checksum is wrong")


class _Trap:
    """Unpickling it would leave a file behind."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self._file,)


def test_code_in_a_checkpoint_does_not_run(tmp_path: Path) -> None:
    trap = tmp_path / "trapped"
    checkpoint(tmp_path).save({"network": _Trap(trap)})
    found = checkpoint(tmp_path)
    assert found.load() is None
    assert "Weights only load failed" in found.damage
    assert len(put_away(tmp_path)) == 1
    assert not trap.exists()


def test_the_state_of_other_code_is_put_away_and_the_training_starts_again(tmp_path: Path) -> None:
    checkpoint(tmp_path).save({"network": {"renamed": torch.ones(2)}})

    def make() -> Any:
        network = torch.nn.Linear(2, 1)
        load = lambda state: network.load_state_dict(state["network"])  # noqa: E731
        return SimpleNamespace(network=network, device="cpu", load_state_dict=load)

    found = checkpoint(tmp_path)
    assert set(resumed(make, found).network.state_dict()) == {"weight", "bias"}
    assert "Error(s) in loading state_dict for Linear" in found.damage
    assert checkpoint(tmp_path).load() is None
