"""MLflow as docs/tracking.md has it: a server with users, on PostgreSQL, its files on an object store."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from nemo.errors import UserError
from orchestrator.storage.studies import artifact_root, tracking_uri
from orchestrator.system.environment import environment
from orchestrator.tracking.connection import MlflowStore, store_of
from orchestrator.tracking.entries import dataset_input
from orchestrator.tracking.runs import Runs
from orchestrator.tracking.sync import sync_study
from orchestrator.tracking.tracking import Tracking
from tests.faults.mlflow_server import Server
from tests.orchestrator.invented import STUDY, invented_study, plan_of
from tests.postgres import PASSWORD, Postgres
from tests.tracked import AtOnce, assert_whole, points, runs
from tests.tracking_server import ADMIN, ALICE, BOB, log_in, object_store, objects, tracking_server

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    with object_store() as url:
        yield url


@pytest.fixture(scope="module")
def server(program: Callable[[str], Path], bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with (
        Postgres(program) as postgres,
        tracking_server(tmp_path_factory.mktemp("server"), postgres, bucket) as server,
    ):
        yield server


@pytest.fixture(autouse=True)
def own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever credentials of MLflow's the person who runs this has."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("USERNAME", "PASSWORD", "TOKEN"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)


def study_text(server: Server, name: str) -> str:
    return STUDY.replace("invented", name) + f"tracking: {{uri: '{server.url}'}}\n"


def test_a_study_is_there_as_in_a_file_and_no_secret_with_it(
    server: Server, bucket: str, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, *ALICE)
    study, ledger = invented_study(storage, study_text(server, "invented"), until=1)
    tracking = AtOnce(*store_of(study, storage))
    tracking.study_run(study.name, ledger, environment())
    assert runs(server.url)["study:invented"].info.status == "RUNNING"
    study, ledger = invented_study(storage, study.text)
    for step in plan_of(study, ledger).steps:
        tracking.log_result(ledger.get(step.key))
    tracking.close()
    assert_whole(server.url, study, ledger)
    assert sync_study(ledger.folder) == "nothing was missing"

    beside = AtOnce(tracking_uri(storage), artifact_root(storage), "invented")
    beside.study_run(study.name, ledger, environment())
    beside.close()
    assert runs(server.url).keys() == runs(tracking_uri(storage)).keys()
    ours, theirs = (points(uri) for uri in (server.url, tracking_uri(storage)))
    for found in (ours, theirs):  # the study's own figures are of the moment in which they were written
        found |= {where: [(step, 0, value) for step, _, value in found[where]] for where in found if ":" in where[0]}
    assert ours == theirs and any(name == "best_krr" for _, name in ours)

    client = MlflowClient(server.url)
    models = client.search_logged_models([client.get_experiment_by_name("invented").experiment_id])
    assert sorted(model.tags["nemo.key"] for model in models) == sorted(
        step.key for step in plan_of(study, ledger).steps if step.kind == "train"
    )

    kept = objects(bucket).list_objects_v2(Bucket="files", Prefix="mlflow/")["Contents"]
    names = [each["Key"].rpartition("/")[2] for each in kept]
    trainings = sum(step.kind == "train" for step in plan_of(study, ledger).steps)
    assert names.count("network.safetensors") == trainings > 3
    assert names.count("study.yaml") == 1

    for path in [*storage.rglob("*"), *server.folder.rglob("*")]:
        content = path.read_bytes() if path.is_file() else b""
        assert not any(secret.encode() in content for secret in (ADMIN[1], ALICE[1], PASSWORD)), path


def test_names_of_any_length_are_taken(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL refuses what SQLite takes: 250 letters of a run, 500 of a data set; 100 classes make more."""
    log_in(monkeypatch, *ALICE)
    client = MlflowClient(server.url)
    held = Runs(MlflowStore(client, client.create_experiment("long")), "long")
    name = f"reuse {','.join(map(str, range(1000)))} of mwt rescnn/pets seed 0"
    run = held.make("key", name, "training", None, 0, {})
    held.add_dataset(run, dataset_input({"dataset": "folder:/" + "long/" * 200}))
    held.write(run, params={"classes": json.dumps(list(range(3000)))}, tags={"dataset": "folder:/" + "long/" * 800})
    kept = runs(server.url, "long")["key"]
    assert kept.info.run_name == f"{name[:249]}…"
    assert kept.data.params["classes"].startswith("[0, 1, 2, ")


@pytest.mark.parametrize(
    ("user", "told"),
    [
        (
            None,
            "401, it asks for a user and a password); give them as MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASS",
        ),
        (
            ("alice", "not her secret"),
            "401, it refuses the user 'alice' with this password); give those that it knows as",
        ),
        (
            ("carol", "not a user yet"),
            "401, it refuses the user 'carol' with this password); give those that it knows as",
        ),
    ],
)
def test_who_is_not_known_is_told_so_in_one_sentence(
    user: tuple[str, str] | None, told: str, server: Server, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if user:
        log_in(monkeypatch, *user)
    _, ledger = invented_study(storage, study_text(server, "refused"), until=1)
    for refused in (lambda: Tracking(server.url, None, "refused"), lambda: sync_study(ledger.folder)):
        with pytest.raises(UserError) as error:
            refused()
        said = str(error.value)
        assert f"tracking.uri: MLflow cannot use '{server.url}' ({told}" in said
        assert len(said.splitlines()) == 1 and "secret" not in said


def test_the_experiment_of_another_is_refused_in_one_sentence(
    server: Server, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log_in(monkeypatch, *ALICE)
    MlflowClient(server.url).create_experiment("alices")
    log_in(monkeypatch, *BOB)
    _, ledger = invented_study(storage, study_text(server, "alices"), until=1)
    with pytest.raises(
        UserError, match=r"\(403, it does not let the user 'bob' do this\); have its administrator grant"
    ):
        sync_study(ledger.folder)
