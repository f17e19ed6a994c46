"""What a job of SLURM asks (`cluster/slurm.sbatch`): where its study lies, a node of Ray on each of its nodes.

Ray's own `symmetric-run` ends every Ray of the user on a node, those of other jobs too, and can't be ended in order by
a signal; two jobs that share a node would also want the same ports and folders there. So each node is started by
`serve_node`, with ports and a folder of its own, and lives as long as somebody holds its standard input open.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.storage import Store
from orchestrator.storage.files import unwritable
from orchestrator.storage.layout import CHECKPOINTS
from orchestrator.storage.studies import storage_root
from orchestrator.study.file import load_study_file
from orchestrator.system.ports import free_ports
from orchestrator.system.surroundings import for_ray, raise_limits, short_folder

STARTS_WITHIN = 300.0
"""Seconds within which all nodes of a job have to be nodes of its Ray cluster."""

_ENDS_WITHIN = 20.0  # seconds: SLURM itself kills half a minute after it said so
_OBJECTS = 0.3  # of the memory, as Ray itself takes
_PORTS = ("dashboard-agent-listen-port", "dashboard-agent-grpc-port", "runtime-env-agent-port", "metrics-export-port")
_HEAD_PORTS = ("dashboard-port", "ray-client-server-port")
_MEGABYTE = 2**20


def study_of_job(words: Sequence[str]) -> Store:
    """Where the study of a job lies.

    Args:
        words: What `nemo run` will be given, the study's file among it.

    Raises:
        UserError: The study is wrong, or its storage is; or it is to run elsewhere than on the job's nodes.
    """
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("study", nargs="?")
    parser.add_argument("--set", action="append", default=[])
    parser.add_argument("--storage")
    parser.add_argument("--address")
    try:
        given, _ = parser.parse_known_args(words)
    except argparse.ArgumentError as error:
        raise UserError(f"cluster/slurm.sbatch: {error}.") from None
    if given.study is None:
        raise UserError("cluster/slurm.sbatch: no study is named, give its file first.")
    if given.address is not None:
        raise UserError("cluster/slurm.sbatch: --address: a job has a Ray cluster of its own, leave it out.")
    study = load_study_file(given.study, given.set)
    return storage_root(given.storage or study.storage) / study.name


def made_storage(study: Store) -> Store:
    """The storage around a study; a folder is made, for the job's nodes to be asked whether they see it.

    Raises:
        UserError: It cannot be made or written.
    """
    storage = study.parent
    if not storage.remote:
        try:
            storage.local.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=storage.local).close()
        except OSError as error:
            raise unwritable(storage.local, error) from error
    return storage


def progress(study: Store) -> str:
    """Says in one word how far a study is; another word later means that a step or a checkpoint was finished."""
    finished = len(Ledger(study, readonly=True).finished())
    stamps = sorted((name, str(stamp)) for name, stamp in study.list(CHECKPOINTS).items())
    return f"{finished}-{hashlib.sha256(repr(stamps).encode()).hexdigest()[:16]}"


def resources_of(environment: Mapping[str, str]) -> dict[str, int]:
    """What SLURM gave a job on this node, as options of `ray start`.

    Args:
        environment: Of a task of the job.

    Raises:
        UserError: It is none of a job.
    """
    try:
        cpus = int(environment["SLURM_CPUS_ON_NODE"])
    except (KeyError, ValueError):
        raise UserError("this is no job of SLURM, start it by sbatch cluster/slurm.sbatch STUDY.") from None
    found = {"num-cpus": cpus, "num-gpus": int(environment.get("SLURM_GPUS_ON_NODE") or 0)}
    each = int(environment.get("SLURM_MEM_PER_CPU") or 0) * cpus
    memory = (int(environment.get("SLURM_MEM_PER_NODE") or 0) or each) * _MEGABYTE
    if memory:  # Ray looks at the whole machine's
        found["object-store-memory"] = int(min(_OBJECTS * memory, 0.9 * shutil.disk_usage("/dev/shm").free))
    return found


def serve_node(address: str, head: bool) -> int:
    """Is a node of Ray until standard input is closed: the head at this address, or one that joins it.

    SIGTERM alone does not end it: `scancel` sends one to all tasks of a job, and to end in order the study needs nodes.

    Returns:
        An exit code: 1 where Ray ended by itself.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    raise_limits()
    names = _PORTS + (_HEAD_PORTS if head else ())
    options = {**resources_of(os.environ), **dict(zip(names, free_ports(len(names)), strict=True))}
    host, _, port = address.rpartition(":")
    words = [f"--{name}={value}" for name, value in options.items()]
    words += ["--head", f"--node-ip-address={host}", f"--port={port}"] if head else [f"--address={address}"]
    words += ["--include-dashboard=true", "--dashboard-host=127.0.0.1"] if head else []
    if not head:
        _wait_for(host, int(port))
    with tempfile.TemporaryDirectory(
        prefix="nemo-", dir=short_folder(tempfile.gettempdir()), ignore_cleanup_errors=True
    ) as temp:
        words += [f"--temp-dir={temp}", "--disable-usage-stats", "--block"]
        log = Path(temp) / "start.log"
        with log.open("w") as output:
            ray = subprocess.Popen(
                [sys.executable, "-P", "-m", "ray.scripts.scripts", "start", *words],
                env=for_ray(os.environ, short_folder(tempfile.gettempdir())),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        while ray.poll() is None:
            if select.select([sys.stdin], [], [], 1.0)[0] and not os.read(sys.stdin.fileno(), 1):
                ray.terminate()
                with suppress(subprocess.TimeoutExpired):
                    ray.wait(_ENDS_WITHIN)
                ray.kill()
                ray.wait()
                return 0
        said = [line.strip() for line in log.read_text().splitlines() if line.strip()]
        print(f"nemo: Ray ended on {socket.gethostname()}: {(said or ['no output'])[-1]}", file=sys.stderr)
        return 1


def wait_for_nodes(count: int, address: str, head: int) -> str:
    """Waits until so many nodes are in a Ray cluster.

    Args:
        count: How many.
        address: The head's.
        head: The process that serves it.

    Returns:
        What they have together, as a sentence.

    Raises:
        UserError: They are not within `STARTS_WITHIN` seconds, or the head has ended.
    """
    import ray

    deadline, alive = time.monotonic() + STARTS_WITHIN, 0
    while time.monotonic() < deadline:
        if not psutil.pid_exists(head):
            raise UserError("Ray's head did not start, see the line above; try again on another node.")
        with suppress(ConnectionError, RuntimeError, ValueError):  # its own node may not be there yet
            if not ray.is_initialized():
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, configure_logging=True)
            alive = sum(node["Alive"] for node in ray.nodes())
            if alive >= count:
                have = ray.cluster_resources()
                return (
                    f"Ray has {count} nodes of SLURM, {have.get('CPU', 0):.0f} CPUs and {have.get('GPU', 0):.0f} GPUs"
                )
        time.sleep(0.5)
    raise UserError(
        f"{alive} of {count} nodes started Ray within {STARTS_WITHIN:.0f} s; see to the others, or leave them out by "
        "sbatch --exclude=NODES."
    )


def _wait_for(host: str, port: int) -> None:
    """Waits until something listens there."""
    deadline = time.monotonic() + STARTS_WITHIN
    while time.monotonic() < deadline:
        with suppress(OSError), socket.create_connection((host, port), timeout=5):
            return
        time.sleep(0.2)
    raise UserError(f"Ray's head at {host}:{port} did not answer within {STARTS_WITHIN:.0f} s; see the job's log.")


def main() -> None:
    """`python -m orchestrator.cluster.slurm QUESTION`: answers what the job's script asks."""
    question, *words = sys.argv[1:]
    try:
        if question == "storage":
            print(made_storage(study_of_job(words)))
        elif question == "progress":
            print(progress(study_of_job(words)))
        elif question == "address":
            import ray

            print(f"{ray.util.get_node_ip_address()}:{free_ports(1)[0]}")
        elif question == "node":
            head = words[0] == "--head"
            if head:
                print(os.getpid(), flush=True)
                os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # who waits for the number gets its end
            sys.exit(serve_node(words[-1], head))
        elif question == "wait":
            print(f"nemo: {wait_for_nodes(int(words[0]), words[1], int(words[2]))}.", flush=True)
    except UserError as error:
        print(f"nemo: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
