"""`nemo doctor` looks at what a run needs, says what to do, and is told apart by its exit code."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from orchestrator.cluster.head import own_head
from orchestrator.doctor.finding import Finding, State, tried
from orchestrator.doctor.machine import _enough, _packages, installation, machine
from tests import tiny
from tests.object_store import ObjectServer

ROOT = Path(__file__).parents[3]


def doctor(*words: object, path: Path | None = None, timeout: float = 300) -> tuple[int, str]:
    """The exit code of `nemo doctor` and what it says, with another folder first where Python looks for packages."""
    places = os.pathsep.join(map(str, [*([path] if path else []), ROOT]))
    environment = {**tiny.environment(), "PYTHONPATH": places, "COLUMNS": "400"}
    ended = subprocess.run(
        tiny.command("doctor", *words), capture_output=True, text=True, timeout=timeout, env=environment, cwd=path
    )
    return ended.returncode, ended.stdout + ended.stderr


def test_this_installation_is_good() -> None:
    found = {each.thing: each for each in installation()}
    assert found.keys() == {"Python", "packages", "nemo"}
    assert all(each.state is State.good for each in found.values()), found


def test_a_package_that_is_missing_or_too_old_is_named() -> None:
    found = _packages([Requirement("no-such-thing>=1"), Requirement("numpy<1"), Requirement("pydantic")])
    assert found.state is State.fails
    assert found.said.startswith("no-such-thing is missing; numpy ") and found.said.endswith(" is not <1")
    assert "pip install --upgrade nemo-orchestrator" in found.remedy


def test_a_folder_that_is_none_fails_and_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = {each.thing: each for each in machine(tmp_path / "file" / "runs")}
    assert found["disk"].state is State.fails
    assert found["disk"].said == f"{tmp_path}/file cannot be written to"
    assert "--storage FOLDER" in found["disk"].remedy
    assert found["limits"].state is State.good


@pytest.mark.parametrize(("free", "state"), [(0.5, State.fails), (2, State.look), (20, State.good)])
def test_little_is_told_from_too_little(free: float, state: State) -> None:
    assert _enough("disk", "free", int(free * 2**30), (1, 10), "make room").state is state


def test_whatever_goes_wrong_is_a_finding() -> None:
    found = tried("Ray", lambda: str(1 / 0), "install ray again")
    assert found == Finding("Ray", "ZeroDivisionError: division by zero", State.fails, "install ray again")


def test_nvidias_package_is_told_of_where_it_is_installed_too(tmp_path: Path) -> None:
    info = tmp_path / "nemo_toolkit-2.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: nemo_toolkit\nVersion: 2.0\n")
    code, said = doctor("--quick", "--storage", "gopher://x", path=tmp_path)
    assert code == 1
    line = next(line for line in said.splitlines() if "nemo_toolkit" in line)
    assert line.startswith("fails  nemo ") and "give this program an environment of its own" in line


def test_another_nemo_in_the_place_of_ours_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "nemo").mkdir()
    (tmp_path / "nemo" / "__init__.py").write_text("__version__ = '2.0'\n")
    code, said = doctor("--quick", path=tmp_path)
    assert code == 2
    assert said.startswith(f"nemo: the package nemo that Python finds, {tmp_path}/nemo/__init__.py, is another one")
    assert len(said.splitlines()) == 1


@pytest.mark.slow
def test_what_does_not_answer_fails(tmp_path: Path) -> None:
    with socket.socket() as taken:  # and nobody listens on it
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        code, said = doctor(
            *("--quick", "--storage", tmp_path, "--address", f"127.0.0.1:{port}"),
            *("--tracking", f"http://127.0.0.1:{port}"),
        )
    assert code == 1
    assert f"fails  cluster        --address 127.0.0.1:{port}: no Ray head answers" in said
    assert f"fails  MLflow         tracking.uri: MLflow cannot use 'http://127.0.0.1:{port}'" in said
    assert said.splitlines()[-1] == "2 of these fail: a run would stop there."


@pytest.mark.slow
@pytest.mark.ray
def test_ray_is_started_and_ended_and_a_database_opened(storage: Path) -> None:
    code, said = doctor("--storage", storage / "runs", timeout=600)
    assert code == 0, said
    assert "started, carried out a task and ended" in said
    assert "a new database opens" in said
    assert list(storage.iterdir()) == []  # nothing is left behind
    assert sys.executable in said


@pytest.mark.slow
@pytest.mark.ray
def test_a_bucket_and_a_running_cluster_are_asked(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with ObjectServer() as server, own_head(storage / "study", num_cpus=1) as cluster:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        bucket = server.new_bucket()
        code, said = doctor("--storage", bucket, "--address", cluster.address)
        assert code == 0, said
        assert f"{bucket} answers, and takes conditional writes" in said
        assert f"{cluster.address} answers: 1 CPUs and 0 GPUs" in said
        page = json.loads((storage / "study" / "ray" / "head.json").read_text())["dashboard_port"]
        code, said = doctor("--storage", storage / "runs", "--address", f"http://127.0.0.1:{page}")
        assert code == 0 and f"http://127.0.0.1:{page} answers: Ray " in said, said
        code, said = doctor("--quick", "--storage", "s3://nothing-there/x")
        assert code == 1 and "fails  storage" in said
