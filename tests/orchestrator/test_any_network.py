"""A study of a user's own network, from its file to a module that runs without it."""

from __future__ import annotations

import io
import json
import os
import re
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file

import nemo
from nemo.control import CONTROLS
from nemo.deployed import Composed, Deployed
from nemo.errors import UserError
from nemo.export import example_images
from nemo.zoo.build import build_foreign
from orchestrator.computing import networks
from orchestrator.jobs.shipment import pack
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.reuse import Wanted, reuse_and_save
from orchestrator.plan.planner import plan
from orchestrator.study.data import describe
from orchestrator.study.file import load_study_file
from orchestrator.study.study import Study
from tests import tiny
from tests.orchestrator.in_process import finish_study
from tests.orchestrator.own_network import NAME, SOURCE
from tests.orchestrator.study_examples import study
from tests.pictures import write_folder

PAIR = {
    "backbone": NAME,
    "dataset": "digits",
    "image_size": 12,
    "dataset_options": {"train_images": 200, "test_images": 60},
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder with a network, as the working folder."""
    own = tmp_path / "my nets"
    own.mkdir()
    (own / "nets.py").write_text(SOURCE)
    monkeypatch.chdir(own)
    return own


def wanted(**changes: Any) -> Study:
    fields: dict[str, Any] = {
        "pairs": [PAIR],
        "methods": ["standard", "nemo"],
        "recipe": {"epochs": 1, "batch_size": 32},
        "thresholds": [0.9],
        "subtasks": {"classes": [[3, 5]], "controls": list(CONTROLS), "finetune": {"epochs": 1, "batch_size": 32}},
    }
    return study(**{**fields, **changes})


@pytest.mark.heavy
def test_from_a_file_to_a_module_that_runs_without_it(folder: Path, tmp_path: Path) -> None:
    # strong enough that a few epochs close some units, on every kind of CPU
    cutting = wanted(
        methods={"standard": {}, "nemo": {"alpha": 30.0}},
        recipe={"epochs": 5, "batch_size": 32, "lr_mask": 0.2},
        thresholds=[1.0],
    )
    ledger = finish_study(cutting, tmp_path / "runs")
    rows = [document["result"] for _, document in ledger.results("reuse")]
    assert {row["control"] for row in rows} == {None, *CONTROLS}
    assert all(0 < row["krr"] < 1 for row in rows) and len({row["krr"] for row in rows}) == 1
    store = tmp_path / "runs" / cutting.name
    reuse_and_save(store, Wanted(["3", "5"], tmp_path / "out"), Console(file=io.StringIO()))
    (folder / "nets.py").unlink()
    module = nemo.load_module(tmp_path / "out")
    images = example_images(12, 3)
    program = torch.export.load(tmp_path / "out" / "module.pt2").module()
    torch.testing.assert_close(program(images), module.network(images))
    assert list(module.classes) == ["3", "5"]
    assert isinstance(module.network, Deployed)
    features = module.network.features(images)
    torch.testing.assert_close(Composed([module.network] * 2, 4, 12).features(images), torch.cat([features] * 2, 1))


@pytest.mark.heavy
def test_moda_reads_the_activations_of_ones_own_network(folder: Path, tmp_path: Path) -> None:
    pair = {**PAIR, "sites": ["body*", "more*"]}
    moda = wanted(pairs=[pair], methods=["standard", "moda"], recipe={"epochs": 2, "batch_size": 32})
    ledger = finish_study(moda, tmp_path / "runs")
    trained = {document["params"]["method"]: document for _, document in ledger.results("train")}
    assert trained["moda"]["params"]["foreign"]["sites"] == pair["sites"]
    assert "foreign" not in trained["standard"]["params"] or "sites" not in trained["standard"]["params"]["foreign"]
    assert trained["moda"]["result"]["flops"] == trained["standard"]["result"]["flops"]
    assert {"train/affinity", "train/compactness"} <= trained["moda"]["result"]["history"][0].keys()
    rows = [document["result"] for _, document in ledger.results("reuse")]
    assert {row["control"] for row in rows} == {None, *CONTROLS}
    assert all(0 < row["krr"] <= 1 for row in rows) and len({row["krr"] for row in rows}) == 1
    (measured,) = [document["result"] for _, document in ledger.results("measure")]
    assert 0 < measured["krr"] <= 1
    reuse_and_save(tmp_path / "runs" / moda.name, Wanted(["3", "5"], tmp_path / "out"), Console(file=io.StringIO()))
    assert nemo.load_module(tmp_path / "out").network(example_images(12, 3)).shape == (3, 2)


def test_no_subtask_follows_its_network_again(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cutting = wanted()
    steps = plan(describe(cutting), Ledger(tmp_path / "none", readonly=True)).steps
    finish_study(cutting, tmp_path / "runs", until=len(steps) - len(CONTROLS) - 1)
    networks._skeleton.cache_clear()
    monkeypatch.setattr(torch.export, "export", None)
    ledger = finish_study(cutting, tmp_path / "runs")
    assert len(list(ledger.results("reuse"))) == 1 + len(CONTROLS)


def test_the_key_follows_what_a_function_makes_and_not_its_file(folder: Path, tmp_path: Path) -> None:
    def key() -> str:
        return plan(describe(wanted()), Ledger(tmp_path / "none", readonly=True)).steps[0].key

    first = key()
    (folder / "nets.py").write_text("# a remark\n" + SOURCE)
    assert key() == first
    (folder / "nets.py").write_text(SOURCE.replace("(x + self.more(x))", "(x * self.more(x))"))
    assert key() != first


def test_images_need_not_be_square(folder: Path, tmp_path: Path) -> None:
    of = wanted(pairs=[{**PAIR, "image_size": [12, 18]}], methods=["nemo"], subtasks=None)
    step = plan(describe(of), Ledger(tmp_path / "none", readonly=True)).steps[0]
    from orchestrator.computing.networks import network_of

    params = json.loads(json.dumps(step.params))  # as it comes out of a ledger
    built = nemo.build_network(NAME, "nemo", 10, image_size=(12, 18))
    network = network_of(params, built.state_dict())
    assert network(torch.rand(2, 3, 12, 18))[0].shape == (2, 10)


def test_pretrained_weights_are_what_a_training_starts_from(folder: Path, tmp_path: Path) -> None:
    torch.manual_seed(1)
    trained = build_foreign(NAME, 20, 12)
    save_file(dict(trained.state_dict()), folder / "trained.safetensors")
    rows = {str(digit): digit + 5 for digit in range(10)}
    pair = {**PAIR, "pretrained": "trained.safetensors", "classes_of": rows}
    of = wanted(pairs=[pair], methods=["nemo"], subtasks=None)
    step = plan(describe(of), Ledger(tmp_path / "none", readonly=True)).steps[0]
    assert step.params["foreign"]["start"] == "identity" and step.params["foreign"]["rows"] == list(range(5, 15))
    from orchestrator.computing.networks import build

    network = build(step.params, weights=step.where["weights"])
    assert isinstance(network, nemo.ModularNetwork)
    state, own = trained.state_dict(), network.network.state_dict()
    assert torch.equal(own["body.0.weight"], state["body.0.weight"])
    assert torch.equal(own["head.weight"], state["head.weight"][5:15])
    (folder / "trained.safetensors").write_bytes(b"other")
    with pytest.raises(UserError, match=r"^pretrained: .*another file than when the study was planned"):
        build(step.params, weights=step.where["weights"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"pretrained": "none.pth"}, r"pretrained: there is no file none.pth, bring one"),
        ({"classes_of": {"3": 1}}, r"classes_of: says which rows of pretrained weights to keep"),
        ({"backbone": "python:other.py:make"}, r"backbone: there is no file other.py"),
        ({"backbone": "resnet18", "sites": ["layer*"]}, r"sites: is for networks from elsewhere"),
        ({"width": 0.5}, r"width: python:nets.py:make is as wide as it is made"),
        ({"roles": ["value"]}, r"roles: are those of a Transformer's layers"),
    ],
)
def test_fields_that_do_not_fit(folder: Path, tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tiny.write_study(folder, pairs=[{**PAIR, **changes}], methods={"standard": {}}, sweep=None, subtasks=None)
    with pytest.raises(UserError, match=message):
        load_study_file(path, [])


def test_its_file_is_shipped(folder: Path) -> None:
    path = tiny.write_study(folder, pairs=[PAIR], methods={"standard": {}}, sweep=None, subtasks=None)
    shipped = pack(path.relative_to(folder), load_study_file(path, []))
    assert shipped.files["nets.py"].decode() == SOURCE


def test_the_page_can_be_followed(folder: Path, tmp_path: Path) -> None:
    """Its network has one layer that can be masked, which the objective then doesn't leave out."""
    page = (Path(__file__).parents[2] / "docs/any-network.md").read_text()
    network, fields = [dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", page, re.MULTILINE)[:2]]
    (folder / "nets.py").write_text(network)
    (folder / "mine.yaml").write_text(fields)
    write_folder(folder / "photos", train=12, test=4)
    less = ["recipe.epochs=1", "recipe.batch_size=8", "subtasks.samples=1", "subtasks.finetune.epochs=1"]
    ledger = finish_study(load_study_file(folder / "mine.yaml", less), tmp_path / "runs")
    rows = [document["result"] for _, document in ledger.results("reuse")]
    assert {row["control"] for row in rows} == {None, "random", "magnitude"}


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_on_a_real_cluster(folder: Path, workers: int) -> None:
    resources = {"training": {"cpus": 1, "workers": workers}, "subtask": {"cpus": 1}}
    pair = {**PAIR, "dataset_options": {"train_images": 200, "test_images": 60}}
    path = tiny.write_study(folder, pairs=[pair], methods={"nemo": {}}, sweep=None, resources=resources)
    ended = tiny.nemo("run", path.name, "--storage", "runs")
    assert ended.returncode == 0, ended.stderr
    subtasks = tiny.report(Path("runs"))["subtasks"]
    assert len(subtasks) == 4 and all(row["krr"] <= 1 for row in subtasks)
    assert os.path.exists("runs")
