"""An MLflow store with the study's experiment: opening it, and the messages when that fails."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from mlflow.exceptions import InvalidUrlException, MlflowException
from mlflow.tracking import MlflowClient
from mlflow.tracking._tracking_service import utils
from mlflow.utils.credentials import read_mlflow_creds
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from nemo.errors import UserError
from orchestrator.storage import Where, store_at
from orchestrator.storage.studies import artifact_root, tracking_uri
from orchestrator.study.study import Study
from orchestrator.system.credentials import masked
from orchestrator.tracking.relocation import relocate

# Messages about its tables' versions, and the traceback of an error that is raised and reported anyway.
for _chatty, _level in {"alembic": logging.WARNING, "mlflow.store.db.utils": logging.CRITICAL}.items():
    logging.getLogger(_chatty).setLevel(_level)

STORE_ERRORS = (MlflowException, SQLAlchemyError, OSError)
"""What a store raises that cannot be reached, or that refuses a request."""


class DeletedExperiment(MlflowException):
    """The experiment is in MLflow's bin, where nothing can be written."""


class NoAddress(MlflowException):
    """A study in a bucket names no MLflow server."""

    def __init__(self) -> None:
        super().__init__(
            "is missing, and MLflow's own file cannot lie in a bucket: give the address of an MLflow server, or of a "
            "database, there or as MLFLOW_TRACKING_URI"
        )


@dataclass(frozen=True)
class MlflowStore:
    """An open store.

    Attributes:
        client: The store's.
        experiment: Id of the experiment.
    """

    client: MlflowClient
    experiment: str


def store_of(study: Study, storage: Where) -> tuple[str, str | None, str]:
    """Where a study's runs go, as `open_store` takes it; without a URI in the study to a file in the storage folder.

    In a bucket no such file can lie: there it is the environment's MLFLOW_TRACKING_URI, and without one an empty text,
    which `open_store` refuses.
    """
    experiment, root = study.tracking.experiment or study.name, store_at(storage)
    if study.tracking.uri is not None:
        return study.tracking.uri, None, experiment
    if root.remote:
        return os.environ.get("MLFLOW_TRACKING_URI", ""), None, experiment
    return tracking_uri(root.local), artifact_root(root.local), experiment


def open_store(uri: str, artifact_root: str | None, experiment: str) -> MlflowStore:
    """Opens a store, and the experiment of that name, made when there is none.

    Args:
        uri: MLflow's tracking URI; an SQLite file is made with its folder.
        artifact_root: Where a new experiment keeps its files; None leaves it to a server.
        experiment: Name of the experiment.

    Raises:
        MlflowException, SQLAlchemyError, OSError, ImportError: It cannot be opened.
    """
    if not uri:
        raise NoAddress
    if _is_server(uri) and not urlsplit(uri).hostname:
        raise InvalidUrlException("it names no host")
    with _only_one_creates(uri):
        if artifact_root is not None and (database := database_of(uri)) is not None:
            _relocate(database, artifact_root)
        client = MlflowClient(tracking_uri=uri)
        return MlflowStore(client, _open_experiment(client, experiment, artifact_root))


def may_come_back(uri: str, error: Exception) -> bool:
    """Whether a store could not be opened because a server is away, so that nobody has to correct anything first.

    Also True for a study in a bucket that names no server: all of it is in the ledger, and can be written later.
    """
    if isinstance(error, NoAddress):
        return True
    if not isinstance(error, MlflowException) or isinstance(error, InvalidUrlException | DeletedExperiment):
        return False
    status = error.get_http_status_code()
    return _is_server(uri) and (status >= 500 or status == 429)


def is_refusal(error: Exception) -> bool:
    """Whether the store refuses this request, but may accept others."""
    return isinstance(error, MlflowException) and error.get_http_status_code() in (400, 404, 409)


def cannot_use(uri: str, artifact_root: str | None, error: Exception) -> UserError:
    """The sentence about a store that cannot be used; it starts with the study's field."""
    if isinstance(error, NoAddress):
        return UserError(f"tracking.uri: {error}.")
    if isinstance(error, DeletedExperiment):
        return UserError(f"tracking.experiment: {error}")
    if isinstance(error, MlflowException) and error.get_http_status_code() in (401, 403):
        return _not_let_in(uri, error.get_http_status_code())
    remedy = "start the server, mend the URI, or leave it out to use a file in the storage folder"
    if artifact_root is not None:
        remedy = "make the storage folder writable with room to spare"
    return UserError(f"tracking.uri: MLflow cannot use {masked(uri)!r} ({first_line(error)}); {remedy}")


def _not_let_in(uri: str, status: int) -> UserError:
    """The message about a server that refuses the credentials; it never contains a password."""
    credentials = read_mlflow_creds()
    user = credentials.username if credentials.username and credentials.password else None
    why, remedy = "it asks for a user and a password", "give them"
    if user is not None:
        why, remedy = f"it refuses the user {user!r} with this password", "give those that it knows"
    if user is not None and status == 403:
        why, remedy = f"it does not let the user {user!r} do this", "have its administrator grant it, or give another's"
    return UserError(
        f"tracking.uri: MLflow cannot use {masked(uri)!r} ({status}, {why}); {remedy} as MLFLOW_TRACKING_USERNAME and "
        "MLFLOW_TRACKING_PASSWORD in the environment"
    )


def first_line(error: BaseException) -> str:
    """What went wrong, in a few words."""
    if str(error).startswith("API request to http"):
        # What the network did lies several errors deep, and MLflow's own words are long.
        while (cause := error.__cause__ or error.__context__) is not None:
            error = cause
    text = masked((isinstance(error, OSError) and error.strerror) or str(error))
    return (text.strip().splitlines() or [type(error).__name__])[0][:200]


def _open_experiment(client: MlflowClient, name: str, artifact_root: str | None) -> str:
    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        try:
            return str(client.create_experiment(name, artifact_location=artifact_root))
        except MlflowException:
            # Another driver on the same server was faster.
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != "active":
        raise DeletedExperiment(f"{name!r} was deleted in MLflow; restore it or give another name")
    return str(experiment.experiment_id)


def _is_server(uri: str) -> bool:
    return uri.startswith(("http://", "https://"))


def _relocate(database: Path, root: str) -> None:
    if relocate(database, root):
        utils._artifact_repos_cache.clear()  # by run, whatever database it was asked for


def database_of(uri: str) -> Path | None:
    """The SQLite file of an address; None of any other address."""
    if not uri.startswith(("sqlite:///", "sqlite+pysqlite:///")):
        return None
    path = make_url(uri).database
    return None if not path or path == ":memory:" else Path(path)


@contextmanager
def _only_one_creates(uri: str) -> Iterator[None]:
    """Two drivers that create one SQLite store at the same time would leave it half migrated."""
    path = database_of(uri)
    if path is None:
        yield
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path.with_name(path.name + ".lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError as error:
            raise UserError(
                f"{path}: lies on a disk without file locks ({error.strerror}), which MLflow's SQLite needs; give "
                "tracking.uri an MLflow server (docs/tracking.md)."
            ) from error
        yield
