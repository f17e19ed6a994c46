"""What an MLflow store holds of a study, and whether it is all there and nothing twice."""

from __future__ import annotations

from collections.abc import Callable

from mlflow.entities import Run
from mlflow.tracking import MlflowClient

from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.study.study import Study
from orchestrator.tracking.tracking import Tracking
from tests.orchestrator.invented import plan_of

Point = tuple[int, int, float]
"""Step, time stamp, value."""


class AtOnce(Tracking):
    """A tracking that has written what it is told when the call returns."""

    def _put(self, write: Callable[[], object]) -> None:
        super()._put(write)
        self.flush()


def runs(uri: str, experiment: str = "invented") -> dict[str, Run]:
    """Key -> run; fails where two runs have one key."""
    client = MlflowClient(uri)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id], max_results=1000)
    keys = [run.data.tags["nemo.key"] for run in found]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, found, strict=True))


def points(uri: str, experiment: str = "invented") -> dict[tuple[str, str], list[Point]]:
    """Key and metric -> its points."""
    client = MlflowClient(uri)
    return {
        (key, name): [(p.step, p.timestamp, p.value) for p in client.get_metric_history(run.info.run_id, name)]
        for key, run in runs(uri, experiment).items()
        for name in run.data.metrics
    }


def assert_whole(uri: str, study: Study, ledger: Ledger, *unfinished: Step) -> None:
    """Every result, curve, parameter and file of a finished study is there, and no run, metric or step twice."""
    client, found, plan = MlflowClient(uri), runs(uri, study.name), plan_of(study, ledger)
    steps = {step.key: step for step in plan.steps if step.kind in ("train", "reuse")}
    top = found.pop(f"study:{study.name}")
    assert set(found) == {*steps, *(step.key for step in unfinished)}
    failed = not ledger.failures().keys().isdisjoint(step.key for step in plan.steps)
    assert top.info.status == ("FAILED" if failed else "FINISHED")
    files = client.list_artifacts(top.info.run_id)
    assert {file.path for file in files} == {"study.yaml", "environment.json", "report"}
    assert "report/report.html" in {file.path for file in client.list_artifacts(top.info.run_id, "report")}
    for key, step in steps.items():
        run = found[key]
        parent = top if step.kind == "train" else found[step.parents["train"]]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.info.status == "FINISHED"
        assert {"seed", "backbone", "method"} <= run.data.params.keys()
        result = ledger.get(key)["result"]
        assert run.data.metrics["accuracy"] == result["accuracy"]
        if step.kind == "train":
            assert [file.path for file in client.list_artifacts(run.info.run_id, "model")]
            (used,) = run.inputs.dataset_inputs
            assert step.params["fingerprint"].startswith(used.dataset.digest) and used.dataset.digest
    for step in plan.steps:
        if step.kind == "measure":
            metrics = found[step.parents["train"]].data.metrics
            assert metrics[f"krr/{step.params['threshold']:.2f}"] == ledger.get(step.key)["result"]["krr"]
    every = points(uri, study.name)
    for (key, name), history in every.items():
        assert len({step for step, _, _ in history}) == len(history), (key, name, history)
    for key, step in steps.items():
        if step.kind == "train":
            losses = {row["epoch"]: row["train/loss"] for row in ledger.get(key)["result"]["history"]}
            assert {step: value for step, _, value in every[key, "train/loss"]} == losses
