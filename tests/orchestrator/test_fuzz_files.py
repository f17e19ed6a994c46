"""Fuzzing the files that we read: damage is refused with a sentence or quarantined, and nothing else happens."""

from __future__ import annotations

import io
import json
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from nemo.backbones.vit_config import read_config
from nemo.backbones.vit_fields import FIELDS
from nemo.datasets import load_dataset
from nemo.datasets.images import decode
from nemo.errors import UserError
from nemo.modularizing import Relevance, load_relevance, save_relevance
from orchestrator.cluster.orphan import end_orphan
from orchestrator.computing.networks import state_of
from orchestrator.ledger.lease import Clock, Lease, Owner, read_owner
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.results import Trial
from orchestrator.study.file import load_study_file
from orchestrator.study.study import Study
from orchestrator.tracking.spool import Spool
from tests import pictures
from tests.orchestrator.invented import invented_study, plan_of
from tests.orchestrator.study_examples import SWEPT

pytestmark = pytest.mark.heavy

TOKENS = [b"NaN", b"-1", b"1e999", b"null", b"[]", b"{}", b'"', b"\0", b"\xff", b"9" * 400, b"[" * 3000, b"../../x"]


@st.composite
def damaged(draw: st.DrawFn, whole: bytes) -> bytes:
    """Bytes with a bit flipped, a part lost, doubled or replaced, or the end cut off; up to three times."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, max(0, len(data) - 1)))
        end = min(len(data), start + draw(st.integers(1, 40)))
        match draw(st.sampled_from(["flip", "lose", "double", "replace", "token", "cut"])):
            case "flip" if data:
                data[start] ^= 1 << draw(st.integers(0, 7))
            case "lose":
                del data[start:end]
            case "double":
                data[start:start] = data[start:end]
            case "replace":
                data[start:end] = draw(st.binary(max_size=8))
            case "token":
                data[start:end] = draw(st.sampled_from(TOKENS))
            case _:
                del data[start:]
    return bytes(data)


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Thousands of warnings about damage are what is expected here."""
    caplog.set_level(logging.ERROR)


@settings(max_examples=150)
@given(damaged(SWEPT.encode()))
def test_study_files(data: bytes) -> None:
    with folder() as here:
        (here / "study.yaml").write_bytes(data)
        try:
            assert isinstance(load_study_file(here / "study.yaml"), Study)
        except UserError as error:
            assert str(error).startswith(f"{here}/study.yaml")


@dataclass(frozen=True)
class Finished:
    """A finished study: where it is, and the keys of a training and of a relevance pass in it."""

    ledger: Ledger
    train: str


@pytest.fixture(scope="module")
def finished() -> Iterator[Finished]:
    with folder() as here:
        study, ledger = invented_study(here, until=2)
        ledger.suggest("search", 3, {"alpha": 0.5})
        done = [step for step in plan_of(study, ledger).steps if ledger.get(step.key)]
        yield Finished(ledger, next(step.key for step in done if step.kind == "train"))


@contextmanager
def instead(path: Path, data: bytes) -> Iterator[bytes]:
    """Another content of a file while the block runs; yields its own."""
    own = path.read_bytes()
    path.write_bytes(data)
    try:
        yield own
    finally:
        path.write_bytes(own)


@settings(max_examples=100)
@given(data=st.data())
def test_results(finished: Finished, data: st.DataObject) -> None:
    path = finished.ledger.folder / "ledger" / "train" / f"{finished.train}.json"
    whole = finished.ledger.get(finished.train)
    with instead(path, data.draw(damaged(path.read_bytes()))):
        found = Ledger(finished.ledger.folder).get(finished.train)
        assert found in (None, whole)
        assert path.exists() == (found is not None)


@settings(max_examples=100)
@given(data=st.data())
def test_suggestions(finished: Finished, data: st.DataObject) -> None:
    path = finished.ledger.folder / "ledger" / "searches" / "search" / "00003.json"
    with instead(path, data.draw(damaged(path.read_bytes()))):
        assert Ledger(finished.ledger.folder).suggestions("search") in ([], [Trial(3, {"alpha": 0.5})])


@settings(max_examples=60)
@given(data=st.data())
def test_segments(finished: Finished, data: st.DataObject) -> None:
    finished.ledger.fold(at_least=1)
    whole = dict(finished.ledger.results("train"))
    (path,) = (finished.ledger.folder / "ledger" / "segments" / "train").glob("*.parquet")
    with instead(path, data.draw(damaged(path.read_bytes()))):
        assert dict(Ledger(finished.ledger.folder).results("train")) == whole


@settings(max_examples=60)
@given(data=st.data())
def test_artifacts(finished: Finished, data: st.DataObject) -> None:
    result = finished.ledger.folder / "ledger" / "train" / f"{finished.train}.json"
    path = finished.ledger.folder / "artifacts" / finished.train / "network.safetensors"
    with instead(result, result.read_bytes()), instead(path, data.draw(damaged(path.read_bytes()))) as own:
        ledger = Ledger(finished.ledger.folder)
        if path.read_bytes() == own:
            assert state_of(ledger, finished.train)
        else:
            with pytest.raises(UserError, match="damaged or missing"):
                state_of(ledger, finished.train)


def _relevance() -> bytes:
    counts = [torch.tensor([[1, 2, 0], [2, 0, 1]]), torch.tensor([[1, 1], [0, 2]])]
    means = [count / 2 for count in counts]
    packed, labels = torch.zeros(4, 1, dtype=torch.uint8), torch.tensor([0, 0, 1, 1])
    with folder() as here:
        save_relevance(Relevance(counts, torch.tensor([2, 2]), means, packed, labels), here / "relevance.safetensors")
        return (here / "relevance.safetensors").read_bytes()


@settings(max_examples=200)
@example(_relevance().replace(b'"labels"', b'"mabels"'))
@given(damaged(_relevance()))
def test_relevance(data: bytes) -> None:
    with folder() as here:
        path = here / "relevance.safetensors"
        path.write_bytes(data)
        try:
            assert isinstance(load_relevance(path), Relevance)
        except UserError as error:
            assert str(error).startswith(str(path))


def _parquet() -> bytes:
    with folder() as here:
        return (pictures.write_parquet(here / "data", train=2, test=1, size=8) / "train.parquet").read_bytes()


PARQUET = _parquet()


@settings(max_examples=120)
@example(PARQUET[:5] + b"\x06" + PARQUET[6:])  # a page of another kind: the labels are there, the images are not
@given(damaged(PARQUET))
def test_parquet_files(data: bytes) -> None:
    with folder() as here:
        (here / "train.parquet").write_bytes(data)
        (here / "test.parquet").write_bytes(PARQUET)
        try:
            assert len(load_dataset(f"parquet:{here}", image_size=8).classes) >= 2
        except UserError as error:
            assert str(here) in str(error)


def _picture(kind: str) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(pictures.shape(0, 0, 24))).save(out, kind)
    return out.getvalue()


@settings(max_examples=200)
@given(st.one_of(damaged(_picture("PNG")), damaged(_picture("JPEG"))))
def test_images(data: bytes) -> None:
    try:
        found = decode(data, 16, "the image")
        assert found.shape == (3, 16, 16) and found.dtype == np.uint8
    except UserError as error:
        assert str(error).startswith("the image ")


CONFIGURATION = {
    "model_type": "deit",
    "hidden_size": 24,
    "num_attention_heads": 3,
    "patch_size": 4,
    "hidden_act": "gelu",
}


@settings(max_examples=150)
@given(damaged(json.dumps({**CONFIGURATION, "id2label": {"0": "cat"}}).encode()))
def test_configurations(data: bytes) -> None:
    with folder() as here:
        (here / "config.json").write_bytes(data)
        try:
            assert read_config(f"vit:{here}").keys() <= FIELDS.keys()
        except UserError as error:
            assert str(error).startswith("backbone: ")


@settings(max_examples=100)
@given(
    st.dictionaries(
        st.sampled_from([*FIELDS]), st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text())
    )
)
def test_configurations_with_other_values(fields: dict[str, object]) -> None:
    try:
        assert read_config(f"vit:{json.dumps(fields)}").keys() <= FIELDS.keys()
    except UserError as error:
        assert str(error).startswith("backbone: the configuration ")


class Quick(Clock):
    """A clock whose minutes take no time."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds


def _lock() -> bytes:
    with folder() as here:
        Lease(here).take()
        return (here / "lock").read_bytes()


LOCK = _lock()


@settings(max_examples=150)
@given(damaged(LOCK))
def test_leases(data: bytes) -> None:
    with folder() as here:
        (here / "lock").write_bytes(data)
        owner = read_owner(here)
        assert owner is None or (isinstance(owner, Owner) and owner.process.alive in (None, True, False))
        try:
            Lease(here, clock=Quick()).take()
            assert read_owner(here) is not None
        except UserError as error:
            assert str(error).startswith(f"{here}/lock: this study is already run by process ")


@settings(max_examples=150)
@given(damaged(json.dumps({"marker": "none", "temp": "/tmp/nemo-none", "processes": [[1, 1.5], [2, 2.5]]}).encode()))
def test_records_of_a_head(data: bytes) -> None:
    with folder() as here:
        (here / "ray").mkdir()
        (here / "ray" / "head.json").write_bytes(data)
        assert end_orphan(here) == 0


def _spooled() -> bytes:
    study, ledger = yaml.safe_load(SWEPT), None
    with folder() as here:
        study, ledger = invented_study(here, until=1)
        step = plan_of(study, ledger).steps[0]
        Spool(ledger.folder).append(step, [{"epoch": 0.0, "time": 1.0, "seconds": 2.0}])
        Spool(ledger.folder).append(step, [{"epoch": 1.0, "time": 3.0, "seconds": 2.0}])
        return (ledger.folder / "spool" / "mlflow.jsonl").read_bytes()


@settings(max_examples=150)
@given(damaged(_spooled()))
def test_spools(data: bytes) -> None:
    with folder() as here:
        (here / "spool").mkdir()
        (here / "spool" / "mlflow.jsonl").write_bytes(data)
        for step, rows in Spool(here).curves():
            assert step.key and all({"epoch", "time"} <= row.keys() for row in rows)
