"""A study from its file to its report: real Ray, real MLflow, real training."""

from __future__ import annotations

from pathlib import Path

import pytest
import ray
from mlflow.tracking import MlflowClient

from orchestrator.cluster.head import own_head
from orchestrator.storage.studies import tracking_uri
from tests import tiny

pytestmark = pytest.mark.ray


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("run")
    study = tiny.write_study(folder, tracking={"system_metrics": True})
    ended = tiny.nemo("run", study, "--storage", folder / "runs")
    assert ended.returncode == 0, ended.stderr
    assert "nemo ui" in ended.stdout  # the next command to type
    return study, folder / "runs"


def test_every_step_has_its_result_and_mlflow_each_once(finished: tuple[Path, Path]) -> None:
    tiny.assert_complete(*finished)


def test_runs_are_nested_named_and_tagged(finished: tuple[Path, Path]) -> None:
    runs = {run.data.tags["nemo.key"]: run for run in tiny.mlflow_runs(finished[1])}
    by_id = {run.info.run_id: run for run in runs.values()}
    above = {"training": "study", "subtask": "training"}
    for run in runs.values():
        tags = run.data.tags
        assert tags["study"] == "tiny"
        if tags["stage"] != "study":
            assert by_id[tags["mlflow.parentRunId"]].data.tags["stage"] == above[tags["stage"]]
            assert {"backbone", "dataset", "method", "seed"} <= tags.keys()
    subtasks = [run for run in runs.values() if run.data.tags["stage"] == "subtask"]
    assert len(subtasks) == 4
    for run in subtasks:
        assert {"krr", "accuracy", "accuracy_before_finetuning", "flops", "flops_reduction"} <= run.data.metrics.keys()


def test_trainings_tell_what_they_do_to_their_machine(finished: tuple[Path, Path]) -> None:
    client = MlflowClient(tracking_uri(finished[1]))
    for run in tiny.mlflow_runs(finished[1]):
        system = {name for name in run.data.metrics if name.startswith("system/")}
        assert bool(system) == (run.data.tags["stage"] == "training")
        for name in system & {"system/cpu_utilization_percentage", "system/system_memory_usage_percentage"}:
            history = client.get_metric_history(run.info.run_id, name)
            assert [point.step for point in history] == list(range(4))
            assert all(0 <= point.value <= 100 for point in history)
        assert len(system) == 0 or {"system/cpu_utilization_percentage", "system/disk_usage_percentage"} <= system


def test_the_report_has_every_row_and_field(finished: tuple[Path, Path]) -> None:
    report = tiny.report(finished[1])
    assert report["study"] == "tiny"
    assert len(report["trainings"]) == 3
    assert len(report["modularizations"]) == 2 * 2
    assert len(report["subtasks"]) == 4
    common = {"key", "method", "backbone", "dataset", "seed", "accuracy"}
    shown = ("trainings", "modularizations", "subtasks")
    assert all(common <= row.keys() for name in shown for row in report[name])
    assert len(report["epochs"]) == 3 * 4
    for row in report["modularizations"]:
        assert {"threshold", "krr", "cohesion", "coupling"} <= row.keys()
        assert 0 < row["krr"] <= 1
    for row in report["subtasks"]:
        assert len(row["classes"]) == 2
        assert 0 < row["flops_reduction"] < 1
        assert None not in (row["accuracy_before_finetuning"], row["standard_accuracy"], row["krr"], row["flops"])


def test_a_finished_study_is_left_as_it_is(finished: tuple[Path, Path]) -> None:
    study, storage = finished
    before, runs = tiny.result_files(storage), len(tiny.mlflow_runs(storage))
    again = tiny.nemo("run", study, "--storage", storage)
    assert again.returncode == 0, again.stderr
    assert tiny.result_files(storage) == before
    assert len(tiny.mlflow_runs(storage)) == runs
    assert not (storage / "tiny" / "ray" / "head.json").exists()


@pytest.mark.slow
def test_thresholds_and_subtasks_extend_a_finished_study(finished: tuple[Path, Path]) -> None:
    study, storage = finished
    before = tiny.result_files(storage)
    subtasks = {**tiny.STUDY["subtasks"], "samples": 5}
    wider = tiny.write_study(study.parent, thresholds=[0.5, 0.7, 0.9], subtasks=subtasks)
    assert tiny.nemo("run", wider, "--storage", storage).returncode == 0
    after = tiny.result_files(storage)
    assert {path: after[path] for path in before} == before
    assert len(after) == len(before) + 2 + 1
    tiny.assert_complete(wider, storage)


@pytest.mark.slow
def test_two_workers_train_the_same_study(tmp_path: Path) -> None:
    study = tiny.write_study(
        tmp_path,
        methods={"mwt": {}},
        sweep=None,
        recipe={"epochs": 2, "batch_size": 32, "lr": 0.03},
        subtasks=None,
        resources={"training": {"workers": 2, "cpus": 1}, "subtask": {"cpus": 1}},
    )
    ended = tiny.nemo("run", study, "--storage", tmp_path / "runs")
    assert ended.returncode == 0, ended.stderr
    tiny.assert_complete(study, tmp_path / "runs")


@pytest.mark.slow
def test_a_running_head_is_used_and_left_running(storage: Path) -> None:
    study = tiny.write_study(storage, sweep=None, thresholds=[0.9])
    with own_head(storage / "elsewhere", num_cpus=2) as cluster:
        ended = tiny.nemo("run", study, "--storage", storage / "runs", "--address", cluster.address)
        assert ended.returncode == 0, ended.stderr
        assert ray.nodes()[0]["Alive"]
    assert not (storage / "runs" / "tiny" / "ray" / "head.json").exists()
    tiny.assert_complete(study, storage / "runs")
