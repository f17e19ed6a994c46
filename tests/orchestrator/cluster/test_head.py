"""Our own Ray head: recorded, private, and gone when it should be."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import psutil
import pytest
import ray

from nemo.errors import UserError
from orchestrator.cluster import head
from orchestrator.cluster.head import OwnHead, _reason, own_head, ray_head
from orchestrator.cluster.orphan import end_orphan, marked, still_living
from orchestrator.system.ports import free_ports

pytestmark = pytest.mark.ray

DRIVER = """
import os, pathlib, sys, time, ray
from orchestrator.cluster.head import own_head

@ray.remote
def work(folder):
    pathlib.Path(folder, "worker").write_text(str(os.getpid()))
    time.sleep(600)

with own_head(sys.argv[1], num_cpus=1, num_gpus=0):
    ray.get(work.remote(sys.argv[1]))
"""


def _ray_variables() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name.startswith(("RAY_", "TUNE_"))}


@ray.remote
def seen() -> dict[str, str | None]:
    return {name: os.environ.get(name) for name in ("RAY_ADDRESS", "RAY_AUTH_MODE")}


def test_a_head_lives_as_long_as_its_block(storage: Path) -> None:
    before = _ray_variables()
    with own_head(storage, num_cpus=2, num_gpus=0) as cluster:
        record = json.loads((storage / "ray" / "head.json").read_text())
        token = storage / "ray" / "token"
        assert cluster.nodes == ((2.0, 0.0),)
        assert ray.get(seen.remote()) == {"RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "token"}
        with pytest.raises(UserError, match=r"connected to a Ray cluster already.*ray\.shutdown"), own_head(storage):
            raise AssertionError
        assert ray.get(seen.remote())["RAY_ADDRESS"] == cluster.address  # the first connection lives
        assert token.stat().st_mode & 0o777 == 0o600
        assert len(still_living(record["processes"])) == len(record["processes"])
        listening = {
            connection.laddr.ip
            for pid, _ in record["processes"]
            for connection in psutil.Process(pid).net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == record["dashboard_port"]
        }
        assert listening == {"127.0.0.1"}
    assert not any(psutil.pid_exists(pid) for pid, _ in record["processes"])
    assert not Path(record["temp"]).exists()
    assert list((storage / "ray").iterdir()) == []
    assert _ray_variables() == before


def test_a_head_that_is_not_wanted_any_more_leaves_nothing_behind(storage: Path) -> None:
    """While it starts: at once, and when its first daemon is there."""
    before, record = _ray_variables(), storage / "ray" / "head.json"
    for moment in ("at once", "with a daemon"):
        marker = ""
        with pytest.raises(RuntimeError, match=moment), OwnHead(storage, num_cpus=1, num_gpus=0):
            while moment == "with a daemon" and not any(each.name() == "gcs_server" for each in marked(marker)):
                marker = json.loads(record.read_text())["marker"] if record.exists() else ""
                time.sleep(0.05)
            raise RuntimeError(moment)
        assert not marked(marker)
        assert list((storage / "ray").iterdir()) == []
        assert _ray_variables() == before


def test_the_head_of_a_killed_driver_is_ended_with_its_workers(storage: Path) -> None:
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(storage)])
    deadline = time.monotonic() + 120
    while not (storage / "worker").exists() or not (storage / "worker").read_text():
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    head = [pid for pid, _ in json.loads((storage / "ray" / "head.json").read_text())["processes"]]
    assert any(psutil.pid_exists(pid) for pid in head)
    assert end_orphan(storage) >= len(head)
    assert not any(psutil.pid_exists(pid) for pid in [*head, int((storage / "worker").read_text())])
    assert end_orphan(storage) == 0


def test_a_process_that_got_a_recorded_number_later_is_left_alone(storage: Path) -> None:
    bystander = subprocess.Popen(["sleep", "600"])
    try:
        record = {"marker": "none", "temp": "/tmp/nemo-none", "processes": [[bystander.pid, 1.0]]}
        (storage / "ray").mkdir()
        (storage / "ray" / "head.json").write_text(json.dumps(record))
        assert end_orphan(storage) == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize("temp", ["{folder}", "/tmp/nemo-none/../../{folder}", "/", "nemo-none", "/tmp/other", ""])
def test_a_record_that_names_somebody_elses_folder_removes_nothing(storage: Path, tmp_path: Path, temp: str) -> None:
    (tmp_path / "nemo-precious").mkdir()
    record = {"marker": "none", "temp": temp.format(folder=tmp_path / "nemo-precious"), "processes": []}
    (storage / "ray").mkdir()
    (storage / "ray" / "head.json").write_text(json.dumps(record))
    assert end_orphan(storage) == 0
    assert (tmp_path / "nemo-precious").exists()


STRANGER = """
import sys, ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False)
except Exception as error:
    print(type(error).__name__)
else:
    print("let in")
"""


def test_who_has_no_token_is_refused_whatever_the_environment_says(
    storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    with own_head(storage, num_cpus=1, num_gpus=0) as cluster:
        assert ray.get(seen.remote()) == {"RAY_ADDRESS": cluster.address, "RAY_AUTH_MODE": "token"}
        (storage / "wrong").write_text("0" * 64)
        asked = [sys.executable, "-c", STRANGER, cluster.address]
        strangers = [
            subprocess.Popen(asked, stdout=subprocess.PIPE, text=True, env=os.environ | mode)
            for mode in ({"RAY_AUTH_MODE": "disabled"}, {"RAY_AUTH_TOKEN_PATH": str(storage / "wrong")})
        ]
        for stranger in strangers:
            assert stranger.communicate(timeout=300)[0].split()[-1:] not in ([], ["let in"])
        port = json.loads((storage / "ray" / "head.json").read_text())["dashboard_port"]
        for path in ("/api/jobs/", "/api/version", "/nodes?view=summary"):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=60)
            assert refused.value.code == 401
    assert os.environ["RAY_AUTH_MODE"] == "disabled"


def _taken_at_first(monkeypatch: pytest.MonkeyPatch, port: int, tries: int) -> list[int]:
    """Makes so many starts find the port of Ray's head taken; the list that comes back counts the starts."""
    starts: list[int] = []

    def ports(count: int) -> list[int]:
        starts.append(count)
        free = free_ports(count)
        return [port, *free[1:]] if len(starts) <= tries else free

    monkeypatch.setattr(head, "free_ports", ports)
    return starts


@pytest.mark.slow  # Ray takes most of a minute to give up
def test_a_head_that_does_not_start_at_once_is_tried_again(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("", 0)) as other:
        starts = _taken_at_first(monkeypatch, other.getsockname()[1], tries=1)
        with own_head(storage, num_cpus=1, num_gpus=0):
            assert ray.get(seen.remote())["RAY_AUTH_MODE"] == "token"
    assert len(starts) == 2
    assert list((storage / "ray").iterdir()) == []


@pytest.mark.slow
def test_a_head_that_does_not_start_at_all_is_one_sentence(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("", 0)) as other:
        starts = _taken_at_first(monkeypatch, other.getsockname()[1], tries=9)
        sentence = r"^Ray's head did not start \(.+\); free memory or ports"
        with pytest.raises(UserError, match=sentence) as error, own_head(storage, num_cpus=1, num_gpus=0):
            pass
    assert len(starts) == 2
    assert "\n" not in str(error.value)
    assert list((storage / "ray").iterdir()) == []


def test_the_reason_is_a_line_that_names_an_error() -> None:
    assert _reason("started\n", "ConnectionError: port 6379 is taken\nsee the logs\n") == (
        "ConnectionError: port 6379 is taken"
    )
    assert _reason("first\nlast\n", "") == "last"
    assert _reason("", "") == "no output"


def test_an_address_without_a_head_is_one_sentence(storage: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(UserError, match=f"--address {address}: "), ray_head(address):
        pass


def test_a_port_that_never_answers_is_one_sentence(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.cluster.head.ANSWERS_WITHIN", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        told = rf"--address {address}: no Ray head answers \(none within 2 s\); start one or leave it out"
        with pytest.raises(UserError, match=told), ray_head(address):
            pass
