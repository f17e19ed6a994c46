"""An MLflow server that is away, hangs, answers 500 or loses its answers: the study goes on, and all of it arrives."""

from __future__ import annotations

import base64
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from mlflow.tracking import MlflowClient

from nemo.errors import UserError
from orchestrator.ledger.lease import hold
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step, describe_step
from orchestrator.study.study import Study
from orchestrator.tracking import tracking as tracking_module
from orchestrator.tracking.connection import store_of
from orchestrator.tracking.sync import sync_study
from orchestrator.tracking.tracking import Tracking
from tests import tiny
from tests.faults.mlflow_server import Proxy, Server
from tests.orchestrator.invented import STUDY, finish, invented_study, plan_of
from tests.tracked import AtOnce, assert_whole, points, runs

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture
def proxy(server: Server) -> Iterator[Proxy]:
    with Proxy(server.port) as proxy:
        yield proxy


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that was away is asked again at once, and one that hangs is given up soon."""
    monkeypatch.setattr(tracking_module, "PAUSE_SECONDS", 0.0)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")


def study_at(uri: str, storage: Path, name: str) -> tuple[Study, Ledger]:
    """A study of which nothing is finished, and whose runs go to a server."""
    text = STUDY.replace("invented", name) + f"tracking: {{uri: '{uri}'}}\n"
    return invented_study(storage, text, until=0)


def open_tracking(study: Study, ledger: Ledger) -> Tracking:
    tracking = AtOnce(*store_of(study, ledger.folder.parent))
    tracking.study_run(study.name, ledger, {"git": {"commit": "abc"}})
    return tracking


def drive(tracking: Tracking, study: Study, ledger: Ledger, at: Callable[[int], None] = lambda number: None) -> None:
    """Does to the tracking what a driver does, with a call of `at` before each step."""
    number = 0
    while pending := plan_of(study, ledger).pending(ledger):
        at(number)
        document = finish(ledger, pending[0])
        for row in document["result"].get("history", []):
            tracking.log_epochs(pending[0], [row])
        tracking.log_result(document)
        number += 1


def foreign_trainings(study: Study) -> list[Step]:
    """Trainings that the study does not plan."""
    other = yaml.safe_load(study.text) | {"seeds": [7]}
    return [step for step in plan_of(Study.model_validate(other), Ledger("nowhere")).steps if step.kind == "train"]


CURVE = [{"epoch": float(epoch), "time": 1.79e12 + epoch, "seconds": 0.5, "train/loss": 1.0} for epoch in range(3)]


def fail_and_stop(tracking: Tracking, study: Study, ledger: Ledger) -> tuple[Step, Step]:
    """One training that failed after three epochs, and one that was stopped early after them."""
    failed, stopped = foreign_trainings(study)[:2]
    for step in failed, stopped:
        tracking.log_epochs(step, CURVE)
    ledger.fail(failed, "the loss is NaN in epoch 3")
    tracking.log_failure(failed, "the loss is NaN in epoch 3")
    ledger.suggest("search", 0, {"alpha": 0.5})
    when = datetime.now(UTC).isoformat()
    ledger.conclude("search", 0, {**describe_step(stopped), "epoch": 3, "reason": "stopped by ASHA", "stopped": when})
    tracking.log_stopped(stopped, "stopped by ASHA")
    return failed, stopped


def assert_ended(uri: str, study: Study, failed: Step, stopped: Step) -> None:
    found = runs(uri, study.name)
    for step, status, reason in (
        (failed, "FAILED", "the loss is NaN in epoch 3"),
        (stopped, "KILLED", "stopped by ASHA"),
    ):
        assert found[step.key].info.status == status
        assert found[step.key].data.tags["reason"] == f"train: {reason}"
        assert found[step.key].data.params["seed"] == "7"
        curve = points(uri, study.name)[step.key, "train/loss"]
        assert curve == [(row["epoch"], row["time"], 1.0) for row in CURVE]


@pytest.mark.parametrize("fault", ["500", pytest.param("kill", marks=pytest.mark.slow), "hang"])
def test_away_in_the_middle(
    fault: str, server: Server, proxy: Proxy, storage: Path, caplog: pytest.LogCaptureFixture
) -> None:
    study, ledger = study_at(proxy.url, storage, f"middle-{fault}")
    begin, end = {
        "500": (lambda: setattr(proxy, "status", 500), lambda: setattr(proxy, "status", None)),
        "kill": (server.kill, server.start),
        "hang": (lambda: server.signal(signal.SIGSTOP), lambda: server.signal(signal.SIGCONT)),
    }[fault]
    asked = []

    def at(number: int) -> None:
        asked.append(proxy.requests)
        if number == 2:
            begin()
        elif number == 4:
            end()

    tracking = open_tracking(study, ledger)
    drive(tracking, study, ledger, at)
    assert asked[3] > asked[2] and len(asked) > 5  # it was tried while the server was away, and there were steps after
    in_the_middle = runs(server.url, study.name)
    assert sum(run.info.status == "FINISHED" for run in in_the_middle.values()) > 2  # and not only at the end
    tracking.close()
    assert_whole(server.url, study, ledger)
    assert "the study goes on" in caplog.text and "lacks" not in caplog.text
    assert not list((ledger.folder / "spool").iterdir())


def test_away_for_the_whole_run_and_caught_up_by_the_next(
    server: Server, proxy: Proxy, storage: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()  # with the real pauses
    study, ledger = study_at(proxy.url, storage, "whole")
    proxy.status = 503
    tracking = open_tracking(study, ledger)
    drive(tracking, study, ledger)
    failed, stopped = fail_and_stop(tracking, study, ledger)
    tracking.close()
    told = [record.message for record in caplog.records]
    assert len(told) == 2 and "cannot be written (too many 503 error responses); the study goes on" in told[0]
    assert "lacks some of this study: nemo sync whole, or its next run, writes it" in told[1]
    assert proxy.requests < 5  # the study was not held up
    proxy.status = None
    open_tracking(study, ledger).close("FINISHED")
    assert_ended(server.url, study, failed, stopped)
    assert_whole(server.url, study, ledger, failed, stopped)


def tracked_client(server: Server):
    from mlflow.tracking import MlflowClient

    return MlflowClient(server.url)


def _drive_and_die(storage: Path, name: str, uri: str) -> None:
    study, ledger = study_at(uri, storage, name)
    with hold(ledger.store):
        tracking = open_tracking(study, ledger)
        drive(tracking, study, ledger)
        fail_and_stop(tracking, study, ledger)
        os.kill(os.getpid(), signal.SIGKILL)


def test_nemo_sync_after_a_killed_driver(server: Server, proxy: Proxy, storage: Path) -> None:
    proxy.status = 500
    driver = multiprocessing.get_context("spawn").Process(target=_drive_and_die, args=(storage, "killed", proxy.url))
    driver.start()
    driver.join()
    assert driver.exitcode == -signal.SIGKILL
    study, ledger = study_at(proxy.url, storage, "killed")
    away = tiny.nemo("sync", "killed", "--storage", storage)
    assert (away.returncode, away.stdout) == (2, "")
    assert f"tracking.uri: MLflow cannot use '{proxy.url}' (too many 500 error responses)" in away.stderr
    assert len(away.stderr.splitlines()) == 1
    proxy.status = None
    script = "from orchestrator.cli import main; sys.argv[0] = 'nemo'; main()"
    whole = f"import atexit, sys; atexit.register(lambda: print({{'ray'}} & set(sys.modules))); {script}"
    command = [sys.executable, "-c", whole, "sync", "killed", "--storage", str(storage)]
    synced = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert (synced.returncode, synced.stderr) == (0, "")
    count = len(plan_of(study, ledger).steps)
    assert synced.stdout == f"2 curves, {count} results, 1 stop, 1 failure written to {proxy.url}\nset()\n"
    failed, stopped = foreign_trainings(study)[:2]
    assert_ended(server.url, study, failed, stopped)
    assert_whole(server.url, study, ledger, failed, stopped)
    everything = points(server.url, study.name)
    assert sync_study(ledger.folder) == "nothing was missing"
    assert points(server.url, study.name) == everything


def test_lost_answers_double_nothing(server: Server, proxy: Proxy, storage: Path) -> None:
    study, ledger = study_at(proxy.url, storage, "lost")
    proxy.lose.update({"experiments/create": 1, "runs/create": 3, "runs/log-batch": 6, "runs/update": 2})
    proxy.lose.update({"experiments/set-experiment-tag": 1, "runs/search": 2, "metrics/get-history": 1})
    proxy.lose.update({"runs/log-inputs": 2})
    tracking = open_tracking(study, ledger)
    drive(tracking, study, ledger)
    tracking.close()
    assert not +proxy.lose
    assert_whole(server.url, study, ledger)


def test_what_a_server_that_hung_does_late_is_not_done_twice(server: Server, proxy: Proxy, storage: Path) -> None:
    study, ledger = study_at(proxy.url, storage, "late")
    proxy.delay["runs/create"] = 3
    tracking = open_tracking(study, ledger)
    drive(tracking, study, ledger)
    tracking.close()
    assert not +proxy.delay
    assert_whole(server.url, study, ledger)


def test_the_environments_password_is_used_and_kept_nowhere(
    server: Server, proxy: Proxy, storage: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "somebody")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "s3cr3t")
    study, ledger = study_at(proxy.url, storage, "secret")
    tracking = open_tracking(study, ledger)
    drive(tracking, study, ledger, lambda number: setattr(proxy, "status", 401 if number == 3 else None))
    tracking.close()
    authorization = base64.b64encode(b"somebody:s3cr3t")
    assert proxy.authorization == f"Basic {authorization.decode()}"
    assert_whole(server.url, study, ledger)
    assert "cannot be written" in caplog.text and "s3cr3t" not in caplog.text
    for path in [*storage.rglob("*"), *server.folder.rglob("*")]:
        kept = path.read_bytes() if path.is_file() else b""
        assert b"s3cr3t" not in kept and authorization not in kept, path


def test_epochs_that_are_run_again_are_not_there_twice(server: Server, storage: Path) -> None:
    study, ledger = study_at(server.url, storage, "again")
    step = plan_of(study, ledger).steps[0]
    open_tracking(study, ledger).log_epochs(step, CURVE)
    # A damaged checkpoint or result: everything is computed again, at another time.
    tracking = open_tracking(study, ledger)
    tracking.log_epochs(step, [{**row, "time": row["time"] + 5000} for row in CURVE])
    drive(tracking, study, ledger)
    tracking.close()
    history = points(server.url, study.name)[step.key, "train/loss"]
    assert history == [(row["epoch"], row["time"], 1.0) for row in CURVE]


def test_nemo_sync_leaves_a_running_study_to_its_driver(server: Server, storage: Path) -> None:
    _, ledger = study_at(server.url, storage, "driven")
    with hold(ledger.store):
        refused = tiny.nemo("sync", "driven", "--storage", storage)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert f"this study is already run by process {os.getpid()}" in refused.stderr


def test_a_server_that_is_away_at_the_start(proxy: Proxy, storage: Path, caplog: pytest.LogCaptureFixture) -> None:
    study, ledger = study_at("http://127.0.0.1:1", storage, "absent")
    open_tracking(study, ledger)
    assert [record.message for record in caplog.records] == [
        "MLflow at http://127.0.0.1:1 cannot be written (Connection refused); "
        "the study goes on, and what is missed is written later"
    ]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_server_that_refuses_is_said_before_anything_runs(proxy: Proxy, status: int) -> None:
    proxy.status = status
    with pytest.raises(UserError, match=rf"tracking\.uri: MLflow cannot use '{proxy.url}' \(.*{status}"):
        Tracking(proxy.url, None, "any")


@pytest.mark.parametrize("uri", ["http://", "http://127.0.0.1:99999", "http://two words", "nonsense://127.0.0.1"])
def test_an_address_that_is_none_is_said_before_anything_runs(uri: str) -> None:
    with pytest.raises(UserError, match=rf"tracking\.uri: MLflow cannot use '{uri}'"):
        Tracking(uri, None, "any")


def test_a_deleted_experiment_is_said_before_anything_runs(server: Server) -> None:
    client = MlflowClient(server.url)
    client.delete_experiment(client.create_experiment("deleted"))
    with pytest.raises(UserError, match=r"tracking\.experiment: 'deleted' was deleted in MLflow; restore it"):
        Tracking(server.url, None, "deleted")


def test_a_run_that_somebody_deletes_is_written_again(
    server: Server, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "60")  # the server is there, and slow on a busy machine
    study, ledger = study_at(server.url, storage, "deleted-run")
    tracking = open_tracking(study, ledger)
    first = plan_of(study, ledger).steps[0]
    drive(tracking, study, ledger, lambda number: number == 3 and delete(server, study, first))
    tracking.close()
    assert sync_study(ledger.folder) == f"1 result written to {server.url}"
    assert_whole(server.url, study, ledger)


def delete(server: Server, study: Study, step: Step) -> None:
    MlflowClient(server.url).delete_run(runs(server.url, study.name)[step.key].info.run_id)


@pytest.mark.ray
@pytest.mark.slow
def test_a_study_whose_server_is_killed_while_it_runs(server: Server, tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    study = tiny.write_study(tmp_path, tracking={"uri": server.url})
    with (tmp_path / "driver.log").open("w") as log:
        command = tiny.command("run", study, "--storage", storage)
        driver = subprocess.Popen(command, stdout=log, stderr=log, env=tiny.environment())
    while not list((storage / "tiny" / "ledger" / "train").glob("[0-9a-f]*.json")):
        assert driver.poll() is None, (tmp_path / "driver.log").read_text()
        time.sleep(0.05)
    server.kill()
    assert driver.wait(420) == 0
    said = (tmp_path / "driver.log").read_text()
    assert f"MLflow at {server.url} lacks some of this study: nemo sync tiny, or its next run, writes it" in said
    assert f"Next: {server.url} " in said and "Traceback" not in said
    server.start()
    synced = tiny.nemo("sync", "tiny", "--storage", storage)
    assert (synced.returncode, synced.stderr) == (0, "")
    assert f"written to {server.url}" in synced.stdout
    tiny.assert_complete(study, storage)
