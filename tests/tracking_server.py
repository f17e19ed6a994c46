"""MLflow as docs/tracking.md has it: a server with users, on PostgreSQL, its files on an object store."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.faults.mlflow_server import Server
from tests.postgres import PASSWORD, Postgres

ADMIN, ALICE, BOB = (("admin", "admin's own secret"), ("alice", "alice's own secret"), ("bob", "bob's own secret"))
KEYS = {"AWS_ACCESS_KEY_ID": "nemo", "AWS_SECRET_ACCESS_KEY": "key of the bucket", "AWS_DEFAULT_REGION": "us-east-1"}


def objects(url: str) -> Any:
    """A client of the object store, who needs no environment."""
    import boto3

    keys = {"aws_access_key_id": "nemo", "aws_secret_access_key": "key of the bucket", "region_name": "us-east-1"}
    return boto3.client("s3", endpoint_url=url, **keys)


def log_in(monkeypatch: pytest.MonkeyPatch, user: str, password: str) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)


@contextmanager
def object_store() -> Iterator[str]:
    """The URL of an S3 API with an empty bucket `files`."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    objects(url).create_bucket(Bucket="files")
    yield url
    server.stop()


@contextmanager
def tracking_server(folder: Path, postgres: Postgres, bucket: str) -> Iterator[Server]:
    """The server of docs/tracking.md, with two users; who asks is its administrator.

    Args:
        folder: An empty one.
        postgres: Runs, and is empty.
        bucket: The URL of the object store with its files.
    """
    from mlflow.server.auth.client import AuthServiceClient  # imports all of MLflow's server

    for database in ("mlflow", "mlflow_auth"):
        postgres.create(database)
    settings = folder / "auth.ini"
    page = (Path(__file__).parents[1] / "docs" / "tracking.md").read_text()
    documented = re.findall(r"```ini\n(.*?)```", page, re.DOTALL)[0]
    settings.write_text(
        documented.replace("postgresql://nemo@db.example.org:5432/mlflow_auth", postgres.uri("mlflow_auth"))
    )
    assert "mlflow server --app-name basic-auth --workers 1 --host 127.0.0.1" in page  # as `Server` starts it
    secrets = {
        **KEYS,
        "PGPASSWORD": PASSWORD,
        "MLFLOW_AUTH_CONFIG_PATH": str(settings),
        "MLFLOW_AUTH_ADMIN_PASSWORD": ADMIN[1],
        "MLFLOW_FLASK_SERVER_SECRET_KEY": "secret of the sessions",
        "MLFLOW_S3_ENDPOINT_URL": bucket,
    }
    with (
        Server(folder, postgres.uri("mlflow"), "s3://files/mlflow", ["--app-name", "basic-auth"], secrets) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        log_in(patch, *ADMIN)
        for user in (ALICE, BOB):
            AuthServiceClient(server.url).create_user(*user)
        yield server
