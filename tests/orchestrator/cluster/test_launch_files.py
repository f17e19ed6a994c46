"""cluster.yaml, its variants and KubeRay's manifests: what Ray and we accept of them, and what is refused, and how."""

import os
import re
import shlex
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.autoscaler._private.util import prepare_config, validate_config  # private, and the only check there is
from ray.scripts.scripts import start

from nemo.errors import UserError
from orchestrator.cluster.launch_files import check_cluster, unfilled

ROOT = Path(__file__).parents[3]
LAUNCHED = ["cluster.yaml", "cluster/machines.yaml"]
MANIFESTS = ["cluster/kuberay/raycluster.yaml", "cluster/kuberay/rayjob.yaml"]
MARKS = {
    "cluster.yaml": {"REGION", "IMAGE", "HEAD-PROFILE", "WORKER-PROFILE", "BUCKET"},
    "cluster/machines.yaml": {"HEAD-ADDRESS", "WORKER-ADDRESS", "USER", "SHARED-FOLDER"},
    "cluster/kuberay/raycluster.yaml": {"NAMESPACE", "IMAGE", "BUCKET", "REGION"},
    "cluster/kuberay/rayjob.yaml": {"NAMESPACE", "IMAGE", "BUCKET", "REGION"},
}
WORKER_PORTS = range(20000, 30000)
GIVEN_OUT = 32768
"""The first port that Linux gives out by itself."""


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def filled(name: str, *but: str) -> str:
    """A file with every mark replaced, but some."""
    return re.sub(r"FILL-IN-([A-Z-]+)", lambda mark: mark[0] if mark[1] in but else "filled", text_of(name))


@pytest.fixture
def refusal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """Checks a text as a cluster file, where the files to mount are there, and returns what it is refused with."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("token")

    def check(text: str) -> str:
        path = tmp_path / "cluster.yaml"
        path.write_text(text, encoding="utf-8")
        try:
            check_cluster(path)
        except UserError as error:
            return str(error).replace(str(path), "FILE")
        return ""

    return check


def prepared(text: str) -> dict[str, Any]:
    config = prepare_config(yaml.safe_load(text))
    validate_config(config)
    return config


def ray_starts(name: str) -> list[tuple[dict[str, str], dict[str, Any]]]:
    """Environment and options of every `ray start` of a file, as Ray's own command line reads them."""
    config, found = prepared(text_of(name)), []
    for command in [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]:
        words = shlex.split(command)
        if "start" in words:
            at = words.index("start")
            assert words[at - 1] == ".venv/bin/ray"
            environment = dict(word.split("=", 1) for word in words[:at] if "=" in word)
            found.append((environment, start.make_context("start", words[at + 1 :]).params))
    return found


@pytest.mark.parametrize("name", LAUNCHED)
def test_ray_accepts_it(name: str) -> None:
    config = prepared(text_of(name))
    assert config["cluster_name"] == "nemo"
    # Ray's defaults did not replace our way of starting it.
    assert len(ray_starts(name)) == 2
    assert all("~/nemo && make setup" in config[f"{which}_setup_commands"][-1] for which in ("head", "worker"))


def test_one_worker_for_each_machine_at_hand() -> None:
    text = text_of("cluster/machines.yaml").replace("[FILL-IN-WORKER-ADDRESS]", "[192.0.2.11, 192.0.2.12]")
    assert prepared(text)["max_workers"] == 2


def test_the_cloud_costs_nothing_but_the_head_while_nothing_runs() -> None:
    config = prepared(text_of("cluster.yaml"))
    head, gpu = (config["available_node_types"][name] for name in ("head", "gpu"))
    assert config["provider"]["cache_stopped_nodes"] is False
    assert config["idle_timeout_minutes"] == 10
    assert (gpu["min_workers"], gpu["max_workers"]) == (0, config["max_workers"])
    assert gpu["node_config"]["InstanceMarketOptions"] == {"MarketType": "spot"}
    assert "InstanceMarketOptions" not in head["node_config"] and head["resources"] == {"CPU": 0}
    # One image, and so one Python; disks that go with their instances.
    assert head["node_config"]["ImageId"] == gpu["node_config"]["ImageId"]
    for node in (head, gpu):
        assert all(disk["Ebs"]["DeleteOnTermination"] for disk in node["node_config"]["BlockDeviceMappings"])


@pytest.mark.parametrize("name", LAUNCHED)
def test_every_node_asks_for_the_token_and_opens_nothing_to_the_outside(name: str) -> None:
    for environment, options in ray_starts(name):
        assert environment["RAY_AUTH_MODE"] == "token"
        assert options["dashboard_host"] == "127.0.0.1"
    mounts = prepared(text_of(name))["file_mounts"]
    assert mounts["~/.ray/auth_token"] == "~/.ray/auth_token"


@pytest.mark.parametrize("name", LAUNCHED)
def test_no_port_lies_in_the_range_of_rays_workers(name: str) -> None:
    for _, options in ray_starts(name):
        assert range(options["min_worker_port"], options["max_worker_port"] + 1) == WORKER_PORTS
        fixed = ["object_manager_port", "node_manager_port", "runtime_env_agent_port", "metrics_export_port"]
        fixed += ["dashboard_agent_grpc_port", "dashboard_agent_listen_port"]
        fixed += ["port", "dashboard_port", "ray_client_server_port"] if options["head"] else []
        ports = [int(options[each]) for each in fixed]
        assert len(set(ports)) == len(ports)
        assert all(1024 <= port < GIVEN_OUT and port not in WORKER_PORTS for port in ports)
    assert WORKER_PORTS.stop <= GIVEN_OUT


@pytest.mark.parametrize("name", [*LAUNCHED, *MANIFESTS])
def test_each_value_that_is_to_fill_in_is_refused_until_it_is(name: str, refusal: Callable[[str], str]) -> None:
    left = unfilled(ROOT / name)
    assert {each.rpartition("FILL-IN-")[2] for each in left} == MARKS[name]
    lines = text_of(name).splitlines()
    for each in left:
        line, _, mark = each.split(": ")
        assert any(mark in text for text in lines[int(line) - 1 : int(line) + 2]), each  # a folded text starts above it
    assert refusal(filled(name)) == ""
    for mark in MARKS[name]:
        told = refusal(filled(name, mark))
        assert re.match(rf"FILE:\d+: [\w.\[\]-]+: FILL-IN-{mark}: is still to fill in, put your value there", told), (
            told
        )
        assert "docs/cluster.md" in told


def test_make_check_cluster_says_all_of_it_at_once() -> None:
    command = [sys.executable, "-m", "orchestrator.cluster.launch_files", "cluster.yaml"]
    refused = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (refused.returncode, refused.stdout) == (2, "")
    lines = refused.stderr.splitlines()
    assert len(lines) == len(unfilled(ROOT / "cluster.yaml")) > len(MARKS["cluster.yaml"])
    assert all(line.startswith("cluster.yaml:") for line in lines)
    assert any("provider.region: FILL-IN-REGION: is still to fill in" in line for line in lines)


@pytest.mark.parametrize(
    ("name", "old", "new", "told"),
    [
        ("cluster.yaml", "auth:\n", "head_comands: []\nauth:\n", "FILE: the file: Ray refuses it, .*head_comands"),
        ("cluster.yaml", "max_workers: 4", "max_workers: four", "FILE: max_workers: Ray refuses it, 'four' is not"),
        ("cluster.yaml", "head_node_type: head", "head_node_type: haed", "FILE: Ray refuses it, `head_node_type` must"),
        ("cluster.yaml", "RAY_AUTH_MODE=token ", "", "FILE: head_start_ray_commands: starts Ray without RAY_AUTH_MODE"),
        ("cluster.yaml", '"~/.ray/auth_token"\n', '"~/auth_token"\n', "there is no ~/auth_token here; make it with"),
        (
            "cluster.yaml",
            '"~/nemo": "."',
            '"~/nemo": "./nowhere"',
            "file_mounts.~/nemo: there is no ./nowhere here; mend",
        ),
        (
            "cluster.yaml",
            "max_workers: 4 ",
            "max_workers: 8 ",
            "max_workers: lets the cluster grow to 8 workers, and NEMO_",
        ),
        ("cluster.yaml", "=4x4cpus+1gpus", "=four", r"\$NEMO_GROWS_TO=four: names no nodes, give them as in"),
        (
            "cluster/kuberay/rayjob.yaml",
            "maxReplicas: 4",
            "maxReplicas: 5",
            "grow to 5 workers, and NEMO_GROWS_TO of the",
        ),
        ("cluster.yaml", "provider:", "providers:", "FILE: provider: is missing, give a cluster file for `ray up`"),
        ("cluster.yaml", "auth:", "auth: [", r"FILE:\d+: is no valid YAML, .*; mend that line"),
        ("cluster/machines.yaml", "  head_ip: filled\n", "", "FILE: Ray refuses it, Please supply a `head_ip`"),
        (
            "cluster/kuberay/raycluster.yaml",
            "mode: token",
            "mode: disabled",
            "FILE: spec.authOptions.mode: is not token",
        ),
        (
            "cluster/kuberay/rayjob.yaml",
            "mode: token",
            "mode: disabled",
            "FILE: spec.rayClusterSpec.authOptions.mode: ",
        ),
        (
            "cluster/kuberay/rayjob.yaml",
            f"rayVersion: {version('ray')}",
            "rayVersion: 2.0.0",
            "rayVersion: is '2.0.0', ",
        ),
    ],
)
def test_a_mistake_is_one_sentence(
    name: str, old: str, new: str, told: str, refusal: Callable[[str], str], capfd: pytest.CaptureFixture[str]
) -> None:
    text = filled(name)
    assert old in text
    said = refusal(text.replace(old, new))
    assert re.search(told, said), said
    assert len(said.splitlines()) == 1


def test_a_file_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere.yaml: cannot be read \(No such file or directory\), give the path"):
        check_cluster(tmp_path / "nowhere.yaml")


def test_the_check_refuses_an_unknown_field() -> None:
    with pytest.raises(jsonschema.ValidationError, match="head_comands"):
        prepared(text_of("cluster.yaml") + "\nhead_comands: []\n")


def test_the_manifests_are_of_one_cluster_with_our_ray() -> None:
    cluster, job = (yaml.safe_load(text_of(name)) for name in MANIFESTS)
    assert job["spec"]["rayClusterSpec"] == cluster["spec"]
    assert cluster["spec"]["rayVersion"] == version("ray")
    assert cluster["spec"]["workerGroupSpecs"][0]["minReplicas"] == 0
    study = re.search(r"/home/nemo/nemo/(\S+)", job["spec"]["entrypoint"])
    assert study and (ROOT / study[1]).exists()
    assert "WORKDIR /home/nemo/nemo\n" in text_of("cluster/Dockerfile")


@pytest.mark.parametrize("alive", [0, 2])
def test_a_worker_without_ray_powers_itself_off(alive: int, tmp_path: Path) -> None:
    """With programs of our own in place of pgrep, which finds Ray for the first `alive` minutes, and of sudo."""
    pgrep = f"#!/bin/sh\necho >> {tmp_path}/looked; test $(wc -l < {tmp_path}/looked) -le {alive}\n"
    for name, text in {"pgrep": pgrep, "sudo": f'#!/bin/sh\necho "$@" > {tmp_path}/off\n'}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(stat.S_IRWXU)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "MINUTE": "0", "MINUTES": "3"}
    shell = shutil.which("sh")
    assert shell
    subprocess.run([shell, ROOT / "cluster/power-off-without-ray.sh"], env=environment, check=True, timeout=60)
    assert (tmp_path / "off").read_text() == "shutdown -h now\n"
    assert len((tmp_path / "looked").read_text().splitlines()) == alive + 3
