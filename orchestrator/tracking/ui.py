"""The MLflow page on a study's store: one worker, on this machine only."""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import subprocess
import sys
import sysconfig
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from nemo.errors import UserError
from orchestrator.storage import Store
from orchestrator.storage.layout import DATABASE
from orchestrator.storage.studies import artifact_root, tracking_uri
from orchestrator.study.file import submitted_study
from orchestrator.system.credentials import masked
from orchestrator.system.ports import HOST, usable_port
from orchestrator.system.surroundings import for_mlflow
from orchestrator.tracking.relocation import relocate
from orchestrator.tracking.views import COMPARISON, view_tags, view_url

PORT = 5000
"""MLflow's own default."""

_log = logging.getLogger(__name__)

START_SECONDS = 120.0

# Four workers, a job runner and seven consumers are MLflow's default, at 1.9 GB; one worker without jobs needs 0.4.
LEAN = {
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
}


@contextmanager
def serving(
    storage: Store, uri: str | None = None, port: int | None = None
) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Serve the MLflow page of a store while the block runs, and end the server and its children after it.

    Args:
        storage: Where the studies lie whose store is shown.
        uri: Another store (a database URI) in its place.
        port: The port to use; None takes MLflow's default, or any free one where that is taken.

    Yields:
        The page's URL and the server's process.

    Raises:
        UserError: There is no store yet, the given port is taken, or the server does not start.
    """
    if uri is None and storage.remote:
        raise UserError(
            f"{storage} holds no tracking store; open your MLflow server's own page, or give its database: --uri"
        )
    database = storage.local / DATABASE
    if uri is None and not database.exists():
        raise UserError(
            f"no tracking store at {str(database)!r}; run a study without tracking.uri, or give --storage or --uri"
        )
    if uri is None:
        _relocate(database, artifact_root(storage.local))
    with usable_port(port, PORT) as free, _server(storage, uri, free) as (server, log):
        url = f"http://{HOST}:{free}"
        _log.warning("MLflow is started; its address follows")
        _await(url, server, log)
        yield url, server


@contextmanager
def _server(storage: Store, uri: str | None, port: int) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """A server that has been started, and what it says; ended with its children."""
    command = [sys.executable, "-P", "-m", "mlflow", "server"]
    command += ["--artifacts-destination", artifact_root(storage.local)]
    # Uvicorn imports from its app folder first, which by itself is the working one, where a random.py may lie.
    options = f"--log-level warning --app-dir {shlex.quote(sysconfig.get_path('purelib'))}"
    command += ["--host", HOST, "--port", str(port), "--workers", "1", "--uvicorn-opts", options]
    with tempfile.TemporaryFile() as log:
        # A session of its own: the children can then be ended as one group, and a Ctrl-C reaches us first.
        # The address may hold a password, and everybody sees a command line.
        environment = {**for_mlflow(os.environ), **LEAN, "MLFLOW_BACKEND_STORE_URI": uri or tracking_uri(storage.local)}
        server = subprocess.Popen(
            command, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield server, log
        finally:
            _end(server)


_HERE = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""Opens URLs of this machine, past the proxies of the environment."""


def experiments(url: str) -> dict[str, str]:
    """Name -> id of the experiments that hold studies, newest first, as the running page knows them."""
    wanted = {"max_results": 100, "order_by": ["last_update_time DESC"]}
    experiments = _asked(url, "experiments/search", wanted).get("experiments", [])
    studies = [each for each in experiments if any(tag["key"] in view_tags() for tag in each.get("tags", []))]
    return {each["name"]: each["experiment_id"] for each in studies}


def pages(url: str) -> Iterator[str]:
    """A line for each view of each study on the running page."""
    for name, number in experiments(url).items():
        yield f"{name}: compared {view_url(url, number, COMPARISON)}"
        yield f"{name}: sub-tasks {view_url(url, number, 'subtasks')}"
        yield f"{name}: trainings {view_url(url, number, 'trainings')}"
        if has_runs(url, number, "derived"):
            yield f"{name}: derived networks {view_url(url, number, 'derived')}"


def has_runs(url: str, experiment: str, stage: str) -> bool:
    """Whether an experiment has any run of a stage, such as `derived`."""
    wanted = {"experiment_ids": [experiment], "filter": f"tags.stage = '{stage}'", "max_results": 1}
    return bool(_asked(url, "runs/search", wanted).get("runs"))


def _asked(url: str, what: str, wanted: Mapping[str, Any]) -> dict[str, Any]:
    """What the running page's server answers."""
    header = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/2.0/mlflow/{what}", json.dumps(wanted).encode(), header)
    with _HERE.open(request, timeout=30) as answer:
        found: dict[str, Any] = json.load(answer)
    return found


def _relocate(database: Path, root: str) -> None:
    try:
        relocate(database, root)
    except OSError as error:
        raise UserError(
            f"{error}; make the storage folder writable, for it was moved and names its old place"
        ) from None


def _await(url: str, server: subprocess.Popen[bytes], log: IO[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while server.poll() is None and time.monotonic() < deadline:
        try:
            with _HERE.open(f"{url}/health", timeout=5) as answer:
                if answer.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()
    raise UserError(f"the MLflow server did not start; its last words: {lines[-1] if lines else 'none'}")


def _end(server: subprocess.Popen[bytes]) -> None:
    for number, patience in ((signal.SIGTERM, 10.0), (signal.SIGKILL, 5.0)):
        try:
            os.killpg(server.pid, number)
        except ProcessLookupError:
            break
        try:
            server.wait(patience)
        except subprocess.TimeoutExpired:
            continue
        if not _group_lives(server.pid):
            break
    server.wait()


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def page_of(study: Store, option: str) -> str:
    """The command or the address that shows a study's runs; empty for a study in a bucket without `tracking.uri`.

    Args:
        study: The store of a study that was run.
        option: The command's option for its storage, such as ` --storage elsewhere`.
    """
    uri = submitted_study(study).tracking.uri
    if uri is None:
        return "" if study.remote else f"nemo ui{option}"
    return masked(uri) if uri.startswith("http") else f"nemo ui --uri {shlex.quote(masked(uri))}"
