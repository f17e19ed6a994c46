"""The studies on digits that come with the project, run whole: what the README promises of them holds."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from tests import tiny

pytestmark = [pytest.mark.studies, pytest.mark.ray, pytest.mark.timeout(2400)]
STUDIES = Path(__file__).parents[2] / "studies"


@pytest.fixture(autouse=True)
def in_the_projects_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(STUDIES.parent)


def run(name: str, storage: Path, *overrides: str) -> dict[str, Any]:
    words = [word for override in overrides for word in ("--set", override)]
    ended = tiny.nemo("run", STUDIES / f"{name}.yaml", "--storage", storage, *words, timeout=2300)
    assert ended.returncode == 0, ended.stderr
    return tiny.report(storage, name)


def test_the_quickstart_holds_for_three_seeds(tmp_path: Path) -> None:
    report = run("quickstart", tmp_path, "seeds=[0,1,2]")
    standard = {row["seed"]: row for row in report["trainings"] if row["method"] == "standard"}
    assert set(standard) == {0, 1, 2}
    assert all(row["accuracy"] >= 0.95 for row in standard.values())
    chosen = {row["training"] for row in report["subtasks"]}  # on the validation images: `from: best`
    assert len(chosen) == 2 * 3
    for row in report["modularizations"]:
        if row["training"] in chosen and row["threshold"] == 0.9:
            assert row["accuracy"] >= standard[row["seed"]]["accuracy"] - 0.02
            assert row["krr"] <= 0.6
    pairs = defaultdict(list)
    for row in report["subtasks"]:
        if len(row["classes"]) == 2 and row["control"] is None:
            pairs[row["method"], row["seed"]].append(row)
    assert len(pairs) == 2 * 3
    for (method, _), rows in pairs.items():
        assert fmean(row["standard_accuracy"] - row["accuracy"] for row in rows) <= 0.01
        assert fmean(row["flops_reduction"] for row in rows) >= {"mwt": 0.25, "nemo": 0.2}[method]
        assert fmean(row["accuracy_before_finetuning"] for row in rows) >= 0.97  # docs/modules-as-cut.md


def test_a_search_with_two_objectives_ends_with_its_front(tmp_path: Path) -> None:
    report = run("digits-optuna", tmp_path)
    assert len([row for row in report["trainings"] if row["method"] == "mwt"]) == 8
    shown = tiny.nemo("report", "digits-optuna", "--storage", tmp_path, "--format", "md").stdout
    assert "Pareto front" in shown
    assert "Of 8 finished trials" in shown


def test_asha_stops_some_trials_and_ends(tmp_path: Path) -> None:
    report = run("digits-asha", tmp_path)
    assert 0 < len(report["trainings"]) < 6
    shown = tiny.nemo("report", "digits-asha", "--storage", tmp_path, "--format", "md").stdout
    assert f"Of {len(report['trainings'])} finished trials and {6 - len(report['trainings'])} that were" in shown


def test_a_search_at_two_widths_says_how_many_keep_to_its_constraint(tmp_path: Path) -> None:
    report = run("digits-search", tmp_path)
    assert {row["width"] for row in report["trainings"] if row["method"] == "standard"} == {0.0625, 0.125}
    shown = tiny.nemo("report", "digits-search", "--storage", tmp_path, "--format", "md").stdout
    assert shown.count("of the finished ones are at most 5.00 points below the standard network's accuracy") == 2


def test_a_wide_fan_out(tmp_path: Path) -> None:
    report = run("digits-subtasks", tmp_path)
    assert len(report["subtasks"]) == 330
    assert len({(row["threshold"], tuple(row["classes"])) for row in report["subtasks"]}) == 330


def test_narrow_transformers_learn_the_digits_and_fall_apart(tmp_path: Path) -> None:
    report = run("digits-transformers", tmp_path)
    assert {row["backbone"] for row in report["trainings"]} == {"vit:vit-tiny", "vit:deit-tiny", "resnet18"}
    assert all(row["accuracy"] > 0.9 for row in report["trainings"])
    assert all(row["krr"] < 1 for row in report["modularizations"])
    assert all(0 < row["weight_retention"] < 1 for row in report["subtasks"])


def test_all_methods_stand_side_by_side(tmp_path: Path) -> None:
    report = run("digits-methods", tmp_path)
    trained = {row["method"]: row for row in report["trainings"]}
    assert set(trained) == {"standard", "mwt", "nemo", "moda", "cnnsplitter"}
    for method in ("mwt", "nemo", "moda"):
        assert trained[method]["accuracy"] >= trained["standard"]["accuracy"] - 0.03
    measured = {row["method"]: row for row in report["modularizations"]}
    assert set(measured) == set(trained) - {"standard"}
    for row in measured.values():
        assert 0 < row["krr"] < 1
        assert row["cohesion"] > row["coupling"]
    tuned = {(row["method"], len(row["classes"])) for row in report["subtasks"]}
    assert tuned == {(method, size) for method in measured for size in (2, 3)}
