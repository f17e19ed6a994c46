"""The studies that come with the project are read, and planned without the data of the large ones on the disk."""

import json
from pathlib import Path

import pytest

from nemo.recipe import Recipe
from orchestrator.plan.planner import plan
from orchestrator.plan.step import KINDS
from orchestrator.study.data import check_data, describe
from orchestrator.study.file import load_study_file
from tests import texts
from tests.pictures import shape, write_table

STUDIES = Path(__file__).parents[3] / "studies"

# file: (train, modularize, measure, reuse) known beforehand, and reuse steps that depend on results
COUNTS = {
    "quickstart.yaml": ((6, 5, 15, 0), 72),
    "digits-optuna.yaml": ((1, 0, 0, 0), 0),
    "digits-asha.yaml": ((0, 0, 0, 0), 0),
    "digits-search.yaml": ((2, 0, 0, 0), 0),
    "digits-subtasks.yaml": ((2, 1, 2, 330), 0),
    "mwt-table2.yaml": ((8, 4, 4, 0), 0),
    "mwt-table3.yaml": ((12, 8, 8, 0), 0),
    "mwt-tables5-7.yaml": ((8, 4, 4, 324), 0),
    "mwt-table8.yaml": ((12, 8, 8, 648), 0),
    "mwt-rq4.yaml": ((8, 7, 63, 630), 0),
    "nemo-cnns.yaml": ((24, 16, 16, 1296), 0),
    "nemo-transformers.yaml": ((14, 8, 8, 72), 0),
    "cifar10-jpeg-cnns.yaml": ((6, 4, 36, 324), 0),
    "cifar10-jpeg-transformers.yaml": ((7, 4, 36, 36), 0),
    "cifar10-jpeg-narrow.yaml": ((3, 2, 18, 16), 0),
    "moda.yaml": ((8, 4, 4, 160), 0),
    "digits-transformers.yaml": ((5, 2, 2, 12), 0),
    "digits-methods.yaml": ((5, 4, 4, 32), 0),
    "clinc150.yaml": ((0, 0, 0, 0), 180),  # more are known once the weights are here
    "worth-of-modules.yaml": ((27, 24, 24, 0), 600),
    "modules-as-cut.yaml": ((51, 48, 48, 192), 0),
    "modules-as-cut-cifar10-jpeg.yaml": ((6, 6, 12, 48), 0),
    "nemo-against-mwt-cnn.yaml": ((48, 42, 126, 168), 0),
    "nemo-against-mwt-transformer.yaml": ((42, 36, 108, 144), 0),
}

DERIVED: dict[str, int] = {}

PAPERS = ("mwt-", "nemo-cnns", "nemo-transformers")


def load(name, tmp_path, monkeypatch):
    monkeypatch.setenv("NEMO_DATA", str(tmp_path / "no data here"))
    if "parquet:data/" in (STUDIES / name).read_text():  # the files have to be there; one image again and again will do
        monkeypatch.chdir(tmp_path)
        (tmp_path / "studies").symlink_to(STUDIES)
        (tmp_path / "data" / "cifar10-jpeg").mkdir(parents=True)
        for part, count in (("train", 10_000), ("test", 5_000)):
            labels = [number % 10 for number in range(count)]
            write_table(tmp_path / f"data/cifar10-jpeg/{part}.parquet", [shape(0, 0, 32)] * count, labels)
    if "text:data/" in (STUDIES / name).read_text():
        monkeypatch.chdir(tmp_path)
        (tmp_path / "studies").symlink_to(STUDIES)
        domains = {f"domain {number}": [f"intent {15 * number + each}" for each in range(15)] for number in range(10)}
        (tmp_path / "data" / "clinc150").mkdir(parents=True)
        (tmp_path / "data/clinc150/domains.json").write_text(json.dumps(domains))
        for part in ("train", "test"):
            rows = [f"hello my {intent},{intent}\n" * 2 for intents in domains.values() for intent in intents]
            (tmp_path / f"data/clinc150/{part}.csv").write_text("text,label\n" + "".join(rows))
        texts.write_network(tmp_path / "models" / "minilm")
    study = load_study_file(STUDIES / name)
    described = describe(study)
    check_data(described)
    return study, plan(described, {})


def test_every_study_is_counted_here():
    assert {path.name for path in STUDIES.glob("*.yaml")} == set(COUNTS)


@pytest.mark.parametrize("name", sorted(COUNTS))
def test_counts(name, tmp_path, monkeypatch):
    study, planned = load(name, tmp_path, monkeypatch)
    assert study.name == Path(name).stem
    counts = planned.counts()
    assert (tuple(counts[kind] for kind in KINDS if kind != "derive"), planned.up_to["reuse"]) == COUNTS[name]
    assert counts["derive"] == DERIVED.get(name, 0)


@pytest.mark.parametrize("name", sorted(name for name in COUNTS if name.startswith(PAPERS)))
def test_the_papers_studies_follow_the_published_recipe(name, tmp_path, monkeypatch):
    study, _ = load(name, tmp_path, monkeypatch)
    for pair in study.pairs:
        for method in study.methods:
            assert study.recipe_for(pair, method) == Recipe()
        assert pair.width == 1.0
    assert max(study.thresholds) == 0.9


def test_the_tables_share_their_trainings(tmp_path, monkeypatch):
    for first, second in (("mwt-table2.yaml", "mwt-tables5-7.yaml"), ("mwt-table3.yaml", "mwt-table8.yaml")):
        plans = [load(name, tmp_path, monkeypatch)[1] for name in (first, second)]
        trained = [{step.key for step in planned.steps if step.kind == "train"} for planned in plans]
        assert trained[0] == trained[1]


def test_81_subtasks_per_network(tmp_path, monkeypatch):
    _, planned = load("mwt-tables5-7.yaml", tmp_path, monkeypatch)
    reused = [step for step in planned.steps if step.kind == "reuse"]
    for train in {step.parents["train"] for step in reused}:
        sizes = [len(step.params["classes"]) for step in reused if step.parents["train"] == train]
        assert [sizes.count(size) for size in range(2, 11)] == [10] * 8 + [1]


def test_the_published_weights(tmp_path, monkeypatch):
    _, planned = load("nemo-cnns.yaml", tmp_path, monkeypatch)
    settings = {
        (step.params["backbone"], step.params["dataset"]["name"], step.params["method"]): step.params["settings"]
        for step in planned.steps
        if step.kind == "train"
    }
    assert settings["resnet18", "svhn", "mwt"] == {"lambda_coh": 1.3, "lambda_coup": 1.5}
    assert settings["rescnn", "cifar10", "mwt"] == {"lambda_coh": 1.0, "lambda_coup": 2.2}
    assert settings["resnet18", "svhn", "nemo"] == {"alpha": 1.1, "temperature": 0.2}
    assert settings["simcnn", "cifar10", "nemo"] == {"alpha": 1.3, "temperature": 0.2}
