"""A fixed sample of the kill matrix; `make test-faults` runs all of it, and docs/reliability.md shows its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.study.file import load_study_file
from tests.faults.matrix.history import History, differences, numbers
from tests.faults.matrix.kills import CELLS, Kill, histories
from tests.orchestrator.in_process import finish_study

FEW = [
    Kill("training process", "training", 1),
    Kill("every process, temporary files too", "training", 1),
    Kill("task worker", "fan-out", 1),
    Kill("driver and its Ray head", "fan-out", 1),
]


@pytest.mark.ray
@pytest.mark.faults
@pytest.mark.slow
def test_a_study_that_is_killed_twice(tmp_path: Path) -> None:
    history = History(tmp_path, FEW[1:3], 0, short=True)
    found = history.run()
    finish_study(load_study_file(history.study, []), tmp_path / "undisturbed")
    assert differences(found, numbers(tmp_path / "undisturbed")) == []
    assert len(history.done) >= 1  # a fast machine may outrun the last


@pytest.mark.ray
@pytest.mark.faults
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_study_that_is_killed_again_and_again(tmp_path: Path) -> None:
    for name in ("killed", "undisturbed"):
        (tmp_path / name).mkdir()
    history = History(tmp_path / "killed", FEW, 0)
    assert differences(history.run(), History(tmp_path / "undisturbed", [], 0).run()) == []
    assert len(history.done) >= sum(kill.times for kill in FEW) - 1  # a fast machine may outrun the last


@pytest.mark.parametrize("seed", range(20))
def test_every_cell_of_the_matrix_is_dealt(seed: int) -> None:
    dealt = histories(seed, repeats=1, at_most=12)
    kills = [kill for hand in dealt for kill in hand]
    assert sum(kill.times for kill in kills) >= 100
    assert set(kills) == set(CELLS)
    for hand in dealt:
        assert len({kill.workers for kill in hand}) == 1
        assert [kill.stage for kill in hand].count("closing") <= 1
