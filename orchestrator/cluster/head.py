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
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import grpc
import psutil

from nemo.errors import UserError
from orchestrator.cluster.cluster import Cluster, grows_to
from orchestrator.storage.files import write_bytes
from orchestrator.storage.layout import RAY_HEAD
from orchestrator.system.ports import free_ports
from orchestrator.system.process import living
from orchestrator.system.surroundings import OF_OTHER_HEADS, for_ray, raise_limits, short_folder

MARKER = "NEMO_RAY_HEAD"
"""Environment variable that every process of one of our heads inherits; its value names the head."""

ANSWERS_WITHIN = 30.0
"""Seconds within which a Ray head has to answer."""

_SETTINGS = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.3",  # the default of 2 s is the shortest epoch that can be reported
    "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": "600",  # a group may wait for the fan-out's tasks to end
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "RAY_TRAIN_METRICS_ENABLED": "0",
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

_PREFIX = "nemo-"  # of the folder with Ray's own files
_MARK = "made-by-nemo"  # a file in it that holds the head's marker: what we may remove

_log = logging.getLogger(__name__)
_token = secrets.token_hex(32)  # one per process: Ray caches the first token that it reads


@contextlib.contextmanager
def ray_head(
    folder: str | Path, num_cpus: int | None = None, num_gpus: int | None = None, address: str | None = None
) -> Iterator[Cluster]:
    """Connect this process to a Ray cluster of our own, or to the running one at `address`.

    Args:
        folder: The study's folder; its record and its token (0600) are kept there while the head lives.
        num_cpus: Logical CPUs of our own head; None counts the machine's.
        num_gpus: GPUs of our own head; None detects them.
        address: `host:port` of a running head, or `auto` for the one that this process is a job of or that runs on
            this machine; it is used as it is and left running.

    Raises:
        UserError: The head at `address` can't be reached, or our own doesn't start, or limits are too low for it; or
            this process, such as a notebook, has a connection of its own, which would be lost.
    """
    import ray

    if ray.is_initialized():
        raise UserError(
            "this process is connected to a Ray cluster already, and a study needs a connection of its own; call "
            "ray.shutdown() first, or run the study in another process"
        )
    record = Path(folder).resolve() / RAY_HEAD
    end_orphan(folder)
    own = address is None
    environment = dict(os.environ)
    try:
        if address is None:
            raise_limits()
            for name in OF_OTHER_HEADS:
                os.environ.pop(name, None)
            address = _start(record, num_cpus, num_gpus)
        elif address == "auto":
            address = _running()
        settings = _settings()
        variables = {name: os.environ.get(name, value) for name, value in settings.items()}
        variables["RAY_ADDRESS"] = address
        os.environ.update(variables)
        _connect(address, variables, own)
        resources = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        alive = tuple((each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in resources)
        yield Cluster(address, alive if own else grows_to() or alive)
    finally:
        ray.shutdown()
        if own:
            end_orphan(folder)
        for name in {*_settings(), *OF_OTHER_HEADS, "RAY_AUTH_MODE", "RAY_AUTH_TOKEN_PATH"}:
            os.environ.pop(name, None)
            if name in environment:
                os.environ[name] = environment[name]


def end_orphan(folder: str | Path) -> int:
    """End the head that `folder` records, and wait until all its processes, workers included, are gone.

    Returns:
        The number of processes that had to be ended.

    Raises:
        UserError: One of them does not end; the record stays.
    """
    record = Path(folder).resolve() / RAY_HEAD
    try:
        head = _read(record)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, OverflowError, LookupError, TypeError, RecursionError):
        _log.warning("%s: is damaged and left alone, a Ray head that an earlier driver started may still run.", record)
        return 0
    ended: set[psutil.Process] = set()
    while processes := (_recorded(head["processes"]) | _marked(head["marker"])) - ended:  # one may just start another
        for process in processes:  # daemons first would let the workers start writing their last words
            with contextlib.suppress(psutil.Error):
                process.kill()
        _, left = psutil.wait_procs(processes, timeout=30)
        if left:
            pids = ", ".join(str(each.pid) for each in left)
            raise UserError(
                f"{record}: processes {pids} of an earlier Ray head do not end, see to them and run it again."
            )
        ended |= processes
    if _made_for(head["marker"], Path(head["temp"])):
        shutil.rmtree(head["temp"], ignore_errors=True)
    record.with_name("token").unlink(missing_ok=True)
    record.unlink(missing_ok=True)
    return len(ended)


class HeadDied(UserError):
    """A process without which Ray ends is gone."""

    def __init__(self) -> None:
        super().__init__(
            "Ray's head died while it ran this: it was killed, or the machine has too little memory; what is finished "
            "is kept, and the same command carries on"
        )


def head_lives(folder: str | Path) -> bool:
    """Whether the head that `folder` records still has the processes without which Ray ends; True where there is none.

    Ray itself takes up to a minute to notice, and then ends the driver with words of its own.
    """
    record = Path(folder).resolve() / RAY_HEAD
    try:
        vital = json.loads(record.read_text()).get("vital", [])
        return len(_living(vital)) == len(vital)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return True


def _read(record: Path) -> dict[str, Any]:
    """Reads a record, if it could be one of ours: the processes and the folder that it names are killed and removed.

    Raises:
        ValueError, OverflowError, LookupError, TypeError, RecursionError: It is damaged.
        OSError: It cannot be read.
    """
    head = json.loads(record.read_bytes())
    temp, marker = Path(head["temp"]), str(head["marker"])
    processes = [(int(pid), float(started)) for pid, started in head["processes"]]
    if not temp.is_absolute():
        raise ValueError(f"{temp} is no folder of a head of ours")
    if not marker or any(not 0 < pid < 2**31 for pid, _ in processes):
        raise ValueError("it names no processes")
    return {"temp": str(temp), "marker": marker, "processes": processes}


def _made_for(marker: str, temp: Path) -> bool:
    """Whether we made a folder for the head of this marker: this process may have another temporary folder by now."""
    try:
        return (temp / _MARK).read_text() == marker
    except (OSError, ValueError):  # it is gone, or somebody else's
        return False


def _settings() -> dict[str, str]:
    """The environment variables of Ray's processes, and of ours that use Ray."""
    from orchestrator.cluster.worker_groups import FreesFailedStarts

    return {**_SETTINGS, "RAY_TRAIN_CALLBACKS": f"{FreesFailedStarts.__module__}.{FreesFailedStarts.__qualname__}"}


def _start(record: Path, num_cpus: int | None, num_gpus: int | None) -> str:
    """Starts a head; on a busy machine the first try may run out of Ray's own time limits, so there are two."""
    reason = ""
    for _ in range(_TRIES):
        _use_token(record.parent)
        started, reason = _try_start(record, num_cpus, num_gpus)
        if started is not None:
            return started
        end_orphan(record.parent.parent)  # and its token
    raise UserError(f"Ray's head did not start ({reason}); free memory or ports, or name a running one: --address")


def _try_start(record: Path, num_cpus: int | None, num_gpus: int | None) -> tuple[str | None, str]:
    """The address of a new head, or None and why there is none."""
    temp = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=short_folder(tempfile.gettempdir())))
    marker = secrets.token_hex(8)
    head: dict[str, Any] = {"marker": marker, "temp": str(temp), "processes": []}
    (temp / _MARK).write_text(marker)
    # Before the start: a driver that is killed in its middle leaves no orphan that cannot be found.
    write_bytes(record, json.dumps(head).encode())
    # Without explicit ports the dashboard's agents of two heads on one host fight for the same one.
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    head["dashboard_port"] = ports["dashboard-port"]
    command = [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", "--head", f"--temp-dir={temp}"]
    command += [f"--{name}={port}" for name, port in ports.items()]
    command += ["--include-dashboard=true", "--dashboard-host=127.0.0.1", "--disable-usage-stats"]
    command += [f"--num-cpus={num_cpus}"] if num_cpus is not None else []
    command += [f"--num-gpus={num_gpus}"] if num_gpus is not None else []
    environment = {**_NICENESS, **for_ray(os.environ, short_folder(tempfile.gettempdir())), **_settings()}
    started = subprocess.run(command, env=environment | {MARKER: marker}, capture_output=True, text=True, check=False)
    daemons = _marked(marker)
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


def _use_token(folder: Path) -> None:
    """Switch this process and its children to token authentication, whatever mode they had: all can reach Ray's ports.

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
    from ray._raylet import Config  # type: ignore[attr-defined]

    Config.initialize("")  # Ray read its mode when it was imported


def _living(processes: Iterable[Sequence[float]]) -> list[psutil.Process]:
    """Those of `[pid, start]` that live."""
    alive = []
    for pid, started in processes:
        with contextlib.suppress(psutil.Error):
            alive.append(living(int(pid), started))
    return [process for process in alive if process is not None]


def _recorded(processes: Iterable[Sequence[float]]) -> set[psutil.Process]:
    tree = set(_living(processes))
    for process in list(tree):
        with contextlib.suppress(psutil.Error):
            tree |= set(process.children(recursive=True))
    return tree


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.Error:
        return ""


def _marked(marker: str) -> set[psutil.Process]:
    marked = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARKER) == marker:
                marked.add(process)
    return marked
