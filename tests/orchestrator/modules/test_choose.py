"""Which network a module is cut from: the plan's own choice where it made one, and never on test images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from nemo.datasets import Description
from nemo.datasets.naming import parse_classes
from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.choose import Choice, choose, class_numbers, threshold_of
from orchestrator.study.data import describe
from orchestrator.study.study import Study
from tests.orchestrator.invented import STUDY, finish, invented_study, plan_of

ONE_METHOD = STUDY.replace("nemo: {alpha: 1.0}", "").replace("mwt: {},", "mwt: {}")
NO_VALIDATION = STUDY.replace(", validation: 0.1", "").replace("from: best", "from: every")


def chosen(study: Study, ledger: Ledger, classes: Sequence[str] = ("3", "5"), run: str | None = None) -> Choice:
    return choose(describe(study), ledger, classes, run)


def refused(study: Study, ledger: Ledger, classes: Sequence[str] = ("3", "5"), run: str | None = None) -> str:
    with pytest.raises(UserError) as error:
        chosen(study, ledger, classes, run)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


def test_of_one_method_it_is_the_point_whose_subtasks_are_cut(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, ONE_METHOD)
    (best,) = plan_of(study, ledger).best.values()
    choice = chosen(study, ledger)
    assert choice.network.train.key == best
    assert choice.why == "the best of 2 modular networks on validation images"
    assert choice.classes == [3, 5]


def test_a_planned_subtask_is_the_plans_own_step(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, ONE_METHOD)
    network = chosen(study, ledger).network
    planned = [step for step in plan_of(study, ledger).steps if step.kind == "reuse"]
    assert planned
    for step in planned:
        assert network.reuse(step.params["classes"], step.params["threshold"]) == step


def test_of_several_methods_it_is_the_best_of_all_points(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path)
    best = chosen(study, ledger).network
    assert best.train.key in plan_of(study, ledger).best.values()
    standard = next(d for _, d in ledger.results("train") if d["params"]["method"] == "standard")
    enough = {
        document["key"]
        for _, document in ledger.results("train")
        if document["params"]["method"] != "standard"
        and document["result"]["validation_accuracy"] >= standard["result"]["validation_accuracy"] - 0.01
    }
    measured = {
        d["parents"]["train"]: d["result"]["krr"]
        for _, d in ledger.results("measure")
        if d["params"]["threshold"] == 0.9
    }
    assert best.train.key == min(enough or measured, key=lambda key: measured[key])


def test_of_several_seeds_it_is_the_most_accurate_on_validation_images(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, ONE_METHOD + "seeds: [0, 1, 2]\n")
    found = {key: d["result"]["validation_accuracy"] for key, d in ledger.results("train")}
    bests = plan_of(study, ledger).best.values()
    assert len(bests) == 3
    assert chosen(study, ledger).network.train.key == max(bests, key=lambda key: found[key])


def test_a_study_that_still_runs_is_chosen_from_as_far_as_it_is(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, ONE_METHOD, until=0)
    assert "no modular network is trained and modularized yet" in refused(study, ledger)
    assert "has the classes 0, 1, 2" in refused(study, ledger, ["3", "cow"])
    for step in plan_of(study, ledger).pending(ledger):
        if step.kind in ("train", "modularize"):
            finish(ledger, step)
            found = [d for _, d in ledger.results("modularize")]
            if len(found) == 1:
                break
    choice = chosen(study, ledger)
    assert choice.why == "the only modular network that is finished"
    assert choice.network.train.key == found[0]["parents"]["train"]


def test_without_the_standard_network_the_module_is_compared_with_the_modular_one_alone(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, ONE_METHOD, until=0)
    for step in plan_of(study, ledger).steps:
        if step.params.get("method") != "standard":
            finish(ledger, step)
    assert "standard" not in chosen(study, ledger).network.reuse([3, 5], 0.9).parents


def test_nothing_is_chosen_without_validation_images(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, NO_VALIDATION)
    for key, document in ledger.results("train"):
        assert document["result"]["validation_accuracy"] is not None, key  # invented, so taken away here
    emptied = _WithoutValidation(ledger)
    said = refused(study, emptied)  # type: ignore[arg-type]
    assert said.startswith("--run: is needed") and "mwt simcnn/digits" in said and "nemo simcnn/digits" in said
    keys = [d["key"] for _, d in ledger.results("train") if d["params"]["method"] == "nemo"]
    choice = chosen(study, emptied, run=keys[0][:8])  # type: ignore[arg-type]
    assert (choice.network.train.key, choice.why) == (keys[0], "as asked for")


class _WithoutValidation:
    """A ledger whose trainings held no images out."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def get(self, key: str, kind: str) -> object:
        document = self._ledger.get(key, kind)  # type: ignore[arg-type]
        if document is None or kind != "train":
            return document
        return {**document, "result": {**document["result"], "validation_accuracy": None}}

    def __getattr__(self, name: str) -> object:
        return getattr(self._ledger, name)

    def snapshot(self) -> object:
        return self


def test_a_wrong_run_lists_those_there_are(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, ONE_METHOD)
    standard = next(key for key, d in ledger.results("train") if d["params"]["method"] == "standard")
    for run in ("nothing", standard, ""):
        said = refused(study, ledger, run=run)
        assert said.startswith(f"--run {run}: is the key of no finished modular networks") and "mwt" in said


def test_classes_are_named_or_numbered(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, ONE_METHOD)
    assert chosen(study, ledger, ["7", "2", "5"]).classes == [7, 2, 5]
    said = refused(study, ledger, ["3", "cat"])
    assert said == ("--classes: 'cat' is unknown, digits has the classes 0, 1, 2, 3, 4, 5, 6, 7, 8, 9; name these.")
    assert "two classes or more" in refused(study, ledger, ["3", "3"])
    assert "two classes or more" in refused(study, ledger, ["3"])


def test_a_number_that_is_a_name_and_another_place_is_refused() -> None:
    days = Description("days", ("1", "10", "11", "2", "3"), 32, 10, 10, "f" * 64)
    with pytest.raises(UserError) as refused:
        class_numbers(parse_classes("2,3"), days)
    assert str(refused.value) == (
        "--classes: 2 is the name of a class and the number of the class '11', put the name of the one that is meant "
        """in quotes: "2" or "11", within the shell's: --classes '"cat","2"'."""
    )
    assert class_numbers(parse_classes('"2","3"'), days) == [3, 4]
    assert class_numbers(parse_classes("10,11"), days) == [1, 2]  # there is no eleventh class
    with pytest.raises(UserError, match="'crane' is the name of the classes 0 and 1, give the number"):
        class_numbers(["crane", 2], Description("birds", ("crane", "crane", "owl"), 32, 10, 10, "f" * 64))
    assert class_numbers([1, 2], Description("birds", ("crane", "crane", "owl"), 32, 10, 10, "f" * 64)) == [1, 2]


def test_thresholds_are_the_studys(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, ONE_METHOD)
    network = chosen(study, ledger).network
    assert (threshold_of(network, study, None), threshold_of(network, study, 0.7)) == (0.9, 0.7)
    with pytest.raises(UserError, match=r"--threshold: 0\.8 is none of the study's, choose one of 0\.7, 0\.9"):
        threshold_of(network, study, 0.8)
