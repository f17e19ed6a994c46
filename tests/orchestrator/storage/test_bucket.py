"""A bucket when something is wrong: with the server, the network, the credentials, or the address."""

from __future__ import annotations

import logging
from datetime import timedelta
from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator.ledger.lease import hold
from orchestrator.storage import Store, client, store_at
from orchestrator.storage.files import Unwritable
from orchestrator.storage.studies import storage_root
from orchestrator.tracking.connection import store_of
from orchestrator.tracking.sync import sync_study
from orchestrator.tracking.ui import serving
from tests import tiny
from tests.object_store import ObjectServer
from tests.orchestrator.invented import invented_study, plan_of
from tests.tracked import AtOnce

pytestmark = pytest.mark.heavy

WRITES = {
    "write": lambda store: store.write("file", b"content"),
    "create": lambda store: store.create("file", b"content"),
    "swap": lambda store: store.swap("file", b"content", None),
}


def large(store: Store) -> None:
    with store.writing("file") as path:
        path.write_bytes(bytes(12_000_000))


@pytest.fixture
def store(bucket: str) -> Store:
    return store_at(bucket) / "study"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is away is given up soon."""
    monkeypatch.setattr(client, "PATIENCE", {"max_retries": 2, "retry_timeout": timedelta(seconds=5)})


def test_a_server_that_answers_500_for_a_while_is_waited_for(store: Store, object_server: ObjectServer) -> None:
    object_server.fail(3)
    store.write("file", b"first")
    object_server.fail(3)
    assert store.read("file") == b"first"
    object_server.fail(3)
    assert store.list("").keys() == {"file"}
    object_server.fail(3)
    large(store)
    with store.fetching("file") as path:
        assert path is not None and path.stat().st_size == 12_000_000


@pytest.mark.parametrize("how", WRITES)
def test_a_write_whose_answer_is_lost_has_happened_once(store: Store, object_server: ObjectServer, how: str) -> None:
    """The put is tried again, and must not take its own first try for another one's."""
    object_server.lose_answers(1)
    assert WRITES[how](store) is not False
    assert store.read("file") == b"content"
    assert object_server.count("PUT", "/file") == 2
    if how != "write":
        assert WRITES[how](store) is False, "another write of the same is another one's"


def test_a_swap_whose_answer_is_lost_has_happened(store: Store, object_server: ObjectServer) -> None:
    store.write("lock", b"first")
    seen = store.look("lock")
    object_server.lose_answers(1)
    assert store.swap("lock", b"second", seen)
    assert store.read("lock") == b"second"


@pytest.mark.usefixtures("impatient")
def test_a_server_that_stays_away_is_one_sentence(store: Store, object_server: ObjectServer) -> None:
    object_server.fail(1000)
    for what in (
        lambda: store.write("file", b""),
        lambda: store.create("file", b""),
        lambda: store.read("file"),
        lambda: store.list(""),
        lambda: store.below(),
        lambda: store.has_folder("checkpoints"),
        lambda: large(store),
    ):
        with pytest.raises(Unwritable) as told:
            what()
        assert str(told.value) == (
            f"{store}: does not answer (500 Internal Server Error), start it, or check AWS_ACCESS_KEY_ID, "
            "AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL, and the network."
        )
    store.delete_all("checkpoints")  # a clean-up that fails is no failure
    object_server.heal()
    assert store.list("") == {}


def test_a_server_that_cannot_be_reached(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=rf"^{bucket}: does not answer \(Connection refused\), start it, or check AWS_"):
        storage_root(bucket)


def test_wrong_credentials(bucket: str, object_server: ObjectServer) -> None:
    store = store_at(bucket)
    store.write("file", b"")
    object_server.refuse()
    sentence = rf"^{bucket}: may not be used \(403 Forbidden\), check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY"
    with pytest.raises(UserError, match=sentence):
        storage_root(bucket)
    for what in (lambda: store.read("file"), lambda: store.write("file", b""), lambda: store.create("new", b"")):
        with pytest.raises(Unwritable, match=sentence):
            what()


@pytest.mark.usefixtures("bucket")
def test_a_bucket_that_does_not_exist() -> None:
    sentence = "^s3://nowhere/prefix: there is no such bucket, create it or set `storage` in the study to another.$"
    with pytest.raises(UserError, match=sentence):
        storage_root("s3://nowhere/prefix")
    for what in (
        lambda store: store.write("a", b""),
        lambda store: store.create("a", b""),
        lambda store: store.list(""),
    ):
        with pytest.raises(Unwritable, match=sentence):
            what(store_at("s3://nowhere/prefix"))


def test_a_server_that_ignores_conditions_gets_no_driver(store: Store, object_server: ObjectServer) -> None:
    with hold(store):
        pass
    object_server.ignore_conditions()
    with pytest.raises(UserError, match=f"^{store}: its server takes a put and ignores on what condition"), hold(store):
        pass
    assert store.list("").keys() == {"lock"}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://host/path", "is no storage, give a folder, s3://bucket/prefix"),
        ("memory:///", "is no storage"),
        ("ftp://host/path", "is no storage"),
        ("s3://", "cannot be used"),
        ("az://container/prefix", "cannot be used .Account must be specified., check AZURE_STORAGE_ACCOUNT_NAME"),
        ("s3://key:secret@bucket/prefix", "says more than where the storage is"),
        ("s3://bucket/prefix?endpoint=host", "says more than where the storage is"),
    ],
)
def test_what_names_no_bucket(url: str, sentence: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_NAME", raising=False)
    with pytest.raises(UserError, match=f"^[^ ]*: {sentence}"):
        store_at(url)


def test_a_folder_may_be_given_as_a_url(tmp_path: Path) -> None:
    assert store_at(tmp_path.as_uri()) == store_at(tmp_path)


def test_each_storage_has_a_folder_of_its_own_on_this_machine(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = store_at(f"{bucket}/study").local
    assert here != store_at(f"{bucket}2/study").local
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://elsewhere:9000")
    assert here != store_at(f"{bucket}/study").local


def test_neither_a_key_nor_a_client_is_sent_to_workers(store: Store) -> None:
    store.write("file", b"")
    assert store.__getstate__() == {"url": str(store)}


def refused(*words: object) -> str:
    """The one sentence with which a command is refused."""
    ended = tiny.nemo(*words)
    assert (ended.returncode, ended.stdout) == (2, "")
    (sentence,) = ended.stderr.splitlines()
    return sentence


def test_the_command_line_says_it_in_one_sentence(bucket: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NEMO_STORAGE", bucket)
    assert refused("status").startswith(f"nemo: {bucket}: does not answer (Connection refused), start it, or check ")


def test_without_an_address_of_mlflow_a_study_is_written_there_later(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    study, ledger = invented_study(bucket)
    with caplog.at_level(logging.WARNING):
        tracking = AtOnce(*store_of(study, bucket))
        tracking.study_run(study.name, ledger, {})
        training = next(step for step in plan_of(study, ledger).steps if step.kind == "train")
        tracking.log_epochs(training, [{"epoch": 0, "time": 1.0}])
        tracking.close()
    (said,) = caplog.messages
    assert said.startswith("tracking.uri: is missing, and MLflow's own file cannot lie in a bucket: give the address")
    assert ledger.store.below("spool") == set()
    with pytest.raises(UserError, match=r"study.yaml:1: tracking.uri: is missing, and MLflow's own file cannot lie"):
        sync_study(ledger.store)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    assert sync_study(ledger.store).endswith("written to sqlite:///mlflow.db")
    assert sync_study(ledger.store) == "nothing was missing"
    assert len(list(tmp_path.rglob("network.safetensors"))) == 4  # as MLflow copied them from the bucket


def test_the_page_of_mlflow_is_elsewhere(bucket: str) -> None:
    with (
        pytest.raises(UserError, match=f"^{bucket} holds no tracking store; open your MLflow"),
        serving(store_at(bucket)),
    ):
        pass
