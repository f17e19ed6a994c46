"""An artifact in which a bit flipped is never used: what builds on it waits until it was computed again."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator.computing.compute import model_arrays
from orchestrator.computing.networks import state_of
from orchestrator.driver.course import sound_course
from orchestrator.ledger.ledger import Ledger
from orchestrator.study.data import describe
from tests.orchestrator.invented import finish, invented_study, plan_of


def artifact(ledger: Ledger, key: str, name: str) -> Path:
    return ledger.folder / "artifacts" / key / name


def flip(path: Path) -> None:
    """A bit of the last tensor: the file can still be loaded."""
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_it_is_computed_again_before_anything_builds_on_it(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    study, ledger = invented_study(tmp_path, until=6)
    steps = plan_of(study, ledger).steps
    train = next(step for step in steps if step.kind == "train" and step.params["method"] == "mwt")
    modularize = next(step for step in steps if step.parents.get("train") == train.key)
    if ledger.get(modularize.key) is None:
        finish(ledger, modularize)
    flip(artifact(ledger, train.key, "network.safetensors"))
    flip(artifact(ledger, modularize.key, "relevance.safetensors"))

    again = Ledger(ledger.folder)
    pending = sound_course(describe(study), again).frontier.pending
    assert {train.key, modularize.key} <= {step.key for step in pending}
    assert len(list((ledger.folder / "quarantine").iterdir())) == len(caplog.records) == 2

    for step in pending:
        finish(again, step)
    assert {step.kind for step in sound_course(describe(study), again).frontier.pending} == {"reuse"}


def test_it_is_not_read(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path)
    reuse = next(step for step in plan_of(study, ledger).steps if step.kind == "reuse")
    for role, name, read in (
        ("train", "network.safetensors", lambda: state_of(ledger, reuse.parents["train"])),
        ("modularize", "relevance.safetensors", lambda: model_arrays(reuse.parents, ledger)),
    ):
        flip(artifact(ledger, reuse.parents[role], name))
        with pytest.raises(UserError, match=f"the result {reuse.parents[role]} that a step builds on is damaged"):
            read()
        assert ledger.get(reuse.parents[role]) is None
