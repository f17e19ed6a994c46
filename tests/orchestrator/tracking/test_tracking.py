import json
import logging
import multiprocessing
import re
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml
from mlflow.tracking import MlflowClient

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import describe_step
from orchestrator.report.key_figures import SUBTASK_MEANS
from orchestrator.report.page import read_page
from orchestrator.report.study_report import gather
from orchestrator.storage.studies import artifact_root, tracking_uri
from orchestrator.study.study import Study
from orchestrator.system.environment import environment
from orchestrator.tracking.entries import dataset_input, milliseconds
from orchestrator.tracking.sync import sync_study
from orchestrator.tracking.tracking import Tracking
from tests.orchestrator.invented import STUDY, finish, invented_study, plan_of
from tests.tracked import AtOnce, points, runs

pytestmark = pytest.mark.heavy


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
    tracking = AtOnce(tracking_uri(storage), artifact_root(storage), study.name)
    tracking.study_run(study.name, ledger, environment())
    return tracking


def test_runs_are_nested_named_and_tagged(storage: Path) -> None:
    study, ledger = invented_study(storage)
    tracking = open_tracking(storage, study, ledger)
    tracking.close()
    found = runs(tracking_uri(storage))
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
    open_tracking(storage, study, ledger)
    training = next(step for step in plan_of(study, ledger).steps if step.params.get("method") == "nemo")
    run = runs(tracking_uri(storage))[training.key]
    assert run.data.params["alpha"] == "1.0"
    assert run.data.params["recipe.epochs"] == "3"
    curve = points(tracking_uri(storage))[training.key, "train/loss"]
    assert curve == [(epoch, 1_790_000_000_000 + 1000 * epoch, 1 / (1 + epoch)) for epoch in range(3)]
    # The value that the page shows is the one of the highest threshold.
    assert run.data.metrics["krr"] == run.data.metrics["krr/0.90"] != run.data.metrics["krr/0.70"]
    assert [step for step, _, _ in points(tracking_uri(storage))[training.key, "krr"]] == [700, 900]


def test_artifacts_are_kept(storage: Path) -> None:
    study, ledger = invented_study(storage)
    open_tracking(storage, study, ledger)
    client = MlflowClient(tracking_uri(storage))
    found = runs(tracking_uri(storage))
    top = found["study:invented"].info.run_id
    assert {file.path for file in client.list_artifacts(top)} == {"study.yaml", "environment.json"}
    training = next(step for step in plan_of(study, ledger).steps if step.params.get("method") == "nemo")
    run = found[training.key].info.run_id
    assert [file.path for file in client.list_artifacts(run, "model")] == ["model/network.safetensors"]
    assert [file.path for file in client.list_artifacts(run, "masks")] == ["masks/relevance.safetensors"]


def test_a_training_names_its_data_set_once(storage: Path) -> None:
    study, ledger = invented_study(storage)
    open_tracking(storage, study, ledger)
    training = next(step for step in plan_of(study, ledger).steps if step.params.get("method") == "nemo")
    (used,) = runs(tracking_uri(storage))[training.key].inputs.dataset_inputs
    assert used.dataset.name == "digits" and training.params["fingerprint"].startswith(used.dataset.digest)
    assert json.loads(used.dataset.profile) == {"num_classes": 10, "validation": 0.1}
    assert {tag.key: tag.value for tag in used.tags} == {"mlflow.data.context": "training"}
    client = MlflowClient(tracking_uri(storage))
    client.log_inputs(runs(tracking_uri(storage))[training.key].info.run_id, [dataset_input(training.params)])
    assert len(runs(tracking_uri(storage))[training.key].inputs.dataset_inputs) == 1


def test_the_report_is_attached_at_the_end_and_again_when_there_is_more(storage: Path) -> None:
    study, ledger = invented_study(storage, until=8)
    client = MlflowClient(tracking_uri(storage))

    def attached() -> dict[str, str]:
        """The page's text, and the names of the pictures."""
        top = runs(tracking_uri(storage))["study:invented"].info.run_id
        files = [file.path for file in client.list_artifacts(top, "report/figures")]
        assert {file.path for file in client.list_artifacts(top, "report")} == {"report/figures", "report/report.html"}
        page = Path(client.download_artifacts(top, "report/report.html")).read_text()
        return {"page": page, **dict.fromkeys(files, "")}

    open_tracking(storage, study, ledger).close("KILLED")
    top = runs(tracking_uri(storage))["study:invented"].info.run_id
    assert {file.path for file in client.list_artifacts(top)} == {"study.yaml", "environment.json"}
    open_tracking(storage, study, ledger).close("FAILED")
    early = attached()
    assert "steps left" in early["page"]
    study, ledger = invented_study(storage)
    assert sync_study(ledger.folder).endswith(f"written to {tracking_uri(storage)}")
    late = attached()
    assert late["page"] == read_page(ledger.folder) and len(late) > len(early)
    assert all(name.endswith(".png") for name in late if name != "page")
    (page,) = Path(storage).rglob("report/report.html")
    written = page.stat().st_mtime_ns
    open_tracking(storage, study, ledger).close()
    assert page.stat().st_mtime_ns == written  # the same results have the same report


def test_the_studys_own_run_has_its_key_figures_as_of_the_last_end(storage: Path) -> None:
    study, ledger = invented_study(storage, until=8)
    open_tracking(storage, study, ledger).close("FAILED")
    early = runs(tracking_uri(storage))["study:invented"].data.metrics
    assert (early["subtasks"], early["failed"]) == (0, 0) and "subtask_accuracy" not in early
    study, ledger = invented_study(storage)
    failing = plan_of(study, ledger).steps[0]
    open_tracking(storage, study, ledger).close()
    late = runs(tracking_uri(storage))["study:invented"].data.metrics
    frames = gather(ledger.folder).frames
    best = frames.modularizations.filter(pl.col("threshold") == 0.9).sort("krr")[0].to_dicts()[0]
    assert (late["best_krr"], late["best_accuracy"]) == (best["krr"], best["accuracy"])
    assert (late["trainings"], late["subtasks"]) == (len(frames.trainings), len(frames.subtasks)) == (4, 8)
    for column, name in SUBTASK_MEANS.items():
        assert late[name] == pytest.approx(frames.subtasks[column].mean())
    written = points(tracking_uri(storage))
    assert [step for step, *_ in written["study:invented", "subtasks"]] == [8, len(ledger.finished())]
    sync_study(ledger.folder)  # the same results have the same figures
    assert points(tracking_uri(storage)) == written
    ledger.fail(replace(failing, key="0" * 20), "lost")  # of no step of the study
    open_tracking(storage, study, ledger).close()
    again = points(tracking_uri(storage))["study:invented", "failed"]
    assert [value for *_, value in again] == [0, 0, 0] and len({step for step, *_ in again}) == 3


def test_a_report_that_cannot_be_made_holds_up_nothing(
    storage: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise UserError("the data are gone")

    study, ledger = invented_study(storage, until=3)
    monkeypatch.setattr("orchestrator.report.study_report.gather", refuse)
    open_tracking(storage, study, ledger).close()
    assert "the report of invented cannot be put into MLflow: the data are gone" in caplog.text
    assert runs(tracking_uri(storage))["study:invented"].info.status == "FINISHED"


def test_the_searches_of_the_documentation_find_what_they_say(storage: Path) -> None:
    study, ledger = invented_study(storage)
    failing = replace(plan_of(study, ledger).steps[0], key="0" * 20, params={**plan_of(study, ledger).steps[0].params})
    ledger.fail(failing, "the loss is NaN")
    open_tracking(storage, study, ledger).close("FAILED")
    found = runs(tracking_uri(storage))
    metric = {key: run.data.metrics for key, run in found.items()}
    tag = {key: run.data.tags for key, run in found.items()}
    expected = {
        "tags.stage = 'subtask' and metrics.krr < 0.3": lambda key: (
            tag[key]["stage"] == "subtask" and metric[key]["krr"] < 0.3
        ),
        "tags.stage = 'subtask' and tags.threshold = '0.90' and metrics.class_count = 2": lambda key: (
            tag[key].get("threshold") == "0.90" and metric[key]["class_count"] == 2
        ),
        "tags.stage = 'training' and tags.method = 'mwt' and params.lambda_coup = '2.0'": lambda key: (
            tag[key]["stage"] == "training" and found[key].data.params.get("lambda_coup") == "2.0"
        ),
        "tags.stage = 'training' and metrics.\"krr/0.90\" < 0.4": lambda key: metric[key].get("krr/0.90", 1) < 0.4,
        "tags.study = 'invented' and attributes.status = 'FAILED'": lambda key: found[key].info.status == "FAILED",
        "dataset.name = 'digits'": lambda key: tag[key]["stage"] == "training",
        "tags.\"mlflow.source.git.commit\" = 'abc'": lambda key: tag[key].get("mlflow.source.git.commit") == "abc",
    }
    text = (Path(__file__).parents[3] / "docs" / "tracking.md").read_text()
    table = text.split("## Searches")[1].split("\n## ")[0]
    documented = re.findall(r"^\| `(.+?)` \|", table, re.M)
    assert documented == list(expected)
    client = MlflowClient(tracking_uri(storage))
    experiment = client.get_experiment_by_name("invented").experiment_id
    for search, holds in expected.items():
        shown = {run.data.tags["nemo.key"] for run in client.search_runs([experiment], search)}
        assert shown == {key for key in found if holds(key)}, search
        assert 0 < len(shown) < len(found), search


def test_writing_everything_again_adds_nothing(storage: Path) -> None:
    study, ledger = invented_study(storage)
    tracking = open_tracking(storage, study, ledger)
    once = points(tracking_uri(storage))
    for step in plan_of(study, ledger).steps:
        tracking.log_result(ledger.get(step.key))
    again = open_tracking(storage, study, ledger)
    for step in plan_of(study, ledger).steps:
        again.log_result(ledger.get(step.key))
    assert points(tracking_uri(storage)) == once


def test_an_interrupted_study_goes_on_in_its_own_runs(storage: Path) -> None:
    study, ledger = invented_study(storage, until=2)
    tracking = open_tracking(storage, study, ledger)
    running = plan_of(study, ledger).pending(ledger)[0]
    # What a driver that was killed leaves: a run without its end, and one epoch of three.
    document = finish(ledger, running)
    history = document["result"]["history"]
    tracking.log_epochs(running, history[:1])
    before = runs(tracking_uri(storage))
    assert before[running.key].info.status == "RUNNING"
    study, ledger = invented_study(storage)
    resumed = open_tracking(storage, study, ledger)
    resumed.close()
    after = runs(tracking_uri(storage))
    assert {key: after[key].info.run_id for key in before} == {key: run.info.run_id for key, run in before.items()}
    assert after[running.key].info.status == "FINISHED"
    assert [step for step, _, _ in points(tracking_uri(storage))[running.key, "train/loss"]] == [0, 1, 2]


def test_a_failure_keeps_its_reason_until_it_is_mended(storage: Path) -> None:
    study, ledger = invented_study(storage, until=0)
    tracking = open_tracking(storage, study, ledger)
    step = plan_of(study, ledger).steps[0]
    tracking.log_failure(step, "the loss is NaN in epoch 2")
    failed = runs(tracking_uri(storage))[step.key]
    assert (failed.info.status, failed.data.tags["reason"]) == ("FAILED", "train: the loss is NaN in epoch 2")
    document = finish(ledger, step)
    resumed = open_tracking(storage, study, ledger)
    resumed.log_result(document)
    mended = runs(tracking_uri(storage))[step.key]
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
            tracking.log_result(document)
    assert sum("the study goes on" in record.message for record in caplog.records) == 1
    database.rmdir()
    away.rename(database)
    tracking.close()
    assert runs(tracking_uri(storage))[step.key].info.status == "FINISHED"


def test_what_a_killed_driver_did_not_tell_is_told_by_the_next(storage: Path) -> None:
    study, ledger = invented_study(storage)
    subtask = next(step for step in plan_of(study, ledger).steps if step.kind == "reuse")
    other = Study.model_validate(yaml.safe_load(study.text) | {"seeds": [7]})
    failed, stopped, *_ = (step for step in plan_of(other, ledger).steps if step.kind == "train")
    ledger.fail(failed, "the loss is NaN in epoch 3")
    ledger.suggest("search", 0, {"alpha": 0.5})
    when = "2026-10-01T12:00:00+00:00"
    ledger.conclude("search", 0, {**describe_step(stopped), "epoch": 3, "reason": "stopped by ASHA", "stopped": when})
    failing = replace(subtask, key="0" * 20, params={**subtask.params, "classes": [8, 9]})
    ledger.fail(failing, "a worker died")
    open_tracking(storage, study, ledger).close("FAILED")
    found = runs(tracking_uri(storage))
    ends = {step.key: (found[step.key].info.status, found[step.key].data.tags["reason"]) for step in (failed, stopped)}
    assert ends == {
        failed.key: ("FAILED", "train: the loss is NaN in epoch 3"),
        stopped.key: ("KILLED", "train: stopped by ASHA"),
    }
    assert found[stopped.key].info.end_time == milliseconds(when)
    assert found[failing.key].data.tags["mlflow.parentRunId"] == found[failing.parents["train"]].info.run_id
    assert found[failing.key].info.status == "FAILED"


def test_a_measure_that_failed_marks_its_training_until_it_succeeds(storage: Path) -> None:
    study, ledger = invented_study(storage, until=5)
    step = plan_of(study, ledger).pending(ledger)[0]
    assert step.kind != "train"
    ledger.fail(step, "out of memory")
    tracking = open_tracking(storage, study, ledger)
    failed = runs(tracking_uri(storage))[step.parents["train"]]
    assert (failed.info.status, failed.data.tags["reason"]) == ("FINISHED", f"{step.kind}: out of memory")
    tracking.log_result(finish(ledger, step))
    assert "reason" not in runs(tracking_uri(storage))[step.parents["train"]].data.tags


def test_what_mlflow_refuses_holds_up_nothing_else(storage: Path, caplog: pytest.LogCaptureFixture) -> None:
    study, ledger = invented_study(storage, until=1)
    step = plan_of(study, ledger).pending(ledger)[0]
    document = finish(ledger, step)
    shutil.rmtree(ledger.folder / "ledger" / "train")
    ledger = Ledger(ledger.folder)
    for each in plan_of(study, ledger).steps[:3]:
        ledger.put(each, document["result"] | ({"no!name": 1.0} if each == step else {}))
    open_tracking(storage, study, ledger).close()
    found = runs(tracking_uri(storage))
    assert found[step.key].info.status == "RUNNING"
    assert [run.info.status for run in found.values()].count("FINISHED") == 3
    assert "refuses a result (Invalid value" in caplog.text and "no!name" in caplog.text
    with pytest.raises(UserError, match=r"refuses a result \(Invalid value.*; nothing was missing$"):
        sync_study(ledger.folder)


def test_the_children_of_a_damaged_result_wait_for_it(storage: Path) -> None:
    study, ledger = invented_study(storage)
    training = next(step for step in plan_of(study, ledger).steps if step.params.get("method") == "nemo")
    (ledger.folder / "ledger" / "train" / f"{training.key}.json").write_text("damaged")
    ledger = Ledger(ledger.folder)
    tracking = open_tracking(storage, study, ledger)
    assert training.key not in runs(tracking_uri(storage))
    tracking.log_result(finish(ledger, training))
    tracking.close()
    run = runs(tracking_uri(storage))[training.key]
    assert {"kernels", "krr/0.70", "krr/0.90", "accuracy"} <= run.data.metrics.keys()


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


def test_an_experiment_name_may_be_shared_by_studies(storage: Path) -> None:
    for name in ("first", "second"):
        _, ledger = invented_study(storage, STUDY.replace("invented", name))
        tracking = AtOnce(tracking_uri(storage), artifact_root(storage), "shared")
        tracking.study_run(name, ledger, {})
    client = MlflowClient(tracking_uri(storage))
    found = client.search_runs([client.get_experiment_by_name("shared").experiment_id])
    by_study = [run.data.tags["study"] for run in found]
    assert by_study.count("first") == by_study.count("second") == len(by_study) / 2
