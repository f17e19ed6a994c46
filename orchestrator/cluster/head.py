"""Our own Ray head: started for one study, recorded in its folder, ended with it.

A plain `ray.init()` can't hand its address to its workers beforehand, and without that address Ray Train fails to
free the placement groups of stopped trials as soon as a second Ray runs on the host. So we start the head ourselves.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Self

import grpc
import psutil

from nemo.errors import UserError
from orchestrator.cluster.cluster import Cluster, grows_to
from orchestrator.cluster.orphan import MADE_BY, MARKER, end_orphan, marked
from orchestrator.storage.files import write_bytes
from orchestrator.storage.layout import RAY_HEAD
from orchestrator.system.ports import free_ports
from orchestrator.system.surroundings import OF_OTHER_HEADS, for_ray, raise_limits, short_folder

ANSWERS_WITHIN = 30.0
"""Seconds within which a Ray head has to answer."""

_SETTINGS = {  # of Ray's processes, and of ours that use Ray
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.3",  # the default of 2 s is the shortest epoch that can be reported
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",  # a group may wait for the fan-out's tasks to end
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
    "RAY_TRAIN_CALLBACKS": "orchestrator.cluster.worker_groups.FreesFailedStarts",
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "RAY_AIR_NEW_OUTPUT": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C ends the study and its head, not one sweep
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_WARN_EXCESSIVE_EXPERIMENT_CHECKPOINT_SYNC_THRESHOLD_S": "0",
}

_NICENESS = {"RAY_worker_niceness": "5"}
"""Of the workers. With Ray's own 15 the kernel takes them for nearly idle and leaves them on a core where Ray's daemons
run: benchmarks/fanout.py lost a tenth to that."""

_WORKERS = {"RAY_prestart_worker_first_driver": "0"}
"""A worker that Ray starts beforehand is idle when the data are read by another one, which has torch by then; of both
Ray gives the idle one to the first training, and torch is imported twice."""

_PREFIX = "nemo-"  # of the folder with Ray's own files

_log = logging.getLogger(__name__)
_token = secrets.token_hex(32)  # one per process: Ray caches the first token that it reads


class OwnHead:
    """A Ray head of our own on this machine, which starts beside what this process does meanwhile.

        with OwnHead(folder) as own:                # it starts, for some seconds
            ...
            with ray_head(own) as cluster:          # waits for it
                ...

    Args:
        folder: The study's folder; its record and its token (0600) are kept there while the head lives.
        num_cpus: Logical CPUs; None counts the machine's.
        num_gpus: GPUs; None detects them.

    Raises:
        UserError: Limits of this process are too low for Ray, or it has a connection of its own, which would be lost.
    """

    def __init__(self, folder: str | Path, num_cpus: int | None = None, num_gpus: int | None = None) -> None:
        self._folder, self._wanted = folder, (num_cpus, num_gpus)
        self._record = Path(folder).resolve() / RAY_HEAD
        self._address: Future[str] = Future()
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._start, name="ray-head", daemon=True)

    def __enter__(self) -> Self:
        _require_no_connection()
        end_orphan(self._folder)
        self._environment = dict(os.environ)
        raise_limits()
        for name in OF_OTHER_HEADS:
            os.environ.pop(name, None)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._unwanted.set()
        starts = True
        try:
            while starts:  # until what it may just have started is ended, too
                starts = self._thread.is_alive()
                end_orphan(self._folder)
                self._thread.join(0.2)
        finally:
            _restore(self._environment, [*OF_OTHER_HEADS, "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"])

    @property
    def address(self) -> str:
        """`host:port`, for which it waits.

        Raises:
            UserError: It does not start.
        """
        return self._address.result()

    def _start(self) -> None:
        """Starts it; on a busy machine the first try may run out of Ray's own time limits, so there are two."""
        try:
            reason = ""
            for _ in range(_TRIES):
                _make_token(self._record.parent)
                started, reason = _try_start(self._record, *self._wanted)
                if started is not None:
                    return self._address.set_result(started)
                if self._unwanted.is_set():
                    break
                end_orphan(self._folder)  # and its token
            text = f"Ray's head did not start ({reason}); free memory or ports, or name a running one: --address"
            raise UserError(text)
        except BaseException as error:
            self._address.set_exception(error)


@contextlib.contextmanager
def own_head(folder: str | Path, num_cpus: int | None = None, num_gpus: int | None = None) -> Iterator[Cluster]:
    """Connect this process to a Ray head of its own, which ends with the block; see `OwnHead` and `ray_head`."""
    with OwnHead(folder, num_cpus, num_gpus) as own, ray_head(own) as cluster:
        yield cluster


@contextlib.contextmanager
def ray_head(at: OwnHead | str) -> Iterator[Cluster]:
    """Connect this process to a Ray cluster.

    Args:
        at: A head of our own; or `host:port` of a running one, or `auto` for that which this process is a job of or
            which runs on this machine: it is used as it is and left running.

    Raises:
        UserError: A running head can't be reached, or our own doesn't start; or this process, such as a notebook, has a
            connection of its own, which would be lost.
    """
    import ray

    _require_no_connection()
    environment = dict(os.environ)
    own = isinstance(at, OwnHead)
    try:
        if isinstance(at, OwnHead):
            address = at.address
            _take_token()
        else:
            address = _running() if at == "auto" else at
        variables = {name: os.environ.get(name, value) for name, value in _SETTINGS.items()}
        variables["RAY_ADDRESS"] = address
        os.environ.update(variables)
        _connect(address, variables, own)
        resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        alive = tuple((each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in resources)
        yield Cluster(address, alive if own else grows_to() or alive)
    finally:
        ray.shutdown()
        _restore(environment, [*_SETTINGS, "RAY_ADDRESS"])


def _require_no_connection() -> None:
    """Refuses a process that is connected to Ray already; one that has not imported it is not."""
    ray = sys.modules.get("ray")
    if ray is not None and ray.is_initialized():
        raise UserError(
            "this process is connected to a Ray cluster already, and a study needs a connection of its own; call "
            "ray.shutdown() first, or run the study in another process"
        )


def _restore(environment: dict[str, str], names: Iterable[str]) -> None:
    """Gives variables of this process the values that they had."""
    for name in names:
        os.environ.pop(name, None)
        if name in environment:
            os.environ[name] = environment[name]


def _try_start(record: Path, num_cpus: int | None, num_gpus: int | None) -> tuple[str | None, str]:
    """The address of a new head, or None and why there is none."""
    temp = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=short_folder(tempfile.gettempdir())))
    marker = secrets.token_hex(8)
    head: dict[str, Any] = {"marker": marker, "temp": str(temp), "processes": []}
    (temp / MADE_BY).write_text(marker)
    # Before the start: a driver that is killed in its middle leaves no orphan that cannot be found.
    write_bytes(record, json.dumps(head).encode())
    # Without explicit ports the dashboard's agents of two heads on one host fight for the same one.
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    head["dashboard_port"] = ports["dashboard-port"]
    command = [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", "--head", f"--temp-dir={temp}"]
    command += [f"--{name}={port}" for name, port in ports.items()]
    command += ["--include-dashboard=true", "--dashboard-host=127.0.0.1", "--disable-usage-stats"]
    # One machine does not grow, and nobody reads what workers print: two processes less to wait for.
    command += ["--no-monitor", "--include-log-monitor=false"]
    command += [f"--num-cpus={num_cpus}"] if num_cpus is not None else []
    command += [f"--num-gpus={num_gpus}"] if num_gpus is not None else []
    environment = {**_NICENESS, **_WORKERS, **for_ray(os.environ, short_folder(tempfile.gettempdir())), **_SETTINGS}
    started = subprocess.run(command, env=environment | {MARKER: marker}, capture_output=True, text=True, check=False)
    daemons = marked(marker)
    head["processes"] = sorted([each.pid, each.create_time()] for each in daemons)
    head["vital"] = sorted([each.pid, each.create_time()] for each in daemons if _name(each) in _VITAL)
    if started.returncode != 0:
        write_bytes(record, json.dumps(head).encode())
        return None, _reason(started.stdout, started.stderr)
    head["address"] = (temp / "ray_current_cluster").read_text().strip()
    write_bytes(record, json.dumps(head).encode())
    return str(head["address"]), ""


def _reason(stdout: str, stderr: str) -> str:
    """The line of Ray's output that explains best why it ended: the last that names an error, or the last of all."""
    lines = [line.strip() for line in (stdout + "\n" + stderr).splitlines() if line.strip()]
    named = [line for line in lines if re.search(r"error|exception|fail|unable|timed out", line, re.IGNORECASE)]
    return (named or lines or ["no output"])[-1]


def _running() -> str:
    """The address of the head that Ray itself would take: RAY_ADDRESS, or the one that runs on this machine."""
    from ray._private.services import canonicalize_bootstrap_address_or_die

    try:
        return str(canonicalize_bootstrap_address_or_die("auto"))
    except (ConnectionError, ValueError) as error:
        raise UserError(
            "--address auto: no Ray head, or more than one, runs on this machine; give its host and port, as in "
            "127.0.0.1:6379, or leave it out."
        ) from error


_TRIES = 2

_VITAL = ("gcs_server", "raylet")

_PORTS = (
    "port",
    "dashboard-port",
    "dashboard-agent-listen-port",
    "dashboard-agent-grpc-port",
    "runtime-env-agent-port",
    "metrics-export-port",
    "ray-client-server-port",
)


def _connect(address: str, variables: dict[str, str], own: bool) -> None:
    import ray
    from ray.job_config import JobConfig

    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise UserError(f"--address {address}: is no host and port, give them as in 127.0.0.1:6379, or leave it out")
    try:
        # Ray itself would try for minutes.
        socket.create_connection((host, int(port)), timeout=10).close()
        _require_answer(address)
        on_terminate = signal.getsignal(signal.SIGTERM)
        ray.init(
            address=address,
            # Where a study names networks of its own by their files: workers run in other folders.
            runtime_env={"env_vars": {"NEMO_NETWORKS": os.getcwd(), **variables}},
            # Other jobs have the working folder on their workers' path, before ours: a file in it would be imported.
            job_config=JobConfig(_client_job=True) if own else None,  # type: ignore[arg-type]  # None is its default
            log_to_driver=False,
            logging_level=logging.ERROR,
            configure_logging=True,
        )
        signal.signal(signal.SIGTERM, on_terminate)  # Ray's own handler ends a process without a word
    except (OSError, RuntimeError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise UserError(f"--address {address}: no Ray head answers ({reason}); start one or leave it out") from error


def _require_answer(address: str) -> None:
    """Raises an OSError unless something at an address speaks gRPC, as Ray's head does; with TLS, Ray finds out."""
    if os.environ.get("RAY_USE_TLS", "0") != "0":
        return
    # As Ray itself, not through the proxies of the environment.
    with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=ANSWERS_WITHIN)
        except grpc.FutureTimeoutError:
            raise OSError(f"none within {ANSWERS_WITHIN:.0f} s") from None


def _make_token(folder: Path) -> None:
    """Switch this process's children to token authentication, whatever mode they had: all can reach Ray's ports.

    A token in the environment is taken as it is.
    """
    os.environ["RAY_AUTH_MODE"] = "token"
    if "RAY_AUTH_TOKEN" not in os.environ:
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / "token"
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(_token)
        os.environ["RAY_AUTH_TOKEN_PATH"] = str(path)


def _take_token() -> None:
    """Switch this process to the token that its environment names."""
    from ray._raylet import Config  # type: ignore[attr-defined]

    Config.initialize("")  # Ray read its mode when it was imported


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""
