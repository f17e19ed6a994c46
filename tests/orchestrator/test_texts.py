"""A study of texts, from a folder of sentences to a module that answers strings without this project."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd
import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file
from tokenizers import Tokenizer

import nemo
from nemo.control import CONTROLS
from nemo.errors import UserError
from nemo.tokens import pack
from nemo.zoo.build import build_foreign
from orchestrator.computing.networks import build_once
from orchestrator.ledger.ledger import Ledger
from orchestrator.modules.compose import compose_and_save
from orchestrator.modules.origin import pair_of_network
from orchestrator.modules.record import read_record
from orchestrator.modules.registry import write_model
from orchestrator.modules.reuse import Wanted, reuse_and_save
from orchestrator.plan.planner import plan
from orchestrator.study.data import check_data, describe
from orchestrator.study.study import Study
from tests import texts
from tests.orchestrator.in_process import finish_study
from tests.orchestrator.study_examples import study

RECIPE = {
    **{"epochs": 10, "batch_size": 16, "lr": 0.01, "lr_mask": 0.01, "optimizer": "adamw", "validation": 0.2},
    **{"lr_warmup": 0.5, "max_grad_norm": 1.0},
}
FINETUNE = {"epochs": 6, "batch_size": 16, "lr": 0.01, "optimizer": "adamw"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Texts and a network, in a folder with a space in its name."""
    own = tmp_path / "my things"
    texts.write_texts(own / "data", train=240, test=60)
    texts.write_network(own / "net")
    return own


def wanted(folder: Path, **changes: Any) -> Study:
    fields: dict[str, Any] = {
        "pairs": [{"backbone": f"hf:{folder / 'net'}", "dataset": f"text:{folder / 'data'}"}],
        "methods": {"standard": {}, "nemo": {"alpha": 3.0}},
        "recipe": RECIPE,
        "thresholds": [0.9],
        "subtasks": {"classes": [["greet", "pay"]], "controls": list(CONTROLS), "finetune": FINETUNE},
    }
    return study(**{**fields, **changes})


def test_nemo_takes_the_settings_of_transformers(folder: Path) -> None:
    """Under the weight of CNNs they collapse, and of them no layer is left out of the objective (method.md 3.5)."""
    steps = plan(describe(wanted(folder, methods={"standard": {}, "nemo": {}})), {}).steps
    (training,) = [step for step in steps if step.kind == "train" and step.params["method"] == "nemo"]
    assert training.params["settings"]["alpha"] == 0.1
    assert training.params["recipe"]["exclude_first_masked_layer"] is False


def answers(program: Path) -> list[str]:
    """The classes that an example of a saved module gives its two texts; it sees nothing of this project."""
    ran = subprocess.run([sys.executable, "-I", program], capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr
    return [line.split()[0] for line in ran.stdout.splitlines()]


@pytest.mark.heavy
def test_from_sentences_to_a_module_that_reads_strings(folder: Path, tmp_path: Path) -> None:
    ledger = finish_study(wanted(folder), tmp_path / "runs")
    trained = {document["params"]["method"]: document for _, document in ledger.results("train")}
    assert all(document["result"]["accuracy"] > 0.8 for document in trained.values())
    assert all("tokenizer" not in document["params"]["dataset"]["options"] for document in trained.values())
    rows = [document["result"] for _, document in ledger.results("reuse")]
    assert {row["control"] for row in rows} == {None, *CONTROLS}
    assert all(0 < row["krr"] < 1 and 0 < row["weight_retention"] < 1 for row in rows)
    out = tmp_path / "out"
    reuse_and_save(tmp_path / "runs" / "small", Wanted(["pay", "greet"], out), Console(file=io.StringIO()))
    module = nemo.load_module(out)
    tokenizer = Tokenizer.from_file(str(out / "tokenizer.json"))
    encoded = tokenizer.encode_batch(["hello my friend now and now", "the bill", "cash " * 30])
    ids, present = (torch.tensor([getattr(e, name) for e in encoded]) for name in ("ids", "attention_mask"))
    logits = module.network(pack(ids, present))
    program = torch.export.load(out / "module.pt2").module()
    torch.testing.assert_close(program(ids, present), logits)
    torch.testing.assert_close(program(ids[1:2, :5], present[1:2, :5]), logits[1:2], rtol=1e-4, atol=1e-5)
    assert [module.classes[int(row)] for row in logits.argmax(1)] == ["greet", "pay", "pay"]
    assert answers(out / "example.py") == answers(out / "example_onnx.py")
    write_model(out, read_record(out), tmp_path / "model")
    scored = mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(pd.DataFrame({"text": ["hello my", "the bill"]}))
    assert list(scored.columns) == ["pay", "greet"] and list(scored.idxmax(axis=1)) == ["greet", "pay"]
    card = (out / "README.md").read_text()
    assert "Texts become tokens by `tokenizer.json`" in card and "images" not in card


@pytest.mark.heavy
def test_pairs_and_one_very_long_text_go_all_the_way(folder: Path, tmp_path: Path) -> None:
    pair: dict[str, Any] = {
        "backbone": f"hf:{folder / 'net'}",
        "dataset": f"text:{texts.write_pairs(folder / 'pairs')}",
    }
    pair["dataset_options"] = {"max_length": 30}
    subtasks = {"classes": [["same", "other"]], "finetune": {**FINETUNE, "epochs": 1}}
    of = wanted(folder, pairs=[pair], methods=["nemo"], recipe={**RECIPE, "epochs": 2}, subtasks=subtasks)
    assert any("1 of its 80 texts is longer than 30 tokens" in note for note in describe(of).notes)
    finish_study(of, tmp_path / "runs")
    out = tmp_path / "out"
    record = reuse_and_save(tmp_path / "runs" / "small", Wanted(["same", "other"], out), Console(file=io.StringIO()))
    assert record.image_size == (30,)
    assert set(answers(out / "example.py")) <= {"same", "other"}
    assert answers(out / "example.py") == answers(out / "example_onnx.py")
    assert "token_type_ids" in (out / "example_onnx.py").read_text()
    write_model(out, record, tmp_path / "model")
    asked = pd.DataFrame({"text": ["hello"], "text_pair": ["the bill"]})
    assert mlflow.pyfunc.load_model(str(tmp_path / "model")).predict(asked).shape == (1, 2)


@pytest.mark.heavy
def test_modules_of_texts_compose(folder: Path, tmp_path: Path) -> None:
    of = wanted(folder, methods={"nemo": {"alpha": 1.0}}, subtasks={"sizes": [3], "samples": 1, "finetune": FINETUNE})
    finish_study(of, tmp_path / "runs")
    for name, classes in (("a", ["greet", "order"]), ("b", ["order", "pay"])):
        reuse_and_save(tmp_path / "runs" / "small", Wanted(classes, tmp_path / name), Console(file=io.StringIO()))
    record = compose_and_save([tmp_path / "a", tmp_path / "b"], tmp_path / "both", False, Console(file=io.StringIO()))
    assert list(record.classes) == ["greet", "order", "pay"] and record.figures["accuracy"] > 0.6
    assert set(answers(tmp_path / "both" / "example.py")) <= set(record.classes)


@pytest.mark.heavy
def test_small_networks_of_a_trained_one(folder: Path, tmp_path: Path) -> None:
    groups = {"counter": ["greet", "order"], "till": ["order", "pay"]}
    derive = {"groups": groups, "methods": ["activation"], "budgets": [{"flops": 0.8}], "finetune": {"epochs": 0}}
    of = wanted(folder, methods=["standard"], subtasks=None, derive={**derive, "keep": True})
    ledger = finish_study(of, tmp_path / "runs")
    found = dict(ledger.results("derive"))
    assert sorted(document["result"]["classes"] for document in found.values()) == [[0, 1], [1, 2]]
    for key, document in found.items():
        assert 0.7 < document["result"]["kept_flops"] <= 0.8 * 1.02
        with ledger.reading(key, "derived.safetensors") as path:
            assert path is not None
            module = nemo.load_module(path)
        assert module.network(pack(torch.full((1, 4), 7), torch.ones(1, 4))).shape == (1, 2)


def test_a_command_that_derives_takes_the_networks_own_tokenizer(folder: Path) -> None:
    weights = folder / "net.safetensors"
    network, data = f"hf:{folder / 'net'}", f"text:{folder / 'data'}"
    save_file(build_foreign(network, 3, (9,)).state_dict(), weights)
    pair = pair_of_network(network, data, None, str(weights), ["pay", "greet"], {}, {})
    options = {"only": ["pay", "greet"]}
    assert pair == {"backbone": network, "dataset": data, "pretrained": str(weights), "dataset_options": options}
    untouched = wanted(folder, pairs=[pair], methods=["standard"], recipe={"epochs": 0}, subtasks=None)
    check_data(describe(untouched))


def test_keys_follow_content_and_not_places(folder: Path, tmp_path: Path) -> None:
    def keys(place: Path) -> list[str]:
        return [step.key for step in plan(describe(wanted(place)), Ledger(tmp_path / "none", readonly=True)).steps]

    first = keys(folder)
    moved = folder.rename(tmp_path / "elsewhere")
    assert keys(moved) == first
    (moved / "net" / "special_tokens_map.json").write_text(json.dumps({"pad_token": "[PAD]"}))
    assert not set(keys(moved)) & set(first)


def test_a_tokenizer_of_another_network_is_told(folder: Path) -> None:
    other = texts.write_network(folder / "other", vocabulary=[*texts.VOCABULARY, "more", "words"])
    pair = {
        "backbone": f"hf:{folder / 'net'}",
        "dataset": f"text:{folder / 'data'}",
        "dataset_options": {"tokenizer": str(other)},
    }
    with pytest.raises(UserError, match=r"tokenizer, .*other, has 28 tokens, and the network's vocabulary 26; give"):
        check_data(describe(wanted(folder, pairs=[pair])))


def test_networks_and_data_of_other_kinds_are_told(folder: Path) -> None:
    data, net = f"text:{folder / 'data'}", f"hf:{folder / 'net'}"
    option = {"dataset_options": {"tokenizer": str(folder / "net")}}
    with pytest.raises(UserError, match="resnet18 classifies images, and the data set has texts, give hf:FOLDER"):
        check_data(describe(wanted(folder, pairs=[{"backbone": "resnet18", "dataset": data, **option}])))
    of_images = wanted(folder, pairs=[{"backbone": net, "dataset": "digits"}], subtasks=None)
    ledger = Ledger(folder / "none", readonly=True)
    with pytest.raises(UserError, match="transformers classifies no images by a bert"):
        build_once(of_images, plan(describe(of_images), ledger).steps, ledger)
    with pytest.raises(UserError, match="this network has none; give hf:FOLDER as the backbone"):
        describe(wanted(folder, pairs=[{"backbone": "resnet18", "dataset": data}]))


def test_attacks_change_pixels_and_no_texts(folder: Path) -> None:
    attacked = wanted(folder, subtasks={"sizes": [2], "attacks": ["fgsm"]})
    with pytest.raises(UserError, match=r"attacks: change pixels, and dataset text:.* has texts; remove them"):
        check_data(describe(attacked))
