"""A throw-away PostgreSQL: made with `initdb` in a temporary folder, on a free port of 127.0.0.1, gone afterwards."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import psycopg

START_SECONDS = 120.0
USER, PASSWORD = "nemo", "a password of the database"


class Postgres:
    """A server with one user, who owns it and whom it asks for a password.

    PostgreSQL refuses to run as root, so root hands it to an ordinary user.

    Args:
        program: Finds `initdb` and `postgres`.
    """

    def __init__(self, program: Callable[[str], Path]) -> None:
        self._initdb = program("initdb").resolve()
        self._postgres = self._initdb.with_name("postgres")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])

    def uri(self, database: str) -> str:
        """Without the password, which clients take from PGPASSWORD."""
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def create(self, database: str) -> None:
        with self._connect() as connection:
            connection.execute(f'CREATE DATABASE "{database}"')  # type: ignore[arg-type]

    def _connect(self) -> psycopg.Connection[Any]:
        return psycopg.connect(self.uri("postgres"), password=PASSWORD, autocommit=True)

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="nemo-postgres-"))
        secret, data = self._folder / "password", self._folder / "data"
        secret.write_text(PASSWORD)
        user = _ordinary_user()
        if user:
            for path in (self._folder, secret):
                os.chown(path, user["user"], user["group"])
        shared = {"cwd": self._folder, "check": True, "capture_output": True, "text": True, **user}
        command = [self._initdb, "-D", data, "-U", USER, "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([*command, "--auth=scram-sha-256", f"--pwfile={secret}"], **shared)
        command = [self._postgres, "-D", data, "-h", "127.0.0.1", "-p", str(self.port), "-k", self._folder, "-F"]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, **user)
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            told = (self._folder / "log").read_text()
            assert self._process.poll() is None and time.monotonic() < deadline, told
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGQUIT)  # at once; nobody needs the data
        self._process.wait()
        shutil.rmtree(self._folder)

    def _answers(self) -> bool:
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True


def _ordinary_user() -> dict[str, Any]:
    """Whom a process of root's is started as, as `subprocess` takes it; nothing for everybody else."""
    if os.geteuid() != 0:
        return {}
    nobody = pwd.getpwnam("nobody")
    return {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
