"""What sweeps have tried, for Optuna's own tools; and what mattered of it."""

from __future__ import annotations

import sys
from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend

from orchestrator.cli import main
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.study_report import report_of
from tests.orchestrator.invented import STUDY, finish, invented_study, plan_of

pytestmark = pytest.mark.slow

GRID = STUDY.replace("lambda_coup: [2.0, 3.0]", "lambda_coup: [1.0, 2.0, 3.0, 4.0], lambda_coh: [0.1, 0.5, 1.0]")
SEARCH = STUDY.replace(
    "{grid: {lambda_coup: [2.0, 3.0]}}",
    "{search: {sampler: nsga2}, trials: 12, space: {lambda_coup: [1.0, 9.0], lambda_coh: [0.1, 2.0]}, "
    "objectives: [accuracy, krr]}",
)


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[str, str]:
    monkeypatch.setattr(sys, "argv", ["nemo", *words])
    with pytest.raises(SystemExit):
        main()
    shown = capsys.readouterr()
    return shown.out, shown.err


def searched(storage: Path, trials: int) -> Ledger:
    _, ledger = invented_study(storage, SEARCH, until=0)
    (search,) = plan_of(invented_study(storage, SEARCH, until=0)[0], ledger).searches
    for number in range(trials):
        point = {"lambda_coup": 1.0 + number % 5, "lambda_coh": 0.1 * (1 + number)}
        ledger.suggest(search.key, number, point, number // 10)
        for step in search.combination.point_steps(point):
            finish(ledger, step)
    return ledger


@pytest.mark.parametrize("suffix", [".db", ".log"])
def test_optuna_reads_a_grid_back(
    suffix: str, storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    invented_study(storage, GRID)
    file = tmp_path / f"swept{suffix}"
    for _ in range(2):  # what is there is replaced
        out, err = said(capsys, monkeypatch, "report", "invented", "--optuna", str(file), "--storage", str(storage))
        assert (out, err) == (f"1 study of Optuna's with 12 trials in {file}\n", "")
    back = (
        optuna.storages.JournalStorage(JournalFileBackend(str(file)))
        if suffix == ".log"
        else optuna.storages.RDBStorage(f"sqlite:///{file}")
    )
    (name,) = optuna.get_all_study_names(back)
    assert name == "grid mwt simcnn/digits seed 0"
    study = optuna.load_study(study_name=name, storage=back)
    assert study.metric_names == ["accuracy", "krr"]
    rows = report_of(Ledger(storage / "invented", readonly=True)).frames
    swept = rows.modularizations.filter(method="mwt", threshold=0.9)
    told = {tuple(trial.values) for trial in study.trials}
    assert told == set(zip(swept["validation_accuracy"], swept["krr"], strict=True))
    assert {trial.params["lambda_coup"] for trial in study.trials} == {1.0, 2.0, 3.0, 4.0}


def test_optuna_reads_a_search_back_with_what_is_not_finished(storage: Path, tmp_path: Path) -> None:
    from orchestrator.report.output import write_swept

    ledger = searched(storage, 3)
    (search,) = plan_of(invented_study(storage, SEARCH, until=0)[0], ledger).searches
    ledger.suggest(search.key, 3, {"lambda_coup": 8.5, "lambda_coh": 0.3}, 0)
    write_swept(ledger.store, tmp_path / "swept.db")
    url = f"sqlite:///{tmp_path / 'swept.db'}"
    study = optuna.load_study(study_name="nsga2 mwt simcnn/digits seed 0", storage=url)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"] * 3 + ["RUNNING"]
    assert [direction.name for direction in study.directions] == ["MAXIMIZE", "MINIMIZE"]


def test_a_study_without_a_sweep_has_nothing_for_optuna(
    storage: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    invented_study(storage, STUDY.replace("sweep: {mwt: {grid: {lambda_coup: [2.0, 3.0]}}}\n", ""), until=0)
    file = tmp_path / "swept.db"
    _, err = said(capsys, monkeypatch, "report", "invented", "--optuna", str(file), "--storage", str(storage))
    assert err.strip() == "nemo: --optuna: invented sweeps nothing, so there is nothing that Optuna could show."
    assert not file.exists()


def test_what_mattered_is_told_of_enough_points(storage: Path) -> None:
    _, ledger = invented_study(storage, GRID)
    (table,) = report_of(ledger).tables["importances"]
    assert table.title == "What mattered: grid mwt simcnn/digits seed 0"
    assert table.columns == ("Setting", "Of Validation accuracy %", "Of KRR %")
    assert {row[0] for row in table.rows} == {"lambda_coup", "lambda_coh"}
    for place in (1, 2):
        assert sum(float(row[place]) for row in table.rows) == pytest.approx(100.0, abs=0.2)
    assert "of 12 finished points" in table.note


def test_few_points_tell_nothing(storage: Path) -> None:
    assert report_of(searched(storage, 9)).tables["importances"] == []


def test_a_search_tells_what_mattered(storage: Path) -> None:
    (table,) = report_of(searched(storage, 12)).tables["importances"]
    assert table.title == "What mattered: nsga2 mwt simcnn/digits seed 0"


def test_of_many_points_a_hundred_are_looked_at(storage: Path) -> None:
    values = ", ".join(str(1 + number / 10) for number in range(60))
    _, ledger = invented_study(storage, GRID.replace("1.0, 2.0, 3.0, 4.0", values))
    (table,) = report_of(ledger).tables["importances"]
    assert "of 100 of the 180 finished points" in table.note
