"""Storages in odd places, moved and copied ones: MLflow's files are found and written beside its database."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.tracking import MlflowClient

from orchestrator.ledger.ledger import Ledger
from orchestrator.storage.studies import artifact_root, tracking_uri
from orchestrator.tracking.connection import database_of, open_store
from orchestrator.tracking.relocation import relocate
from orchestrator.tracking.sync import sync_study
from orchestrator.tracking.tracking import Tracking
from tests.orchestrator.invented import DERIVING, STUDY, invented_study
from tests.tracked import AtOnce, runs

pytestmark = pytest.mark.heavy

ODD = ["what?", "My%20Drive", "a#b", "né 😀", "$'\";&", "line\nbreak", "x" * 120]


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store as MLflow makes it: making one takes seconds, a copy does not."""
    folder = tmp_path_factory.mktemp("store")
    Tracking(tracking_uri(folder), artifact_root(folder), "unused")
    return folder / "mlflow.db"


def write_all(storage: Path, until: int | None = None, text: str = STUDY) -> Ledger:
    """An invented study in a storage, and all of it in MLflow."""
    study, ledger = invented_study(storage, text, until=until)
    tracking = AtOnce(tracking_uri(storage), artifact_root(storage), study.name)
    tracking.study_run(study.name, ledger, {})
    tracking.close()
    return ledger


def files_of(storage: Path) -> set[str]:
    """Run and path of each file that MLflow lists and finds."""
    client, found = MlflowClient(tracking_uri(storage)), set()
    for key, run in runs(tracking_uri(storage)).items():
        assert run.info.artifact_uri.startswith(artifact_root(storage) + "/")
        for file in client.list_artifacts(run.info.run_id):
            found.add(f"{key[:6]} {file.path}")
            assert file.is_dir or Path(client.download_artifacts(run.info.run_id, file.path)).is_file()
    return found


def everything(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*")}


@given(st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1).filter(lambda name: name[:1] != "."))
def test_the_address_of_a_storages_database_is_that_of_its_file(name: str) -> None:
    assert database_of(tracking_uri(Path("/storage") / name)) == Path("/storage") / name / "mlflow.db"


@pytest.mark.parametrize("name", [*ODD[:2], *(pytest.param(each, marks=pytest.mark.slow) for each in ODD[2:])])
def test_a_storage_of_any_name_holds_its_database_and_files(tmp_path: Path, name: str) -> None:
    storage = tmp_path / "here" / name
    store = open_store(tracking_uri(storage), artifact_root(storage), "any")
    run = store.client.create_run(store.experiment)
    store.client.log_artifact(run.info.run_id, __file__)
    assert {path.name for path in storage.iterdir()} == {"mlflow.db", "mlflow.db.lock", "mlartifacts"}
    assert list((tmp_path / "here").iterdir()) == [storage]  # and nothing beside it
    assert [path.name for path in storage.rglob("*.py")] == [Path(__file__).name]


def test_a_moved_storage_is_read_and_written_where_it_lies(tmp_path: Path, empty_store: Path) -> None:
    old, new = tmp_path / "a?", tmp_path / "elsewhere" / "b %20#"
    old.mkdir()
    shutil.copy(empty_store, old)
    write_all(old, until=6)
    there = files_of(old)
    new.parent.mkdir()
    old.rename(new)
    assert sync_study(new / "invented") == "nothing was missing"
    assert files_of(new) == there and len(there) > 3
    write_all(new)
    assert files_of(new) > there
    assert not old.exists() and {path.name for path in tmp_path.iterdir()} == {"elsewhere"}


def test_a_copied_storage_leaves_the_first_one_alone(tmp_path: Path, empty_store: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    shutil.copy(empty_store, first)
    write_all(first, until=6)
    shutil.copytree(first, second)
    before = everything(first)
    write_all(second)
    assert everything(first) == before
    assert files_of(second) > files_of(first)


def test_what_is_no_storages_own_is_left_as_it_is(tmp_path: Path) -> None:
    database = tmp_path / "mlflow.db"
    assert not relocate(database, "file:///new/mlartifacts")  # there is none
    places = ["file:///old/mlartifacts", "s3://bucket/mlartifacts", "/team/files", "file:///new/mlartifacts"]
    with sqlite3.connect(database) as connection:
        connection.execute("CREATE TABLE experiments (experiment_id INTEGER, artifact_location TEXT)")
        connection.execute("CREATE TABLE runs (artifact_uri TEXT)")
        connection.executemany("INSERT INTO experiments VALUES (?, ?)", enumerate(places))
        connection.executemany("INSERT INTO runs VALUES (?)", [(f"{each}/1/artifacts",) for each in places])
        connection.execute("INSERT INTO runs VALUES ('file:///old/mlartifacts-2/1/artifacts')")
    assert relocate(database, "file:///new/mlartifacts") and not relocate(database, "file:///new/mlartifacts")
    with sqlite3.connect(database) as connection:
        found = [place for (place,) in connection.execute("SELECT artifact_location FROM experiments ORDER BY 1")]
        uris = {uri for (uri,) in connection.execute("SELECT artifact_uri FROM runs")}
    assert found == sorted(["file:///new/mlartifacts", *places[1:]])
    assert uris == {*(f"{each}/1/artifacts" for each in places[1:]), "file:///old/mlartifacts-2/1/artifacts"}


def test_the_page_of_a_moved_storage_shows_its_files(storage: Path, empty_store: Path) -> None:
    old, new = storage / "old", storage / "new? %20"
    old.mkdir()
    shutil.copy(empty_store, old)
    write_all(old, until=1)
    write_all(old, until=4, text=DERIVING)
    old.rename(new)
    command = [sys.executable, "-m", "orchestrator.cli", "ui", "--storage", str(new)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as ui:
        try:
            assert ui.stdout is not None
            url = ui.stdout.readline().split()[3]
            top = runs(tracking_uri(new))["study:invented"].info.run_id
            with urllib.request.urlopen(f"{url}/get-artifact?path=study.yaml&run_uuid={top}", timeout=60) as answer:
                assert answer.read() == (new / "invented" / "study.yaml").read_bytes()
            told = [ui.stdout.readline().rpartition(" ")[0] for _ in range(7)]
            assert [line for line in told if "derived" in line] == ["deriving: derived networks"]
        finally:
            ui.send_signal(signal.SIGTERM)
    assert not old.exists() and [path.name for path in storage.iterdir()] == [new.name]
