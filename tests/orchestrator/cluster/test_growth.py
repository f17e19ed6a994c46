"""A cluster that starts with a head that has no CPU: a study makes it grow, and it shrinks again."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import ray
from ray._raylet import GcsClient

from nemo.errors import UserError
from orchestrator.cluster import head
from orchestrator.cluster.cluster import GROWS_TO, grows_to, nodes_of
from orchestrator.system.ports import free_ports
from tests import tiny

SHRINKS_WITHIN = 600.0


@pytest.mark.parametrize(
    ("text", "nodes"),
    [("2x4cpus+1gpus", ((4, 1), (4, 1))), ("1x0.5cpus", ((0.5, 0),)), ("1x2cpus,1x8cpus+4gpus", ((2, 0), (8, 4)))],
)
def test_nodes_are_read(text: str, nodes: object) -> None:
    assert nodes_of(text) == nodes


@pytest.mark.parametrize("text", ["4", "x4cpus", "4x4", "4x4cpus+gpus", "4x4cpus;1x1cpus", "-1x4cpus"])
def test_what_names_no_nodes_is_one_sentence(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(GROWS_TO, text)
    with pytest.raises(UserError, match=r"names no nodes, give them as in 4x4cpus\+1gpus, or leave it out"):
        grows_to()


def test_a_cluster_is_what_it_is_unless_something_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(GROWS_TO, raising=False)
    assert grows_to() == ()


@pytest.fixture
def growing(storage: Path) -> Iterator[str]:
    """The address of a head without a CPU whose autoscaler starts up to two nodes of one CPU, on this machine."""
    ports = dict(zip(head._PORTS, free_ports(len(head._PORTS)), strict=True))
    address = f"{ray.util.get_node_ip_address()}:{ports['port']}"
    nothing: dict[str, list[str]] = {f"{who}setup_commands": [] for who in ("", "head_", "worker_")}
    settings = {
        "cluster_name": "growing",
        "max_workers": 2,
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 0.1,
        "provider": {
            "type": "fake_multinode",
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "gcs_address": address,
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "worker": {"resources": {"CPU": 1}, "node_config": {}, "min_workers": 0, "max_workers": 2},
        },
        "head_node_type": "ray.head.default",
        "auth": {},
        "docker": {},
        "file_mounts": {},
        "cluster_synced_files": [],
        "initialization_commands": [],
        "head_start_ray_commands": [],
        "worker_start_ray_commands": [],
        **nothing,
    }
    (storage / "cluster.json").write_text(json.dumps(settings))
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--num-cpus=0", "--num-gpus=0"]
    command += [f"--temp-dir={storage}", f"--autoscaling-config={storage}/cluster.json", "--disable-usage-stats"]
    command += [f"--{name}={port}" for name, port in ports.items()]
    environment = {**tiny.environment(), head.MARKER: "growing", "RAY_AUTH_MODE": "disabled"}
    environment |= {"RAY_FAKE_CLUSTER": "1", "AUTOSCALER_UPDATE_INTERVAL_S": "1"}
    started = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    try:
        assert started.returncode == 0, started.stdout + started.stderr
        yield address
    finally:
        while processes := head._marked("growing"):
            for process in processes:
                process.kill()
            psutil.wait_procs(processes, timeout=30)


def alive(address: str) -> int:
    """How many nodes there are besides the head."""
    nodes = GcsClient(address=address).get_all_node_info(timeout=60)
    return sum(node.state == 0 for node in nodes.values()) - 1


@pytest.mark.ray
@pytest.mark.slow
def test_a_study_makes_the_cluster_grow_and_it_shrinks_again(
    growing: str, storage: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    monkeypatch.delenv(GROWS_TO, raising=False)
    study = tiny.write_study(storage, sweep=None, thresholds=[0.9])
    refused = tiny.nemo("run", study, "--storage", storage / "runs", "--address", growing)
    assert refused.returncode == 2
    assert "but the cluster of 0 CPUs and 0 GPUs has room for 0 such workers" in refused.stderr
    assert alive(growing) == 0
    monkeypatch.setenv(GROWS_TO, "2x1cpus")
    done = tiny.nemo("run", study, "--storage", storage / "runs", "--address", growing)
    assert done.returncode == 0, done.stderr
    tiny.assert_complete(study, storage / "runs")
    deadline = time.monotonic() + SHRINKS_WITHIN
    while alive(growing) > 0:
        assert time.monotonic() < deadline
        time.sleep(1)
