import logging
import multiprocessing
import shutil
import socket
from pathlib import Path

import pytest
from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from nemo.errors import UserError
from orchestrator.environment import environment
from orchestrator.ledger import Ledger
from orchestrator.storage import artifact_root, tracking_uri
from orchestrator.study import Study
from orchestrator.tracking import Tracking
from tests.orchestrator.invented import STUDY, finish, invented_study, plan_of


@pytest.fixture(scope="session")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as MLflow makes it: making one takes seconds, a copy does not."""
    folder = tmp_path_factory.mktemp("store")
    Tracking(tracking_uri(folder), artifact_root(folder), "unused")
    return folder / "mlflow.db"


@pytest.fixture
def storage(storage: Path, empty_store: Path) -> Path:
    shutil.copy(empty_store, storage)
    return storage


def open_tracking(storage: Path, study: Study, ledger: Ledger) -> Tracking:
    tracking = Tracking(tracking_uri(storage), artifact_root(storage), study.name)
    tracking.study_run(study.name, ledger, study.text, environment())
    return tracking


def runs(storage: Path, tracking: Tracking) -> dict[str, Run]:
    """Key -> run; fails where two runs have one key."""
    found = MlflowClient(tracking_uri(storage)).search_runs([tracking.experiment_id], max_results=1000)
    keys = [run.data.tags["nemo.key"] for run in found]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, found, strict=True))


def points(storage: Path, tracking: Tracking) -> dict[tuple[str, str], list[tuple[int, int, float]]]:
    client = MlflowClient(tracking_uri(storage))
    return {
        (key, name): [(p.step, p.timestamp, p.value) for p in client.get_metric_history(run.info.run_id, name)]
        for key, run in runs(storage, tracking).items()
        for name in run.data.metrics
    }


def test_runs_are_nested_named_and_tagged(storage: Path) -> None:
    study, ledger = invented_study(storage)
    tracking = open_tracking(storage, study, ledger)
    tracking.close()
    found = runs(storage, tracking)
    steps = [step for step in plan_of(study, ledger).steps if step.kind in ("train", "reuse")]
    assert set(found) == {"study:invented", *(step.key for step in steps)}
    assert {run.info.status for run in found.values()} == {"FINISHED"}
    top = found["study:invented"]
    assert top.info.run_name == "invented"
    for step in steps:
        run = found[step.key]
        parent = top if step.kind == "train" else found[step.parents["train"]]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.run_name == step.label
        shown = {name: run.data.tags[name] for name in ("study", "backbone", "dataset", "seed")}
        assert shown == {"study": "invented", "backbone": "simcnn", "dataset": "digits", "seed": "0"}
        assert run.data.tags["stage"] == ("training" if step.kind == "train" else "subtask")
    subtask = next(found[step.key] for step in steps if step.kind == "reuse")
    assert subtask.data.tags["threshold"] == "0.90"
    wanted = {"krr", "accuracy", "accuracy_before_finetuning", "standard_accuracy", "flops", "flops_reduction"}
    assert wanted | {"threshold", "class_count"} <= set(subtask.data.metrics)


def test_a_training_carries_its_curves_its_settings_and_its_thresholds(storage: Path) -> None:
    study, ledger = invented_study(storage)
    tracking = open_tracking(storage, study, ledger)
    training = next(step for step in plan_of(study, ledger).steps if step.params.get("method") == "nemo")
    run = runs(storage, tracking)[training.key]
    assert run.data.params["alpha"] == "1.0"
    assert run.data.params["recipe.epochs"] == "3"
    curve = points(storage, tracking)[training.key, "train/loss"]
    assert curve == [(epoch, 1_790_000_000_000 + 1000 * epoch, 1 / (1 + epoch)) for epoch in range(3)]
    # The value that the page shows is the one of the highest threshold.
    assert run.data.metrics["krr"] == run.data.metrics["krr/0.90"] != run.data.metrics["krr/0.70"]
    assert [step for step, _, _ in points(storage, tracking)[training.key, "krr"]] == [700, 900]


def test_artifacts_are_kept(storage: Path) -> None:
    study, ledger = invented_study(storage)
    tracking = open_tracking(storage, study, ledger)
    client = MlflowClient(tracking_uri(storage))
    found = runs(storage, tracking)
    top = found["study:invented"].info.run_id
    assert {file.path for file in client.list_artifacts(top)} == {"study.yaml", "environment.json"}
    training = next(step for step in plan_of(study, ledger).steps if step.params.get("method") == "nemo")
    run = found[training.key].info.run_id
    assert [file.path for file in client.list_artifacts(run, "model")] == ["model/network.safetensors"]
    assert [file.path for file in client.list_artifacts(run, "masks")] == ["masks/relevance.safetensors"]


def test_writing_everything_again_adds_nothing(storage: Path) -> None:
    study, ledger = invented_study(storage)
    tracking = open_tracking(storage, study, ledger)
    once = points(storage, tracking)
    for step in plan_of(study, ledger).steps:
        tracking.log_result(step, ledger.get(step.key))
    again = open_tracking(storage, study, ledger)
    assert again.sync(ledger) == 0
    for step in plan_of(study, ledger).steps:
        again.log_result(step, ledger.get(step.key))
    assert points(storage, again) == once
    assert again.missed == tracking.missed == 0


def test_an_interrupted_study_goes_on_in_its_own_runs(storage: Path) -> None:
    study, ledger = invented_study(storage, until=2)
    tracking = open_tracking(storage, study, ledger)
    running = plan_of(study, ledger).pending(ledger)[0]
    # What a driver that was killed leaves: a run without its end, and one epoch of three.
    document = finish(ledger, running)
    history = document["result"]["history"]
    tracking.log_training_epoch(running, history[0])
    before = runs(storage, tracking)
    assert before[running.key].info.status == "RUNNING"
    study, ledger = invented_study(storage)
    resumed = open_tracking(storage, study, ledger)
    resumed.close()
    after = runs(storage, resumed)
    assert {key: after[key].info.run_id for key in before} == {key: run.info.run_id for key, run in before.items()}
    assert after[running.key].info.status == "FINISHED"
    assert [step for step, _, _ in points(storage, resumed)[running.key, "train/loss"]] == [0, 1, 2]


def test_a_failure_keeps_its_reason_until_it_is_mended(storage: Path) -> None:
    study, ledger = invented_study(storage, until=0)
    tracking = open_tracking(storage, study, ledger)
    step = plan_of(study, ledger).steps[0]
    tracking.log_failure(step, "the loss is NaN in epoch 2")
    failed = runs(storage, tracking)[step.key]
    assert (failed.info.status, failed.data.tags["reason"]) == ("FAILED", "train: the loss is NaN in epoch 2")
    document = finish(ledger, step)
    resumed = open_tracking(storage, study, ledger)
    resumed.log_result(step, document)
    mended = runs(storage, resumed)[step.key]
    assert (mended.info.run_id, mended.info.status) == (failed.info.run_id, "FINISHED")
    assert "reason" not in mended.data.tags


def test_a_store_that_is_away_stops_nothing_and_is_caught_up(storage: Path, caplog: pytest.LogCaptureFixture) -> None:
    study, ledger = invented_study(storage, until=0)
    tracking = open_tracking(storage, study, ledger)
    database = storage / "mlflow.db"
    step = plan_of(study, ledger).steps[0]
    document = finish(ledger, step)
    away = database.rename(storage / "away.db")
    database.mkdir()
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            tracking.log_result(step, document)
    assert tracking.missed == 3
    assert sum("the study goes on" in record.message for record in caplog.records) == 1
    database.rmdir()
    away.rename(database)
    tracking.close()
    assert tracking.missed == 0
    assert runs(storage, tracking)[step.key].info.status == "FINISHED"


def _create(storage: str) -> None:
    Tracking(tracking_uri(Path(storage)), artifact_root(Path(storage)), "race")


@pytest.mark.faults
def test_two_drivers_may_create_the_store_at_once(storage: Path) -> None:
    (storage / "mlflow.db").unlink()
    drivers = [multiprocessing.get_context("spawn").Process(target=_create, args=(str(storage),)) for _ in range(2)]
    for driver in drivers:
        driver.start()
    for driver in drivers:
        driver.join()
    assert [driver.exitcode for driver in drivers] == [0, 0]


def test_a_server_that_cannot_be_reached_is_said_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(UserError, match=r"tracking\.uri: MLflow cannot use 'http://127"):
        Tracking(f"http://127.0.0.1:{port}", None, "any")


def test_an_experiment_name_may_be_shared_by_studies(storage: Path) -> None:
    for name in ("first", "second"):
        study, ledger = invented_study(storage, STUDY.replace("invented", name))
        tracking = Tracking(tracking_uri(storage), artifact_root(storage), "shared")
        tracking.study_run(name, ledger, study.text, {})
    found = MlflowClient(tracking_uri(storage)).search_runs([tracking.experiment_id], max_results=1000)
    by_study = [run.data.tags["study"] for run in found]
    assert by_study.count("first") == by_study.count("second") == len(by_study) / 2
