import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nemo.errors import UserError
from orchestrator.plan.step import make_step
from orchestrator.storage import Store
from orchestrator.tracking.spool import Spool

FIRST, SECOND = (make_step("train", {"seed": seed}, {}, {}, f"seed {seed}") for seed in (0, 1))


def row(epoch: int) -> dict[str, float]:
    return {"epoch": float(epoch), "time": 1.79e12 + epoch, "train/loss": 1 / (1 + epoch)}


def test_what_was_appended_is_there_by_training_and_gone_when_cleared(store: Store) -> None:
    spool = Spool(store)
    assert spool.curves() == []
    spool.append(FIRST, [row(0), row(1)])
    spool.append(SECOND, [row(0)])
    Spool(store).append(FIRST, [row(2)])
    assert Spool(store).curves() == [(FIRST, [row(0), row(1), row(2)]), (SECOND, [row(0)])]
    spool.clear()
    assert spool.curves() == []


@given(st.data())
def test_half_a_line_spoils_nothing_else(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    folder = tmp_path_factory.mktemp("study")
    spool, file = Spool(folder), folder / "spool" / "mlflow.jsonl"
    spool.append(FIRST, [row(0)])
    whole = file.stat().st_size
    spool.append(FIRST, [row(1)])
    torn = file.read_bytes()[: data.draw(st.integers(whole, file.stat().st_size - 1))]
    file.write_bytes(torn)
    spool.append(SECOND, [row(2)])
    assert spool.curves() == [(FIRST, [row(0)]), (SECOND, [row(2)])]


@given(st.binary(max_size=200))
def test_whatever_stands_there_is_told_and_left_out(tmp_path_factory: pytest.TempPathFactory, damage: bytes) -> None:
    folder = tmp_path_factory.mktemp("study")
    spool = Spool(folder)
    spool.append(FIRST, [row(0)])
    with (folder / "spool" / "mlflow.jsonl").open("ab") as file:
        file.write(b"\n" + damage)
    assert spool.curves() == [(FIRST, [row(0)])]


@pytest.mark.parametrize("line", ["[]", "{}", '{"rows": 1}', "[" * 100_000, '{"rows": [{"epoch": 0}]}', "\\u0000"])
def test_damage_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture, line: str) -> None:
    spool = Spool(tmp_path)
    spool.append(FIRST, [row(0)])
    with (tmp_path / "spool" / "mlflow.jsonl").open("a") as file:
        file.write(f"\n{line}\n{line}")
    with caplog.at_level(logging.WARNING):
        assert spool.curves() == [(FIRST, [row(0)])]
    assert [record.message for record in caplog.records] == [
        f"{tmp_path}/spool/mlflow.jsonl: 2 damaged lines are left out."
    ]


def test_a_folder_that_takes_nothing_is_named(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("in the way")
    with pytest.raises(UserError, match=f"{tmp_path}/spool: cannot be written"):
        Spool(tmp_path).append(FIRST, [row(0)])
