"""Logged models of a study: which there are, what they hold, and that each is made once."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from mlflow.entities import LoggedModel
from mlflow.tracking import MlflowClient

from orchestrator.ledger.ledger import Ledger
from orchestrator.storage.studies import artifact_root, tracking_uri
from orchestrator.study.study import Study
from orchestrator.tracking.sync import sync_study
from tests.orchestrator.invented import invented_study, plan_of
from tests.tracked import AtOnce, points, runs

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Study, Ledger]:
    """An invented study with its runs: to be read, who changes it takes a copy."""
    storage = tmp_path_factory.mktemp("models")
    study, ledger = invented_study(storage)
    tracking = AtOnce(tracking_uri(storage), artifact_root(storage), study.name)
    tracking.study_run(study.name, ledger, {})
    return storage, study, ledger


def models(storage: Path, experiment: str = "invented") -> dict[str, LoggedModel]:
    """Key -> logged model; fails where two have one key."""
    client = MlflowClient(tracking_uri(storage))
    found = client.search_logged_models([client.get_experiment_by_name(experiment).experiment_id], max_results=1000)
    keys = [model.tags["nemo.key"] for model in found]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, found, strict=True))


def test_trained_networks_are_logged_models_with_their_figures_and_sub_tasks_are_none(
    written: tuple[Path, Study, Ledger],
) -> None:
    storage, study, ledger = written
    found, logged = runs(tracking_uri(storage)), models(storage)
    trainings = {step.key: step for step in plan_of(study, ledger).steps if step.kind == "train"}
    assert set(logged) == set(trainings)
    for key, model in logged.items():
        run, step = found[key], trainings[key]
        assert (model.status, model.model_type, model.source_run_id) == ("READY", "network", run.info.run_id)
        assert [each.model_id for each in run.outputs.model_outputs] == [model.model_id]
        assert model.tags["weights"] == f"runs:/{run.info.run_id}/model/network.safetensors"
        assert model.params["recipe.epochs"] == "3" and model.params["method"] == step.params["method"]
        figures = {metric.key: metric.value for metric in model.metrics}
        assert figures["accuracy"] == run.data.metrics["accuracy"] and "train/loss" not in figures
        assert ("krr/0.90" in figures) == (step.params["method"] != "standard")
        assert {metric.dataset_name for metric in model.metrics} == {"digits"}
    client = MlflowClient(tracking_uri(storage))
    experiment = found["study:invented"].info.experiment_id
    small = client.search_logged_models([experiment], filter_string="metrics.krr < 1 and tags.method = 'nemo'")
    assert len(small) == 1
    assert not any(storage.rglob("models/*"))  # their files are the runs'


def test_a_study_of_before_logged_models_gets_them_once(written: tuple[Path, Study, Ledger], tmp_path: Path) -> None:
    storage = shutil.copytree(written[0], tmp_path / "runs")
    ledger = Ledger(storage / "invented", readonly=True)
    whole = {key: sorted((m.key, m.step, m.value) for m in model.metrics) for key, model in models(storage).items()}
    once = points(tracking_uri(storage))
    with closing(sqlite3.connect(storage / "mlflow.db")) as database, database:
        for table in ("logged_model_metrics", "logged_model_params", "logged_model_tags", "logged_models"):
            database.execute(f"DELETE FROM {table}")
        database.execute("DELETE FROM inputs WHERE destination_type = 'MODEL_OUTPUT'")
    assert "results written" in sync_study(ledger.folder)
    again = {key: sorted((m.key, m.step, m.value) for m in model.metrics) for key, model in models(storage).items()}
    assert again == whole
    assert points(tracking_uri(storage)).items() >= once.items()
    with closing(sqlite3.connect(storage / "mlflow.db")) as database, database:  # a driver that was killed in between
        database.execute("UPDATE logged_models SET status = 1")
    sync_study(ledger.folder)
    assert {model.status for model in models(storage).values()} == {"READY"}
