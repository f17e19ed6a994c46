import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

import nemo
import orchestrator
from nemo.errors import UserError
from nemo.metrics import union_rate
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.study_report import gather
from orchestrator.study.study import Study
from tests.orchestrator.in_process import finish_study
from tests.orchestrator.invented import invented_study
from tests.tiny import STUDY

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "notebook.md").read_text(), re.M | re.S)

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def storage(tiny_runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny study under the name that the document uses."""
    storage = tmp_path_factory.mktemp("storage")
    shutil.copytree(tiny_runs / "tiny", storage / "quickstart")
    recipe = {**STUDY["recipe"], "epochs": 2}
    named = Study.model_validate({**STUDY, "name": "quickstart", "recipe": recipe})
    assert finish_study(named, storage, until=0).finished() == Ledger(tiny_runs / "tiny", readonly=True).finished()
    return storage


@pytest.fixture
def study(storage: Path) -> orchestrator.LoadedStudy:
    return orchestrator.load_study("quickstart", storage)


def test_the_notebook_of_the_documentation_runs(storage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NEMO_STORAGE", str(storage))
    monkeypatch.chdir(tmp_path)
    cells: dict[str, Any] = {}
    assert len(BLOCKS) >= 8
    for block in BLOCKS:
        exec(compile(block, "docs/notebook.md", "exec"), cells)
    assert repr(cells["study"]) == f"<study quickstart in {storage}: 3 trainings, 4 sub-tasks>"
    assert cells["by_size"]["tasks"].sum() == 4
    assert cells["smallest"]["krr"].to_list() == sorted(cells["study"].modularizations["krr"])[:3]
    assert len(cells["kept"]) == len(cells["masks"]) and 0 < cells["share"] < 1
    assert 0 < cells["after"] <= 1 and 0 <= cells["before"] <= 1
    assert Path("by-threshold.pdf").read_bytes().startswith(b"%PDF")


def test_the_frames_are_those_of_the_report(storage: Path, study: orchestrator.LoadedStudy) -> None:
    frames = gather(storage / "quickstart").frames
    for name in ("trainings", "modularizations", "subtasks", "epochs"):
        assert len(getattr(study, name)) > 0
        assert_frame_equal(getattr(study, name), getattr(frames, name))


def test_a_study_is_found_by_name_and_by_place(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(storage)
    for given in (storage / "quickstart", str(storage / "quickstart"), "./quickstart", Path("quickstart")):
        assert orchestrator.load_study(given).trainings["key"].len() == 3
    with pytest.raises(UserError, match=r"leave the storage out or give its name alone\.$"):
        orchestrator.load_study(storage / "quickstart", storage)
    with pytest.raises(UserError, match=r"no study 'other' .*known studies: quickstart"):
        orchestrator.load_study("other", storage)


def test_a_model_is_the_network_that_was_trained(study: orchestrator.LoadedStudy) -> None:
    for row in study.trainings.iter_rows(named=True):
        network, dataset = study.model(row["key"]), study.dataset(row["key"])
        assert not network.training
        images = dataset.test.images.float() / 255
        mean, std = (torch.tensor(each)[:, None, None] for each in (dataset.mean, dataset.std))
        with torch.no_grad():
            output = network((images - mean) / std)
        logits = output if row["method"] == "standard" else output[0]
        assert (logits.argmax(1) == dataset.test.labels).double().mean().item() == pytest.approx(row["accuracy"])


def test_masks_are_those_that_were_measured(study: orchestrator.LoadedStudy) -> None:
    for row in study.modularizations.iter_rows(named=True):
        masks = study.masks(row["training"], row["threshold"])
        widths = sum(mask.shape[1] for mask in masks)
        krr = sum(mask.double().mean(0).sum().item() for mask in masks) / widths
        assert krr == pytest.approx(row["krr"])
        if row["threshold"] == 0.9:
            assert all(map(torch.equal, study.masks(row["training"]), masks))  # the highest one by default
    between = study.masks(study.best[0], 0.63)
    assert sum(mask.sum() for mask in between) >= sum(mask.sum() for mask in study.masks(study.best[0], 0.9))
    with pytest.raises(UserError, match=r"threshold: 1.5 lies outside"):
        study.masks(study.best[0], 1.5)


def test_a_module_is_the_networks_own_answer_with_its_mask(study: orchestrator.LoadedStudy) -> None:
    for row in study.subtasks.iter_rows(named=True):
        module = study.module(row["training"], row["classes"], row["threshold"])
        dataset = study.dataset(row["training"])
        part = nemo.reuse.subtask_dataset(dataset, row["classes"])
        accuracy = nemo.evaluate(module, part.test, part)["accuracy"]
        assert accuracy == pytest.approx(row["accuracy_before_finetuning"])
        assert union_rate(study.masks(row["training"], row["threshold"]), row["classes"]) == pytest.approx(row["krr"])
    key = study.best[0]
    images = torch.randn(2, 3, 32, 32)
    by_name, by_number = (study.module(key, classes, 0.5)(images) for classes in (["5", "3"], [5, 3]))
    assert torch.equal(by_name, by_number)
    assert torch.allclose(study.module(key, [3, 5], 0.5)(images), by_number.flip(1))


def test_what_does_not_exist_is_a_sentence(study: orchestrator.LoadedStudy) -> None:
    key = study.best[0]
    standard = study.trainings.filter(pl.col("method") == "standard")["key"][0]
    with pytest.raises(UserError, match=r"classes: 'cat' is none of 0, 1, 2"):
        study.module(key, ["cat", "3"])
    with pytest.raises(UserError, match=r"must be distinct numbers from 0 to 9"):
        study.module(key, [3, 10])
    with pytest.raises(UserError, match=r"this standard training has no modules"):
        study.masks(standard, 0.9)
    with pytest.raises(UserError, match=rf"'nothing': no training has this key, choose among .*{key} \(mwt "):
        study.model("nothing")
    with pytest.raises(UserError, match=r"'': no training has this key"):
        study.model("")
    longest = next(number for number in range(20, 0, -1) if study.trainings["key"].str.head(number).n_unique() == 3)
    assert study.settings(key[:longest])["method"] == "mwt"


def test_an_ambiguous_key_is_told(tmp_path: Path) -> None:
    _, ledger = invented_study(tmp_path, "name: many\n" + _many())
    study = orchestrator.load_study("many", tmp_path)
    first = study.trainings["key"].str.head(1).value_counts().filter(pl.col("count") > 1)["key"][0]
    with pytest.raises(
        UserError, match=f"'{first}': more than one training's key starts with it, choose among {first}"
    ):
        study.model(first)
    assert Ledger(ledger.folder, readonly=True).finished("train") == set(study.trainings["key"])


def _many() -> str:
    """A study of more trainings than there are first digits of a key."""
    pair = "pairs: [{backbone: simcnn, dataset: digits, width: 0.125}]\n"
    return f"{pair}methods: {{standard: {{}}}}\nseeds: [{', '.join(map(str, range(17)))}]\nrecipe: {{epochs: 1}}\n"


def test_a_damaged_network_is_never_used(storage: Path, tmp_path: Path) -> None:
    shutil.copytree(storage / "quickstart", tmp_path / "quickstart")
    study = orchestrator.load_study(tmp_path / "quickstart")
    key = study.best[0]
    path = tmp_path / "quickstart" / "artifacts" / key / "network.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"\1")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(UserError, match=f"the result {key} that a step builds on is damaged or missing"):
        study.model(key)
    assert sorted(tmp_path.rglob("*")) == before  # whoever looks on moves nothing


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = (
        "import sys, orchestrator; assert 'load_study' in dir(orchestrator)\n"
        "heavy = {'torch', 'ray', 'mlflow', 'matplotlib'}; light = {'polars', 'pydantic'}\n"
        "assert not (heavy | light) & set(sys.modules)\n"
        "orchestrator.load_study\n"
        "assert not heavy & set(sys.modules)\n"
        "try: orchestrator.nonsense\n"
        "except AttributeError as error: assert 'nonsense' in str(error)\n"
        "else: raise AssertionError"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
