"""Sweeps of a recipe's fields: the points, their keys and labels, and what follows from a point's recipe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nemo.recipe import RECALIBRATION
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.plan.search import Adaptive
from orchestrator.plan.step import Step
from orchestrator.report.study_report import report_of
from orchestrator.study.data import DescribedStudy, describe
from orchestrator.study.swept import swept
from tests.orchestrator.invented import STUDY, invented_study
from tests.orchestrator.study_examples import DESCRIPTIONS, of_kind, study


def trained(**fields: Any) -> list[Step]:
    return of_kind(plan(DescribedStudy(study(**fields), DESCRIPTIONS), {}), "train")


def test_a_point_has_the_key_of_a_training_whose_recipe_says_the_same() -> None:
    changed = {"epochs": 3, "batch_size": 16, "weight_decay": 0.001, "optimizer": "adamw", "warmup": 1, "as_cut": 0.5}
    (swept_one,) = trained(methods=["mwt"], sweep={"mwt": {"list": [changed]}})
    (written,) = trained(methods=["mwt"], recipe=changed)
    assert swept_one.key == written.key
    told = "epochs=3 batch_size=16 weight_decay=0.001 optimizer=adamw warmup=1 as_cut=0.5"
    assert swept_one.label == written.label.replace(" seed 0", f" {told} seed 0")


def test_every_number_and_word_may_be_swept_and_what_is_ignored_may_not() -> None:
    assert {"epochs", "batch_size", "lr_warmup", "gate", "precision", "augment", "saturation"} <= set(swept("mwt"))
    assert {"validation", "nesterov", "train_only", "compile", "variant"}.isdisjoint(swept("mwt"))
    assert "variant" in swept("nemo")
    assert {"gate", "lr_mask"}.isdisjoint(swept("moda"))
    assert "epochs" not in swept("cnnsplitter")


def test_modules_follow_the_recipe_of_their_point() -> None:
    fields = {"methods": ["mwt"], "sweep": {"mwt": {"grid": {"as_cut": [0.0, 0.5]}}}, "subtasks": {"classes": [[0, 1]]}}
    plain, rehearsed = of_kind(plan(DescribedStudy(study(**fields), DESCRIPTIONS), {}), "reuse")
    assert (plain.params["head"], plain.params.get("recalibration")) == ("paper", None)
    assert (rehearsed.params["head"], rehearsed.params["recalibration"]) == ("slice", RECALIBRATION)


def test_a_search_suggests_whole_numbers_where_a_recipe_has_them(tmp_path: Path) -> None:
    space = {"epochs": [1, 4], "batch_size": {"low": 16, "high": 64, "log": True}, "momentum": [0.1, 0.9]}
    sweep = {"search": "random", "trials": 6, "space": {**space, "optimizer": {"choices": ["sgd", "adamw"]}}}
    wanted = study(methods=["mwt"], recipe={"validation": 0.1}, sweep={"mwt": sweep})
    ledger = Ledger(tmp_path)
    (search,) = plan(describe(wanted), ledger).searches
    adaptive = Adaptive(search, ledger)
    for _ in range(6):
        _, (step,) = adaptive.next() or (0, [])
        recipe = step.params["recipe"]
        assert isinstance(recipe["epochs"], int) and 1 <= recipe["epochs"] <= 4
        assert isinstance(recipe["batch_size"], int) and 16 <= recipe["batch_size"] <= 64
    assert Adaptive(search, Ledger(tmp_path)).remaining == 6  # in flight, read back


@pytest.mark.heavy
def test_the_report_names_what_was_swept(storage: Path) -> None:
    grid = "grid: {epochs: [2, 3], weight_decay: [0.0, 0.001], augment: [none, crop]}"
    _, ledger = invented_study(storage, STUDY.replace("grid: {lambda_coup: [2.0, 3.0]}", grid))
    frames = report_of(ledger).frames
    told = set(frames.trainings.filter(method="mwt")["settings"])
    assert len(told) == 8
    assert "lambda_coh=0.5 lambda_coup=1.5 epochs=3 weight_decay=0.001 augment=crop" in told
