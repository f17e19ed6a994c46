"""Early stopping by Ray Tune's own schedulers: told of epochs as trials tell of them, without a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from ray.tune.experiment import Trial

from orchestrator.cluster.cluster import Cluster
from orchestrator.execution.early_stopping import PerSearch
from orchestrator.execution.worker import message
from orchestrator.plan.combination_plan import Search
from orchestrator.plan.planner import plan
from orchestrator.study.data import DescribedStudy
from tests.orchestrator.driving import Drive
from tests.orchestrator.execution.test_scheduler import assert_nothing_is_held, searching
from tests.orchestrator.study_examples import DESCRIPTIONS, study

EPOCHS = 20


def search(early_stopping: Any, method: str = "mwt", **changes: Any) -> Search:
    sweep = {"search": "random", "trials": 6, "space": {"lr": [0.01, 0.1]}, "early_stopping": early_stopping, **changes}
    fields = {"methods": [method], "recipe": {"epochs": EPOCHS, "validation": 0.1}, "sweep": {method: sweep}}
    (found,) = plan(DescribedStudy(study(**fields), DESCRIPTIONS), {}).searches
    return found


def ended(wanted: Search, curves: list[float], metric: str = "validation/accuracy") -> list[int]:
    """After how many epochs trials of these constant values end that run one after the other."""
    scheduler = PerSearch([wanted])
    epochs = []
    for number, value in enumerate(curves):
        step = wanted.combination.train({"lr": 0.01 + 0.001 * number})
        config = {"steps": [step], "search": wanted.key, "number": number}
        trial = Trial("run_trial", config=config, stub=True)
        scheduler.on_trial_add(None, trial)
        decision = scheduler.on_trial_result(None, trial, message([]))
        epoch = 0
        while decision == "CONTINUE" and epoch < EPOCHS:
            told = message([{"epoch": float(epoch), metric: value}])
            decision = scheduler.on_trial_result(None, trial, told)
            epoch += 1
        epochs.append(epoch)
        scheduler.on_trial_complete(None, trial, told)
    return epochs


@pytest.mark.parametrize("rule", ["asha", "median"])
@pytest.mark.parametrize(("metric", "sign"), [("validation/accuracy", 1), ("validation/loss", -1), ("train/loss", -1)])
def test_weak_trials_end_after_the_grace_and_the_best_ones_at_their_end(rule: str, metric: str, sign: int) -> None:
    wanted = search({"scheduler": rule, "metric": metric, "grace": 0.2})
    curves = [sign * value for value in (0.5, 0.6, 0.7, 0.1, 0.9)]
    assert ended(wanted, curves, metric) == [EPOCHS, EPOCHS, EPOCHS, 4, EPOCHS]


def test_hyperband_gives_some_trials_longer_than_asha_does() -> None:
    curves = [0.9 - 0.001 * number for number in range(40)]
    asha, hyperband = ended(search("asha"), curves), ended(search("hyperband"), curves)
    assert set(asha) == {EPOCHS, 2}
    assert {2, 6} <= set(hyperband)
    assert hyperband.count(EPOCHS) > asha.count(EPOCHS)


def test_no_trial_is_ended_at_its_last_epoch() -> None:
    fields = {"space": {"lr": [0.01, 0.1], "epochs": [2, 18]}}
    wanted = search({"scheduler": "asha", "grace": 0.12}, **fields)  # rungs at 2, 6 and 18
    scheduler = PerSearch([wanted])
    for epochs in (18, 2, 6, 18):
        step = wanted.combination.train({"lr": 0.02, "epochs": epochs})
        trial = Trial("run_trial", config={"steps": [step], "search": wanted.key}, stub=True)
        scheduler.on_trial_add(None, trial)
        for epoch in range(epochs):
            row = {"epoch": float(epoch), "validation/accuracy": 1 / epochs if epoch + 1 == epochs else 0.9}
            assert scheduler.on_trial_result(None, trial, message([row])) == "CONTINUE"


def test_words_keep_their_keys_and_what_says_the_same_has_them() -> None:
    asha = search("asha").key
    assert asha == search({"scheduler": "asha"}).key
    assert asha == search({"scheduler": "asha", "metric": "validation/accuracy", "mode": "max", "grace": 0.1}).key
    others = [search(each).key for each in ("median", "hyperband", {"scheduler": "asha", "grace": 0.3}, None)]
    assert len({asha, *others}) == 5


@pytest.mark.parametrize(
    ("method", "early_stopping", "told"),
    [
        ("mwt", {"scheduler": "asha", "metric": "test/accuracy"}, "is measured on test images, on which nothing is"),
        ("mwt", {"scheduler": "asha", "metric": "train/cohesion"}, "mode: is missing, say whether train/cohesion"),
        ("mwt", {"scheduler": "asha", "metric": "train/contrastive", "mode": "min"}, "metric: 'train/contrastive' is"),
        ("nemo", {"scheduler": "asha", "metric": "validation/los", "mode": "min"}, "did you mean 'validation/loss'?"),
        ("mwt", {"scheduler": "asha", "grace": 1}, "grace: "),
        ("mwt", "ashes", "early_stopping: "),
    ],
)
def test_what_cannot_stop_is_refused(method: str, early_stopping: Any, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        search(early_stopping, method)
    ((place, text),) = [(error["loc"], error["msg"]) for error in refused.value.errors()]
    assert told in f"{place[-1]}: {text}"


def test_another_metric_goes_with_another_objective() -> None:
    stopping = {"scheduler": "median", "metric": "validation/sample_krr", "mode": "min"}
    assert search(stopping, objectives=["krr"]).sweep.stopping is not None
    with pytest.raises(ValidationError, match=r"set objectives to \[accuracy\], or name another metric"):
        search("median", objectives=["krr"])


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(
    ("rule", "metric", "by"),
    [("hyperband", "train/loss", "HyperBand"), ("median", "validation/loss", "the median stopping rule")],
)
def test_some_trials_end_early_and_none_hangs(
    cluster: Cluster, tmp_path: Path, rule: str, metric: str, by: str
) -> None:
    recipe = {"epochs": 5, "batch_size": 32, "validation": 0.2}
    space = {"lr": {"low": 1e-6, "high": 0.1, "log": True}}
    stopping = {"scheduler": rule, "metric": metric}
    changes = searching(search="random", trials=6, space=space, early_stopping=stopping)
    drive = Drive(tmp_path, cluster, {**changes, "recipe": recipe})
    drive.train()
    stopped = drive.told("stopped")
    assert stopped and len(stopped) + len(drive.told("finished")) == 6
    assert all(event.reason.endswith(f"by {by}") for event in stopped)
    assert_nothing_is_held(cluster)
