"""Published weights of a study: fetched once by its driver, kept by their content, and all that a worker needs."""

from __future__ import annotations

import hashlib
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from nemo.errors import UserError
from nemo.modular import ModularNetwork
from nemo.zoo.build import build_foreign
from orchestrator.computing.networks import build, build_once, state_of, weights_of
from orchestrator.driver.weights import keep_weights
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Plan, plan
from orchestrator.report.distinctions import variants_of
from orchestrator.report.status import overview
from orchestrator.storage import Store, layout, store_at
from orchestrator.study.data import DescribedStudy, describe
from orchestrator.study.file import load_study_file, submitted_study
from orchestrator.study.study import Study
from orchestrator.study.weights import fetched_weights, knowing_weights
from tests import tiny
from tests.nemo.zoo.files import vit_folder
from tests.orchestrator.in_process import finish_study
from tests.orchestrator.own_network import NAME, SOURCE
from tests.orchestrator.study_examples import of_kind, study

pytestmark = pytest.mark.heavy

MOBILENET = "torchvision:mobilenet_v3_small"
FEW = {"train_images": 120, "test_images": 40}


@pytest.fixture
def vit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A trained network of transformers in a folder, as the working folder has it."""
    vit_folder(tmp_path / "tiny")
    monkeypatch.chdir(tmp_path)
    return "hf:tiny"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What torchvision has fetched before; there is no network."""
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    file = tmp_path / "hub" / "checkpoints" / "mobilenet_v3_small-047dcff4.pth"
    torch.manual_seed(0)
    torch.save(build_foreign(MOBILENET, 1000, 32).state_dict(), file)
    monkeypatch.setattr("torch.hub._hub_dir", str(tmp_path / "hub"))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # where nobody listens
    return file


def wanted(backbone: str, pretrained: object = True, **changes: Any) -> Study:
    pair = {"backbone": backbone, "dataset": "digits", "pretrained": pretrained, "dataset_options": FEW, **changes}
    return study(name="study", pairs=[pair], methods=["standard", "nemo"], recipe={"epochs": 1, "batch_size": 32})


def planned(described: DescribedStudy, store: Store) -> Plan:
    return plan(described, Ledger(store, readonly=True))


def test_a_plan_before_the_fetch_tells_up_to_how_many_and_why(vit: str, store: Store) -> None:
    subtasks = {"classes": [[3, 5], [1, 2]], "controls": ["random"]}
    search = {"nemo": {"search": "random", "trials": 7, "space": {"alpha": [0.1, 1.0]}}}
    of = wanted(vit).model_dump(exclude_unset=True) | {"seeds": [0, 1], "thresholds": [0.5, 0.9], "subtasks": subtasks}
    before = planned(describe(Study.model_validate(of)), store)
    counts = {"train": 4, "modularize": 2, "measure": 4, "reuse": 2 * 4}
    assert before.steps == [] and before.up_to == {**counts, "derive": 0}
    derive = {"sizes": [2], "samples": 3, "methods": ["random", "magnitude"], "budgets": [{"flops": 0.5}]}
    assert planned(describe(Study.model_validate({**of, "derive": derive})), store).up_to["derive"] == 2 * 3 * 2
    of |= {"sweep": search, "recipe": {"epochs": 1, "validation": 0.1}}
    assert planned(describe(Study.model_validate(of)), store).up_to["train"] == 2 + 2 * 7
    of["subtasks"] = {**subtasks, "from": "best"}
    assert planned(describe(Study.model_validate(of)), store).up_to["reuse"] == 2 * 4
    told = overview(describe(wanted(vit)), store.parent)
    assert not told.done and any("the weights of hf:tiny are not here yet" in note for note in told.notes)
    described = keep_weights(describe(wanted(vit)), store)
    after = planned(described, store)
    assert after.counts()["train"] == 2 and not any(after.up_to.values())
    assert overview(describe(wanted(vit)), store.parent).notes == []


def test_what_is_fetched_is_in_the_key_and_says_how_images_are_prepared(vit: str, store: Store) -> None:
    described = keep_weights(describe(wanted(vit)), store)
    (known,) = fetched_weights(store).values()
    with store.fetching(layout.weights(known["sha256"])) as path:
        assert path is not None and hashlib.sha256(path.read_bytes()).hexdigest() == known["sha256"]
    steps = of_kind(planned(described, store), "train")
    assert {step.params["foreign"]["weights"] for step in steps} == {known["sha256"]}
    assert [step.params["foreign"].get("start") for step in steps] == [None, "identity"]
    assert {step.params["image_size"] for step in steps} == {16}
    options = {**FEW, "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1], "interpolation": "bicubic"}
    for step in steps:
        assert step.params["dataset"]["options"] == options == step.where["dataset_options"]
    by_hand = wanted(vit, image_size=16, dataset_options=options)
    same = planned(keep_weights(describe(by_hand), store), store)
    assert [step.key for step in same.steps] == [step.key for step in planned(described, store).steps]
    other = wanted(vit, image_size=16, dataset_options={**FEW, "mean": [0.1, 0.1, 0.1]})
    steps = of_kind(planned(keep_weights(describe(other), store), store), "train")
    assert {tuple(step.params["dataset"]["options"]["mean"]) for step in steps} == {(0.1, 0.1, 0.1)}
    assert {tuple(step.params["dataset"]["options"]["std"]) for step in steps} == {(0.2, 0.2, 0.1)}


def test_a_study_that_carries_on_fetches_nothing(hub: Path, store: Store, caplog: pytest.LogCaptureFixture) -> None:
    pairs = [wanted(MOBILENET, each, image_size=32).pairs[0] for each in (True, "IMAGENET1K_V1")]
    of = wanted(MOBILENET).model_copy(update={"pairs": pairs})
    with caplog.at_level(logging.WARNING):
        first = keep_weights(describe(of), store)
    assert len(caplog.messages) == 2 and "fetched, and kept in" in caplog.text
    assert len({pair.weights for pair in first.study.pairs}) == 1 and len(store.list("weights")) == 2
    hub.unlink()
    caplog.clear()
    ledger = Ledger(store)
    ledger.record_study(of.text)
    again = keep_weights(describe(of), store)
    assert not caplog.messages
    assert planned(again, store).steps == planned(first, store).steps
    assert [pair.weights for pair in submitted_study(store).pairs] == [pair.weights for pair in first.study.pairs]
    assert submitted_study(store).pairs[0].dataset_options["std"] == [0.229, 0.224, 0.225]


def test_a_worker_starts_from_the_kept_file_alone(hub: Path, store: Store) -> None:
    rows = {str(digit): digit + 5 for digit in range(10)}
    described = keep_weights(describe(wanted(MOBILENET, image_size=32, classes_of=rows)), store)
    trained = torch.load(hub, weights_only=True)
    hub.unlink()
    ledger = Ledger(store)
    step = of_kind(planned(described, store), "train")[1]
    with weights_of(step, ledger) as path:
        network = build(step.params, weights=path)
    assert isinstance(network, ModularNetwork)
    own = network.network.state_dict()
    assert torch.equal(own["features.0.0.weight"], trained["features.0.0.weight"])
    assert torch.equal(own["classifier.3.weight"], trained["classifier.3.weight"][5:15])
    name = layout.weights(step.params["foreign"]["weights"])
    store.write(name, b"damaged")
    with pytest.raises(UserError, match=r"^pretrained: kept weights are damaged"), weights_of(step, ledger):
        pass
    with pytest.raises(UserError, match=r"^pretrained: .* is missing, run the study again"), weights_of(step, ledger):
        pass
    assert knowing_weights(describe(described.study), store).study is described.study  # what is gone is fetched again
    with pytest.raises(UserError, match=r"can't be fetched"):
        keep_weights(describe(wanted(MOBILENET)), store)


def test_what_cannot_be_fetched_is_told_in_a_sentence_each(hub: Path, tmp_path: Path, store: Store) -> None:
    hub.unlink()
    pairs = [{"backbone": MOBILENET, "dataset": "digits", "pretrained": each} for each in (True, "IMAGENET1K_V9")]
    file = tiny.write_study(tmp_path, pairs=pairs, methods={"standard": {}}, sweep=None, subtasks=None)
    with pytest.raises(UserError) as refused:
        keep_weights(describe(load_study_file(file, [])), store)
    first, second = str(refused.value).splitlines()
    assert first.startswith(f"{file}:5: pairs[0].pretrained: the weights of {MOBILENET} can't be fetched (there is no")
    assert "bring them as a file and give its path" in first
    assert second.startswith(f"{file}:8: pairs[1].pretrained: {MOBILENET} has no 'IMAGENET1K_V9', choose one such as")
    assert fetched_weights(store) == {}


def test_a_file_is_kept_too(tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(SOURCE)
    torch.save(build_foreign(NAME, 20, 12).state_dict(), "trained.pth")
    described = keep_weights(describe(wanted(NAME, "trained.pth", image_size=12)), store)
    keep_weights(describe(described.study), store)
    step = of_kind(planned(described, store), "train")[0]
    assert list(store.list("weights")) == [f"{step.params['foreign']['weights']}.pth"]
    state = torch.load("trained.pth", weights_only=True)
    Path("trained.pth").unlink()
    with weights_of(step, Ledger(store)) as path:
        network = build(step.params, weights=path)
    assert torch.equal(network.state_dict()["stem.weight"], state["stem.weight"])


def test_a_report_tells_other_weights_apart(vit: str, store: Store) -> None:
    described = keep_weights(describe(wanted(vit, image_size=16)), store)
    fresh = described.study.pairs[0].model_copy(update={"pretrained": None})
    both = described.study.model_copy(update={"pairs": [*described.study.pairs, fresh]})
    steps = of_kind(planned(describe(both), store), "train")
    variants = variants_of([{"key": step.key, "params": step.params} for step in steps])
    weights = str(described.study.pairs[0].weights)
    assert set(variants.values()) == {f"pretrained={weights[:8]}", "pretrained=None"} and len(variants) == 4


def test_other_weights_in_a_folder_are_fetched_anew(vit: str, store: Store) -> None:
    first = keep_weights(describe(wanted(vit)), store)
    file = Path("tiny/model.safetensors")
    save_file({key: value + 1 for key, value in load_file(file).items()}, file, metadata={"format": "pt"})
    assert planned(knowing_weights(describe(wanted(vit)), store), store).steps == []
    second = keep_weights(describe(wanted(vit)), store)
    assert first.study.pairs[0].weights != second.study.pairs[0].weights


def test_weights_and_patterns_that_do_not_fit_are_told_before_anything_starts(vit: str, tmp_path: Path) -> None:
    pairs = [
        {"backbone": vit, "dataset": "digits", "image_size": 32},
        {"backbone": vit, "dataset": "digits", "pretrained": True, "image_size": 32},
        {"backbone": "rescnn", "dataset": "digits", "width": 0.0625, "recipe": {"train_only": ["body.99*"]}},
        {"backbone": vit, "dataset": "digits", "pretrained": True, "recipe": {"train_only": ["*layer*.0*", "head"]}},
    ]
    file = tiny.write_study(tmp_path, pairs=pairs, methods={"standard": {}}, sweep=None, subtasks=None)
    store = store_at(tmp_path / "runs") / "tiny"
    described = keep_weights(describe(load_study_file(file, [])), store)
    with pytest.raises(UserError) as refused:
        build_once(described.study, planned(described, store).steps, Ledger(store))
    first, second = str(refused.value).splitlines()
    assert first.startswith(f"{file}:6: pairs[1].backbone: standard: pretrained: the weights have a vit.embeddings.pos")
    assert second.startswith(f"{file}:10: pairs[2].backbone: standard: recipe.train_only: 'body.99*' fits none of")


def test_a_study_from_kept_weights_to_its_modules(vit: str, tmp_path: Path) -> None:
    subtasks = {"classes": [[3, 5]], "controls": ["magnitude"], "finetune": {"epochs": 1, "batch_size": 32}}
    methods = {"standard": {}, "nemo": {"recipe": {"train_only": ["generators", "head"]}}}
    own = study(methods=methods, subtasks=subtasks)
    of = wanted(vit).model_copy(update={"methods": own.methods, "subtasks": own.subtasks})
    described = keep_weights(describe(of), store_at(tmp_path / "runs") / of.name)
    given = load_file(tmp_path / "runs" / of.name / layout.weights(str(described.study.pairs[0].weights)))
    Path("tiny/model.safetensors").unlink()
    ledger = finish_study(described.study, tmp_path / "runs")
    rows = [document["result"] for _, document in ledger.results("reuse")]
    assert {row["control"] for row in rows} == {None, "magnitude"}
    assert all(0 <= row["accuracy"] <= 1 for row in rows)
    (key,) = [key for key, each in ledger.results("train") if each["params"]["method"] == "nemo"]
    trained = {name.removeprefix("network."): value for name, value in state_of(ledger, key).items()}
    assert all(torch.equal(trained[name], value) for name, value in given.items() if "classifier" not in name)
    assert any(".mask_generator." in name for name in trained)


@pytest.mark.parametrize(
    ("backbone", "pretrained", "message"),
    [
        (NAME, True, "nobody publishes weights of python:nets.py:make, give a file"),
        (NAME, "IMAGENET1K_V2", "nobody publishes weights of"),
        (MOBILENET, "other/mobilenet", "names no weights of torchvision:mobilenet_v3_small, give true"),
        ("timm:convnext_atto", "a b", "names no weights of timm:convnext_atto, give true"),
        (MOBILENET, "away.pth", "there is no file away.pth, bring one with python -m nemo.zoo"),
        ("resnet18", True, "is for networks from elsewhere"),
        (MOBILENET, 3, "pretrained"),
    ],
)
def test_what_names_no_weights(
    backbone: str, pretrained: object, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets.py").write_text(SOURCE)
    with pytest.raises(ValueError, match=message):
        wanted(backbone, pretrained)
    assert wanted(MOBILENET, False).pairs[0].fetches is False


def test_planning_with_published_weights_imports_no_torch(tmp_path: Path) -> None:
    pairs = [{"backbone": MOBILENET, "dataset": "digits", "pretrained": True}]
    file = tiny.write_study(tmp_path, pairs=pairs, methods={"nemo": {}}, sweep=None)
    code = f"""
import sys, orchestrator
told = orchestrator.plan({str(file)!r}, {str(tmp_path / "runs")!r})
assert told.counts[0].known == 0 and told.counts[0].up_to == 1, told
assert "the weights of {MOBILENET} are not here yet" in told.notes[-1], told.notes
assert not {{"torch", "ray", "optuna"}} & sys.modules.keys()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


@pytest.mark.ray
@pytest.mark.slow
def test_on_a_real_cluster(vit: str, storage: Path) -> None:
    pairs = [{"backbone": vit, "dataset": "digits", "pretrained": True, "dataset_options": FEW}]
    changes: dict[str, Any] = {"pairs": pairs, "methods": {"nemo": {}}, "sweep": None, "recipe": {"epochs": 1}}
    file = tiny.write_study(Path.cwd(), **changes, subtasks=None)
    ended = tiny.nemo("run", file, "--storage", storage)
    assert ended.returncode == 0, ended.stderr
    assert "weights of hf:tiny: fetched, and kept in" in ended.stderr
    again = tiny.nemo("run", file, "--storage", storage, "--set", "seeds=[0,1]")
    assert again.returncode == 0 and "fetched" not in again.stderr, again.stderr
    assert len(tiny.report(storage)["trainings"]) == 2
