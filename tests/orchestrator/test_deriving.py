"""Small networks of trained ones as steps of a study: planned, computed in this process, and reported."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file, save_file

import nemo
from nemo.datasets import load_dataset
from nemo.evaluation import evaluate
from nemo.metrics import subtask_accuracy
from nemo.reuse import subtask_dataset
from nemo.zoo.build import build_foreign
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.plan.step import Step
from orchestrator.report.figures.derived import derived_figure
from orchestrator.report.study_report import report_of
from orchestrator.simulation.simulation import print_simulation
from orchestrator.storage.layout import DERIVED, LOGITS, NETWORK
from orchestrator.study.data import describe
from orchestrator.study.study import Study
from tests.orchestrator.in_process import finish_study
from tests.orchestrator.own_network import NAME, SOURCE
from tests.orchestrator.study_examples import study

PAIR = {"backbone": NAME, "dataset": "digits", "image_size": 12, "pretrained": "own.safetensors"}
ROWS = {str(number): (number + 3) % 10 for number in range(10)}  # as if it were trained on other labels
DERIVE: dict[str, Any] = {
    "classes": [["7", "2"], [0, 1, 2]],
    "methods": ["magnitude", "random", {"masksearch": {"steps": 20, "objective": "union"}}],
    "budgets": [{"flops": 0.5}, {"parameters": 0.4}],
    "finetune": {"epochs": 1, "batch_size": 32},
    "keep": True,
}


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a user has: a network in a file, and its weights in another."""
    folder = tmp_path_factory.mktemp("a user's")
    (folder / "nets.py").write_text(SOURCE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        torch.manual_seed(0)
        network = build_foreign(NAME, 10, 12)
        rows = torch.tensor([ROWS[str(number)] for number in range(10)])
        digits = load_dataset("digits", image_size=12)
        recipe = nemo.Recipe(epochs=4, batch_size=64, lr=0.05)
        trainer = nemo.Trainer(network, digits, "standard", {}, recipe, seed=0, evaluate=False)
        while not trainer.done:
            trainer.run_epoch()
        state = network.state_dict()
        for name in ("head.weight", "head.bias"):
            state[name] = torch.empty_like(state[name]).index_copy(0, rows, state[name])
        save_file(state, folder / "own.safetensors")
    return folder


@pytest.fixture
def folder(weights: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(weights)
    return weights


def wanted(derive: dict[str, Any] | None = None, **pair: Any) -> Study:
    pairs = [{**PAIR, "classes_of": ROWS, **pair}]
    return study(pairs=pairs, methods=["standard"], recipe={"epochs": 0}, **({"derive": derive} if derive else {}))


def steps_of(wanted: Study, tmp_path: Path) -> list[Step]:
    steps = plan(describe(wanted), Ledger(tmp_path / "none", readonly=True)).steps
    return [step for step in steps if step.kind == "derive"]


def test_a_network_stays_as_it_is(folder: Path, tmp_path: Path) -> None:
    ledger = finish_study(wanted(), tmp_path / "runs")
    ((key, document),) = ledger.results("train")
    assert document["result"]["epochs"] == 0 and document["result"]["history"] == []
    assert document["result"]["accuracy"] > 0.8
    given = load_file("own.safetensors")
    with ledger.reading(key, NETWORK) as path:
        assert path is not None
        kept = load_file(path)
    assert torch.equal(kept["head.weight"], given["head.weight"][list(ROWS.values())])
    assert all(torch.equal(kept[name], given[name]) for name in given if not name.startswith("head"))


def test_a_classifier_for_other_classes_is_fitted(folder: Path, tmp_path: Path) -> None:
    ledger = finish_study(wanted(classes_of={}), tmp_path / "runs")
    ((key, document),) = ledger.results("train")
    assert document["result"]["accuracy"] > 0.8
    with ledger.reading(key, NETWORK) as path:
        assert path is not None
        kept = load_file(path)
    given = load_file("own.safetensors")
    assert all(torch.equal(kept[name], given[name]) for name in given if not name.startswith("head"))
    assert not torch.equal(kept["head.weight"], given["head.weight"])


def test_every_network_is_what_the_step_says(folder: Path, tmp_path: Path) -> None:
    ledger = finish_study(wanted(DERIVE), tmp_path / "runs")
    digits = load_dataset("digits", image_size=12)
    ((train, _),) = ledger.results("train")
    with ledger.reading(train, LOGITS) as path:
        assert path is not None
        logits = load_file(path)["test"]
    documents = dict(ledger.results("derive"))
    assert len(documents) == 3 * 2 * 2
    for key, document in documents.items():
        params, result = document["params"], document["result"]
        assert params["classes"] in ([7, 2], [0, 1, 2])
        ((measure, share),) = params["budget"].items()
        assert result[f"kept_{measure}"] == pytest.approx(share, rel=0.1)
        assert 0 < result["kept_units"] < 1
        restricted = subtask_accuracy(logits, digits.test.labels, params["classes"])
        assert result["base_accuracy"] == pytest.approx(restricted)
        with ledger.reading(key, DERIVED) as path:
            assert path is not None
            saved = nemo.load_module(path)
        assert list(saved.classes) == [str(number) for number in params["classes"]]
        subtask = subtask_dataset(digits, params["classes"])
        accuracy = evaluate(saved.network.module, subtask.test, subtask, device="cpu")["accuracy"]
        assert accuracy == pytest.approx(result["accuracy"])


def test_it_is_reported(folder: Path, tmp_path: Path) -> None:
    of = {
        **DERIVE,
        "classes": [],
        "sizes": [2],
        "samples": 3,
        "budgets": [{"flops": 0.5}],
        "keep": False,
        "attacks": ["fgsm"],
    }
    report = report_of(finish_study(wanted(of), tmp_path / "runs"))
    frame = report.frames.derived
    assert set(frame["derivation"]) == {"magnitude", "random", "masksearch objective=union steps=20"}
    assert frame["share"].unique().to_list() == [0.5] and len(frame) == 9
    assert all(0 <= share <= 1 for share in frame["flipped_fgsm"])
    assert frame["flipped_pgd"].null_count() == len(frame)
    assert all(share > 0 for share in frame["base_flipped_fgsm"])
    (table,) = report.tables["derived"]
    assert {"Flipped by FGSM %", "Whole flipped by FGSM %"} <= set(table.columns)
    assert [row[0] for row in table.rows] == sorted(set(frame["derivation"]))
    place = table.columns.index("Above random")
    assert [bool(row[place]) for row in table.rows] == [True, True, False]
    assert all(str(row[place]).endswith(("better", "worse", "unresolved")) for row in table.rows[:2])
    figure = derived_figure(frame)
    assert [panel.title for panel in figure.panels] == ["2 classes, before tuning", "2 classes, after tuning"]
    assert figure.panels[1].series[0].text == "the untouched network"
    assert not list((tmp_path / "runs").rglob(DERIVED))


def test_keys_say_what_changes_a_network_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    def keys(**changes: Any) -> set[str]:
        return {step.key for step in steps_of(wanted({**DERIVE, **changes}), tmp_path)}

    base = keys()
    assert len(base) == 12
    assert keys(keep=False) == base
    assert keys(methods=[*DERIVE["methods"], "activation"]) > base
    assert keys(budgets=[{"flops": 0.5}]) < base
    assert keys(finetune={"epochs": 2, "batch_size": 32}).isdisjoint(base)
    assert keys(recalibration=100).isdisjoint(base)
    assert keys(compensate=["none", "refit"]) > base == keys(compensate="none")
    assert keys(attention=["keep", "svd"]) > base == keys(attention="keep")
    assert len(keys(classes=[["7", "2"], ["2", "7"]]) & base) == 6  # logits in another order are another network


def test_only_standard_networks_are_derived_from(folder: Path, tmp_path: Path) -> None:
    of = {**DERIVE, "methods": ["random"], "budgets": [{"flops": 0.5}], "classes": [[3, 5]]}
    both = study(pairs=[PAIR], methods=["standard", "mwt"], recipe={"epochs": 1}, derive=of)
    (step,) = steps_of(both, tmp_path)
    trainings = plan(describe(both), Ledger(tmp_path / "none", readonly=True)).steps
    assert {each.key: each.params["method"] for each in trainings if each.kind == "train"}[
        step.parents["train"]
    ] == "standard"


def test_what_modules_inherit_is_measured_too(folder: Path, tmp_path: Path) -> None:
    of = {"classes": [[3, 5]], "attacks": ["fgsm", "pgd"], "controls": ["fresh"], "finetune": {"epochs": 2, "lr": 0.01}}
    modules = study(pairs=[PAIR], methods=["mwt"], recipe={"epochs": 2, "batch_size": 64, "lr": 0.01}, subtasks=of)
    ledger = finish_study(modules, tmp_path / "runs")
    rows = {document["result"]["control"]: document["result"] for _, document in ledger.results("reuse")}
    for name in ("base_flipped_fgsm", "base_flipped_pgd"):
        assert rows[None][name] == rows["fresh"][name] > 0
    assert 0 <= rows[None]["flipped_fgsm"] <= 1 and 0 <= rows["fresh"]["flipped_pgd"] <= 1
    (table,) = report_of(ledger).tables["subtasks"]
    assert "Flipped by PGD %" in table.columns and "so that the whole network errs" in table.note


def test_a_classifier_without_a_bias_stays_without(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "no bias"
    own.mkdir()
    monkeypatch.chdir(own)
    (own / "nets.py").write_text(SOURCE.replace("nn.Linear(16, num_classes)", "nn.Linear(16, num_classes, bias=False)"))
    given = load_file(folder / "own.safetensors")
    del given["head.bias"]
    save_file(given, "own.safetensors")
    of = {**DERIVE, "methods": ["magnitude"], "budgets": [{"flops": 0.6}]}
    ledger = finish_study(wanted(of, classes_of={}), tmp_path / "runs")
    assert next(ledger.results("train"))[1]["result"]["accuracy"] > 0.7
    assert len(list(ledger.results("derive"))) == 2


def test_an_untouched_network_is_the_same_whatever_its_recipe_says(folder: Path, tmp_path: Path) -> None:
    def key(**recipe: Any) -> str:
        own = study(pairs=[{**PAIR, "classes_of": ROWS}], methods=["standard"], recipe={"epochs": 0, **recipe})
        return plan(describe(own), Ledger(tmp_path / "none", readonly=True)).steps[0].key

    assert key() == key(lr=0.3) == key(batch_size=7, weight_decay=0.1)
    assert len({key(), key(validation=0.1), key(augment="imagenet")}) == 3


def test_it_is_simulated(folder: Path, tmp_path: Path) -> None:
    (folder / "s.yaml").write_text(wanted(DERIVE).text)
    console = Console(file=io.StringIO(), width=200)
    print_simulation(folder / "s.yaml", str(tmp_path / "runs"), [], "nodes=2,derive=60", console)
    assert "derived networks" in console.file.getvalue()
