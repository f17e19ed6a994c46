"""A study as a job of a cluster: started from a terminal that is closed, killed, stopped, and carried on with."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from orchestrator.cluster.orphan import MARKER, end_orphan
from orchestrator.storage import store_at
from tests import tiny
from tests.faults.driver import checkpoints, finished, processes

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow]

HOLD = """
import sys
from orchestrator.cluster.head import own_head
with own_head(sys.argv[1], num_cpus=2, num_gpus=0):
    print("up", flush=True)
    sys.stdin.read()
"""


class Head:
    """A Ray head of another process, and the command line of somebody who only knows its address and token."""

    def __init__(self, url: str, environment: dict[str, str], elsewhere: Path, marker: str) -> None:
        self.url, self.marker, self._elsewhere = url, marker, elsewhere
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
        # Another machine: no home, no working folder and no variable of this one but those of the token.
        self.environment |= {"HOME": str(elsewhere), "RAY_USAGE_STATS_ENABLED": "0", **environment}

    def nemo(self, *words: object, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*words),
            cwd=self._elsewhere,
            env={name: value for name, value in {**self.environment, **environment}.items() if value},
            capture_output=True,
            text=True,
            timeout=420,
        )

    def command(self, *words: object) -> list[str]:
        return tiny.command(*words, "--address", self.url)

    def state(self, job: str = "tiny") -> str:
        shown = self.nemo("status", job)
        assert shown.returncode == 0, shown.stderr
        return shown.stdout.splitlines()[0].rstrip()

    def driver(self) -> psutil.Process:
        """The `nemo run` of the job that runs."""
        found = [each for each in processes(self.marker) if "orchestrator.cli" in each.cmdline()]
        assert len(found) == 1, found
        return found[0]


def wait_until(reached: Callable[[], bool], seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@contextmanager
def open_head(folder: Path) -> Iterator[Head]:
    """A head that asks for no token."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        dashboard = free.getsockname()[1]
    marker = folder.name
    off = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--port=0", "--num-cpus=2"]
    command += [f"--temp-dir={folder}", f"--dashboard-port={dashboard}", "--dashboard-host=127.0.0.1"]
    environment = {name: value for name, value in tiny.environment().items() if name != "RAY_AUTH_TOKEN"}
    try:
        subprocess.run(command, env={**environment, **off, MARKER: marker}, check=True, capture_output=True)
        yield Head(f"http://127.0.0.1:{dashboard}", off, folder, marker)
    finally:
        while left := processes(marker):
            for process in left:
                process.kill()
            psutil.wait_procs(left, timeout=30)


# First of all, so that its head is gone before the one with tokens starts.
def test_a_cluster_without_tokens(storage: Path, tmp_path: Path) -> None:
    study = tiny.write_study(tmp_path)
    with open_head(storage) as head:
        assert head.nemo("status").stdout == f"no study was submitted to {head.url} since its head started\n"
        sent = head.nemo("submit", study, "--storage", tmp_path / "runs", "--follow")
        assert sent.returncode == 0, sent.stdout + sent.stderr
        tiny.assert_complete(study, tmp_path / "runs")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """A head with token authentication."""
    folder = tmp_path_factory.mktemp("head")
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=tiny.environment(),
    )
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == "up\n"
        record = json.loads((folder / "ray" / "head.json").read_text())
        url = f"http://127.0.0.1:{record['dashboard_port']}"
        token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": (folder / "ray" / "token").read_text()}
        yield Head(url, token, folder, record["marker"])
    finally:
        held.communicate("")
        end_orphan(folder)


@pytest.mark.timeout(1200)
def test_killed_stopped_and_submitted_again_it_carries_on(head: Head, tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    subtasks = {**tiny.STUDY["subtasks"], "samples": "all", "finetune": {"epochs": 6, "batch_size": 32}}
    study = tiny.write_study(tmp_path, recipe={**tiny.STUDY["recipe"], "epochs": 8}, subtasks=subtasks)
    submit = ("submit", study, "--storage", storage)

    # A terminal that submits and follows, and is closed.
    terminal, end = pty.openpty()
    command = head.command(*submit, "--follow")
    submitting = subprocess.Popen(
        command, stdin=end, stdout=end, stderr=end, env=head.environment, preexec_fn=_become_terminals_own
    )
    os.close(end)
    wait_until(lambda: bool(checkpoints(store_at(storage / "tiny"))))
    os.close(terminal)
    assert submitting.wait(60) in (-signal.SIGHUP, 1)  # 1 where it was just writing there
    assert head.state().startswith("tiny-r1: running, started ")
    assert os.fspath(head.driver().cwd()).rstrip("/").split("/")[-2] == "working_dir_files"

    # Killed in the sweep.
    wait_until(lambda: finished(store_at(storage / "tiny"), "train") >= 1)
    refused = head.nemo(*submit)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith(f"nemo: tiny-r1 is running on {head.url}; ")
    head.driver().kill()
    wait_until(lambda: not head.state().startswith("tiny-r1: running"))
    assert head.state().startswith("tiny-r1: failed")
    before = tiny.result_files(storage)

    # Stopped in the fan-out, in order.
    again = head.nemo(*submit)
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout.startswith("tiny-r2: submitted; ")
    wait_until(lambda: finished(store_at(storage / "tiny"), "reuse") >= 2)
    stopped = head.nemo("stop", "tiny")
    assert stopped.stdout.startswith("tiny-r2: stopped, started "), stopped.stderr
    assert finished(store_at(storage / "tiny"), "reuse") < 45
    said = head.nemo("logs", "tiny").stdout
    assert said.splitlines()[-1] == (
        "nemo: stopped by SIGTERM; what is finished is kept, this carries on: the same nemo submit"
    )
    assert not [each for each in processes(head.marker) if "orchestrator.cli" in each.cmdline()]
    assert head.nemo("stop", "tiny").stdout == stopped.stdout  # nothing left to stop

    # To the end.
    last = head.nemo(*submit, "--follow")
    assert last.returncode == 0, last.stdout + last.stderr
    assert "tiny-r3: succeeded, started " in last.stderr
    assert last.stdout.count("Sub-tasks at threshold 0.9") == 1
    assert "Traceback" not in last.stdout
    after = tiny.result_files(storage)
    assert before and {path: after[path] for path in before} == before
    tiny.assert_complete(study, storage)
    assert head.nemo("logs", "tiny-r2").stdout == said
    assert head.state() == head.nemo("status").stdout.splitlines()[0]


def _become_terminals_own() -> None:
    """Makes the process the leader of a session of its own, with its standard input as the terminal."""
    import fcntl
    import termios

    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # tests that run under nohup hand down that it is ignored
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"RAY_AUTH_MODE": "disabled", "RAY_AUTH_TOKEN": ""}, "a token is missing"),
        ({"RAY_AUTH_MODE": "", "RAY_AUTH_TOKEN": ""}, "a token is missing"),
        ({"RAY_AUTH_TOKEN": ""}, "a token is missing"),
        ({"RAY_AUTH_TOKEN": "0" * 64}, "the token is not this cluster's"),
    ],
)
def test_without_the_token_nobody_gets_in(head: Head, tmp_path: Path, changed: dict[str, str], told: str) -> None:
    study = tiny.write_study(tmp_path)
    for words in (["submit", study, "--storage", tmp_path], ["status"]):
        refused = head.nemo(*words, **changed)
        assert (refused.returncode, refused.stdout) == (2, "")
        assert refused.stderr.startswith(f"nemo: --address {head.url}: {told}; set RAY_AUTH_MODE=token")
        assert len(refused.stderr.splitlines()) == 1


def test_what_never_fits_is_refused_with_the_arithmetic(head: Head, tmp_path: Path) -> None:
    study = tiny.write_study(tmp_path)
    for field, told in {
        "training.workers": "a training needs 3 workers x 1 CPUs, but the cluster of 2 CPUs and 0 GPUs has room for 2",
        "subtask.cpus": "a sub-task needs 3 CPUs and 0 GPUs on one node, which no node of the cluster has (2 CPUs",
    }.items():
        refused = head.nemo("submit", study, "--storage", tmp_path, "--set", f"resources.{field}=3")
        assert (refused.returncode, refused.stdout) == (2, "")
        assert told in refused.stderr
        assert len(refused.stderr.splitlines()) == 1


def test_an_unknown_study_names_the_known_ones(head: Head) -> None:
    asked = head.nemo("logs", "other")
    assert (asked.returncode, asked.stdout) == (2, "")
    assert asked.stderr.startswith(f"nemo: no study or job 'other' on {head.url}, ")


def test_a_study_that_is_wrong_there_fails_with_its_sentence(head: Head, tmp_path: Path) -> None:
    pairs = [{"backbone": "rescnn", "dataset": f"folder:{tmp_path}/nowhere"}]
    study = tiny.write_study(tmp_path, name="wrong", pairs=pairs)
    ended = head.nemo("submit", study, "--storage", tmp_path / "runs", "--follow")
    assert ended.returncode == 2
    assert "nemo: study/tiny.yaml:" in ended.stdout
    assert "wrong-r1: failed (exit code 2), started " in ended.stderr


def environment_of(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:  # it has just ended
        return {}


def test_chosen_variables_go_along_and_no_others(head: Head, tmp_path: Path) -> None:
    study = tiny.write_study(tmp_path, name="chosen")
    variables = {"CHOSEN": "hunter2 'quoted'", "OTHER": "hunter3"}
    sent = head.nemo("submit", study, "--storage", tmp_path / "runs", "--env", "CHOSEN", **variables)
    assert sent.returncode == 0, sent.stderr
    wait_until(lambda: finished(store_at(tmp_path / "runs" / "chosen"), "train") >= 1)
    driver = head.driver().environ()
    workers = [found for each in processes(head.marker, "ray::") if "CHOSEN" in (found := environment_of(each))]
    assert len(workers) >= 2  # one of them is the job's supervisor
    for environment in (driver, *workers):
        assert environment["CHOSEN"] == variables["CHOSEN"]
        assert "OTHER" not in environment
        assert "working_dir_files" in environment["PYTHONPATH"].split(os.pathsep)[0]
    head.nemo("stop", "chosen")
    said = sent.stdout + sent.stderr + head.nemo("logs", "chosen").stdout + head.nemo("status", "chosen").stdout
    assert "hunter" not in said
