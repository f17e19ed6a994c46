"""A throw-away SLURM: munge, a controller and two nodes of this machine, in a temporary folder, gone afterwards."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import psutil

from orchestrator.system.ports import free_ports

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "cluster" / "slurm.sbatch"
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue", "scancel")
NODES = ("n1", "n2")
START_SECONDS = 120.0
ENDED = {"COMPLETED", "CANCELLED", "FAILED", "TIMEOUT", "NODE_FAIL"}

CONFIGURATION = """\
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
SlurmUser={user}
SlurmdUser={user}
SlurmctldPort={port}
SlurmctldPidFile={folder}/ctld.pid
SlurmdPidFile={folder}/d%n.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldLogFile={folder}/ctld.log
SlurmdLogFile={folder}/d%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=batch_sched_delay=1,sched_interval=5
ReturnToService=2
MpiDefault=none
GresTypes=gpu
SlurmdParameters=config_overrides
NodeName=n1 NodeHostname={host} NodeAddr=127.0.0.1 Port={port1} CPUs=2 RealMemory=8000 Gres=gpu:1
NodeName=n2 NodeHostname={host} NodeAddr=127.0.0.1 Port={port2} CPUs=2 RealMemory=8000 Gres=gpu:1
PartitionName=usual Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
PartitionName=other Nodes=n1,n2 MaxTime=INFINITE State=UP
"""


class Slurm:
    """Two nodes that share everything but a folder, which each has for itself.

    Args:
        program: Finds the programs, or skips.

    Attributes:
        unshared: A folder of which each node has its own.
    """

    def __init__(self, program: Callable[[str], Path]) -> None:
        self._programs = {name: program(name) for name in PROGRAMS}
        self._daemons = ExitStack()

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="nemo-slurm-"))
        self._daemons.callback(shutil.rmtree, self._folder)
        self.unshared = self._folder / "own"
        for name in ("state", "own", *(f"spool-{node}" for node in NODES)):
            (self._folder / name).mkdir()
        ports = dict(zip(("port", "port1", "port2"), free_ports(3), strict=True))
        configuration = self._folder / "slurm.conf"
        host = socket.gethostname().partition(".")[0]
        configuration.write_text(CONFIGURATION.format(folder=self._folder, host=host, user=getpass.getuser(), **ports))
        # No device is opened: to SLURM a GPU is a file, and to Ray a number.
        gpus = "".join(f"NodeName={node} Name=gpu File=/dev/null\n" for node in NODES)
        (self._folder / "gres.conf").write_text(gpus)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_", "RAY_"))},
            "SLURM_CONF": str(configuration),
            "PYTHONPATH": str(ROOT),  # where the environment is another checkout's
        }
        try:
            self._start_munge()
            self._start("slurmctld", "-D", "-f", configuration)
            for node in NODES:
                # A node of its own has its own disk, too.
                private = f'mount --bind "$(mktemp -d -p "{self._folder}")" "{self.unshared}" && exec "$@"'
                words = ["unshare", "--mount", "sh", "-c", private, "sh"] if os.geteuid() == 0 else []
                self._start("slurmd", "-D", "-f", configuration, "-N", node, before=words)
            self._wait_for(lambda: self._say("sinfo", "-h", "-o", "%T") == "idle", "the nodes are not idle")
        except BaseException:
            self._daemons.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for job in self._say("squeue", "-h", "-o", "%i").split():
            self.cancel(int(job))
            self.wait_until(int(job), ENDED)
        self._daemons.close()

    def submit(self, *words: object, options: tuple[object, ...] = (), script: Path = SCRIPT, **more: str) -> int:
        """The number of a new job: `sbatch OPTIONS cluster/slurm.sbatch WORDS`."""
        command = [self._programs["sbatch"], "--parsable", *options, script, *words]
        run = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, env=self._environment | more, cwd=ROOT
        )
        assert run.returncode == 0, run.stderr
        return int(run.stdout)

    def cancel(self, job: int) -> None:
        self._say("scancel", str(job))

    def warn(self, job: int) -> None:
        """Tells the job's script alone that its time limit is near."""
        self._say("scancel", "--batch", "--signal=USR1", str(job))

    def update(self, job: int, **settings: str) -> None:
        self._say("scontrol", "update", f"JobId={job}", *(f"{name}={value}" for name, value in settings.items()))

    def field(self, job: int, name: str) -> str:
        """A field of `scontrol show job`."""
        return re.findall(rf"(?m)\b{name}=(.*?)(?: \w+=|$)", self._say("scontrol", "show", "job", str(job)))[0]

    def wait_until(self, job: int, states: set[str], seconds: float = 500) -> str:
        """Waits until a job is in one of these states, and returns it."""
        self._wait_for(lambda: self.field(job, "JobState") in states, f"job {job} is not {states}", seconds)
        return self.field(job, "JobState")

    def processes(self, job: int) -> list[psutil.Process]:
        """What lives of a job, of Ray's too."""
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("SLURM_JOB_ID") == str(job):
                    found.append(process)
        return found

    def _say(self, name: str, *words: str) -> str:
        path = self._programs["sbatch"].with_name(name)
        run = subprocess.run([path, *words], capture_output=True, text=True, env=self._environment)
        assert run.returncode == 0, run.stderr
        return run.stdout.strip()

    def _start_munge(self) -> None:
        key = self._folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = {"socket": "munge.socket", "pid-file": "munge.pid", "log-file": "munge.log", "seed-file": "munge.seed"}
        words = [f"--{name}={self._folder / file}" for name, file in files.items()]
        self._start("munged", "--foreground", "--force", f"--key-file={key}", *words)
        self._wait_for((self._folder / "munge.socket").exists, "munged did not start")

    def _start(self, name: str, *words: object, before: list[str] = []) -> None:  # noqa: B006  # never changed
        with (self._folder / f"{name}.out").open("ab") as log:
            command = [*before, str(self._programs[name]), *map(str, words)]
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment)
        self._daemons.callback(_end, process)

    def _wait_for(self, reached: Callable[[], bool], otherwise: str, seconds: float = START_SECONDS) -> None:
        deadline = time.monotonic() + seconds
        while not self._holds(reached):
            assert time.monotonic() < deadline, f"{otherwise}\n{self._logs()}"
            time.sleep(0.5)

    @staticmethod
    def _holds(reached: Callable[[], bool]) -> bool:
        try:
            return reached()
        except AssertionError:  # a daemon that does not answer yet
            return False

    def _logs(self) -> str:
        logs = sorted(path for path in self._folder.glob("*") if path.suffix in (".log", ".out") and path.is_file())
        return "\n".join(f"== {path.name}\n{path.read_text()[-3000:]}" for path in logs)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
