"""`warm_start`: finished points of another study become the first trials of a search, once and for all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.warm_start import keep_warm_starts, warm_start_notes, warm_start_of
from orchestrator.plan.combination_plan import Search
from orchestrator.plan.planner import plan
from orchestrator.plan.search import Adaptive
from orchestrator.report.fronts import front_table
from orchestrator.report.status import overview
from orchestrator.storage import store_at
from orchestrator.study.data import describe
from orchestrator.study.study import Study

PAIR = {"backbone": "simcnn", "dataset": "digits", "width": 0.125}
SPACE = {"lambda_coup": [0.5, 3.0], "epochs": [1, 4]}
POINTS = [{"lambda_coup": coup, "epochs": epochs} for coup in (1.0, 2.0, 4.0) for epochs in (2, 3)]


def study(name: str, sweep: dict[str, Any], **changes: Any) -> Study:
    fields = {
        "name": name,
        "pairs": [PAIR],
        "methods": ["standard", "mwt"],
        "recipe": {"epochs": 1, "validation": 0.1},
        "sweep": {"mwt": sweep},
        **changes,
    }
    return Study.model_validate(fields)


def accuracy(point: dict[str, Any]) -> float:
    return 1 - 0.1 * abs(float(point["lambda_coup"]) - 1.5) - 0.01 * int(point["epochs"])


def finish(ledger: Ledger, search: Search, point: dict[str, Any]) -> None:
    train, modularize, measure = search.combination.point_steps(point)
    ledger.put(train, {"accuracy": 0.0, "validation_accuracy": accuracy(point)})
    ledger.put(modularize, {})
    ledger.put(measure, {"krr": 1 / (1 + float(point["lambda_coup"]))})


def searching(sampler: str = "nsga2", **changes: Any) -> dict[str, Any]:
    size = {"nsga2": {"population": 3}, "gp": {"startup": 2}, "tpe": {"startup": 2}}[sampler]
    sweep = {"search": {"sampler": sampler, **size}, "trials": 8, "space": SPACE, "objectives": ["accuracy", "krr"]}
    return {**sweep, "warm_start": "first", **changes}


def first(storage: Path, points: list[dict[str, Any]] = POINTS) -> None:
    """Another study, whose points are finished, and a standard network, which no search takes."""
    made = study("first", {"list": points}, seeds=[7])
    ledger = Ledger(storage / "first")
    search = search_of(study("first", {**searching(), "warm_start": None}, seeds=[7]), ledger)
    ledger.put(search.combination.train({}), {"accuracy": 0.0, "validation_accuracy": None})
    for step in plan(describe(made), ledger).steps:
        if step.params.get("method") == "standard":
            ledger.put(step, {"accuracy": 0.0, "validation_accuracy": 0.9})
    for point in points:
        finish(ledger, search, point)


def search_of(wanted: Study, ledger: Ledger) -> Search:
    (search,) = plan(describe(wanted), ledger).searches
    return search


def suggested(storage: Path, name: str, *, interrupted: bool = False, **changes: Any) -> list[dict[str, Any]]:
    """What a search suggests; the other study grows meanwhile."""
    ledger = Ledger(storage / name)
    search = search_of(study(name, searching(**changes)), ledger)
    keep_warm_starts([search], ledger)
    if search.standard is not None:
        ledger.put(search.standard, {"accuracy": 0.0, "validation_accuracy": 0.95})
    adaptive = Adaptive(search, ledger)
    while True:
        if interrupted:
            first(storage, [{"lambda_coup": 1.5, "epochs": 1}])
            keep_warm_starts([search], ledger)
            adaptive = Adaptive(search, ledger)
        given = adaptive.next()
        if given is None:
            return [dict(trial.settings) for trial in ledger.suggestions(search.key)]
        (told,) = [each for each in ledger.suggestions(search.key) if each.number == given[0]]
        finish(ledger, search, dict(told.settings))
        adaptive.tell(given[0])


SAMPLERS = [pytest.param("tpe", marks=pytest.mark.slow), pytest.param("gp", marks=pytest.mark.slow), "nsga2"]


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("constraints", [None, {"accuracy_drop": 0.05}], ids=["free", "constrained"])
def test_a_resumed_search_knows_what_it_was_started_with(sampler: str, constraints: Any, tmp_path: Path) -> None:
    first(tmp_path)
    changes = {"sampler": sampler, "constraints": constraints}
    straight = suggested(tmp_path, "second", **changes)
    first(tmp_path / "again")
    assert straight == suggested(tmp_path / "again", "second", interrupted=True, **changes)
    assert len(straight) == 8
    assert straight != suggested(tmp_path / "again", "cold", **{**changes, "warm_start": None})


def test_what_does_not_fit_is_left_out_and_told(tmp_path: Path) -> None:
    first(tmp_path)
    wanted, ledger = study("second", searching()), Ledger(tmp_path / "second")
    search = search_of(wanted, ledger)
    start = warm_start_of(search, ledger)
    assert start is not None
    assert {tuple(point.settings.values()) for point in start.points} == {(1.0, 2), (1.0, 3), (2.0, 2), (2.0, 3)}
    assert all(point.values["accuracy"] == point.accuracy == accuracy(dict(point.settings)) for point in start.points)
    assert warm_start_notes([search], ledger) == [
        "nsga2 mwt simcnn/digits seed 0: 4 points of first start it; left out: 1 of another network, data set or "
        "method; 2 outside of the space; 1 without what the search is for, measured on validation images or at its "
        "threshold."
    ]
    assert ledger.warm_start(search.key) is None  # a plan touches nothing
    assert warm_start_notes([search], ledger)[0] in overview(describe(wanted), store_at(tmp_path)).notes


def test_another_network_or_data_set_gives_nothing(tmp_path: Path) -> None:
    first(tmp_path)
    for pair in ({**PAIR, "width": 0.25}, {**PAIR, "dataset_options": {"train_images": 300}}):
        ledger = Ledger(tmp_path / "second")
        start = warm_start_of(search_of(study("second", searching(), pairs=[pair]), ledger), ledger)
        assert start is not None and start.points == ()


def test_the_front_is_of_the_searchs_own_trials(tmp_path: Path) -> None:
    first(tmp_path)
    suggested(tmp_path, "second")
    ledger = Ledger(tmp_path / "second")
    search = search_of(study("second", searching()), ledger)
    adaptive = Adaptive(search, ledger)
    assert adaptive.counts() == (8, 0)
    assert len(adaptive.optuna.trials) == 8 + 4
    settings = [trial.settings for trial in ledger.suggestions(search.key)]
    assert all(settings[number] == point for number, point, _ in adaptive.front())
    table = front_table(search, ledger)
    assert table is not None and "It was started with 4 of the points of first." in table.note


def test_a_study_that_is_not_there_is_refused_before_anything_runs(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "second")
    search = search_of(study("second", searching(warm_start="frist")), ledger)
    with pytest.raises(UserError, match=r"^sweep\.mwt\.warm_start: no study 'frist' under .*"):
        keep_warm_starts([search], ledger)


def test_it_is_part_of_the_searchs_key(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "second")
    keys = {search_of(study("second", searching(warm_start=name)), ledger).key for name in ("first", "other", None)}
    assert len(keys) == 3


@pytest.mark.parametrize(
    ("sweep", "told"),
    [
        (searching(warm_start="second"), "is the study itself, name another one or remove it."),
        (searching(search="random"), "teaches random nothing, remove it or choose another sampler."),
        ({"grid": {"lr": [0.1]}, "warm_start": "first"}, "belongs to a search"),
    ],
)
def test_what_means_nothing_is_refused(sweep: dict[str, Any], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        study("second", sweep)
