"""What sweeps may hold, in one run: a search at two widths, over the recipe too, constrained, and warm."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from orchestrator.cluster.cluster import Cluster
from orchestrator.plan.search import Adaptive
from orchestrator.report.study_report import report_of
from orchestrator.study.early_stopping import metrics_of
from tests import tiny
from tests.orchestrator.driving import Drive

pytestmark = pytest.mark.ray

PAIR = {**tiny.STUDY["pairs"][0], "width": [0.0625, 0.125]}
SPACE = {"lr": {"low": 0.01, "high": 0.1, "log": True}, "epochs": [1, 2], "weight_decay": [0.0, 0.001]}
TRIALS = 3


def study(name: str, sweep: dict[str, object], width: object = PAIR["width"]) -> dict[str, object]:
    return {
        "name": name,
        "pairs": [{**PAIR, "width": width}],
        "methods": ["standard", "mwt"],
        "recipe": {"epochs": 2, "batch_size": 32, "lr": 0.03, "validation": 0.2},
        "sweep": {"mwt": sweep},
        "thresholds": [0.9],
        "subtasks": None,
    }


@pytest.fixture(scope="module")
def searched(cluster: Cluster) -> Iterator[Drive]:
    """A search that has ended, after another study that it began with."""
    with tempfile.TemporaryDirectory(prefix="nemo-") as storage:
        points = [{"lr": 0.03, "weight_decay": 0.0005}, {"epochs": 1, "lr": 0.2}]
        first = {**study("first", {"list": points}, 0.0625), "methods": ["mwt"]}
        Drive(Path(storage) / "first", cluster, first).train()
        sweep = {
            "search": {"sampler": "tpe", "startup": 2},
            "trials": TRIALS,
            "space": SPACE,
            "constraints": {"accuracy_drop": 0.1},
            "warm_start": "first",
        }
        drive = Drive(Path(storage) / "second", cluster, study("second", sweep))
        drive.train()
        yield drive


def test_every_width_has_its_own_search_and_standard_network(searched: Drive) -> None:
    trained = [event.step.params for event in searched.told("finished")]
    assert sorted(each["width"] for each in trained if each["method"] == "standard") == [0.0625, 0.125]
    for search in searched.plan.searches:
        assert len(searched.ledger.suggestions(search.key)) == TRIALS
        assert search.standard is not None
        width = search.combination.pair.width
        assert searched.ledger.get(search.standard.key, "train")["params"]["width"] == width  # type: ignore[index]
    assert len(searched.plan.searches) == 2


def test_recipes_are_what_the_search_has_suggested(searched: Drive) -> None:
    for search in searched.plan.searches:
        for trial in searched.ledger.suggestions(search.key):
            document = searched.ledger.get(search.combination.train(dict(trial.settings)).key, "train")
            assert document is not None
            assert document["result"]["epochs"] == trial.settings["epochs"]
            assert document["params"]["recipe"]["weight_decay"] == trial.settings["weight_decay"]
            assert set(metrics_of("mwt")) <= set(document["result"]["history"][-1])  # what a search may be stopped by
    told = report_of(searched.ledger).frames.trainings.filter(pl.col("method") == "mwt")["settings"]
    assert len(told) == 2 * TRIALS and all("weight_decay=" in each and "lr=" in each for each in told)


def test_finished_trials_are_judged_and_the_search_began_with_the_other_studys_points(searched: Drive) -> None:
    for search in searched.plan.searches:
        adaptive, start = Adaptive(search, searched.ledger), searched.ledger.warm_start(search.key)
        assert start is not None
        assert len(start.points) == (1 if search.combination.pair.width == 0.0625 else 0)
        finished = [trial for trial in adaptive.optuna.trials if trial.state.name == "COMPLETE"]
        assert all(set(trial.constraints) == {"accuracy_drop"} for trial in finished)
        assert len(finished) == adaptive.counts()[0] + len(start.points)
        assert adaptive.remaining == 0
