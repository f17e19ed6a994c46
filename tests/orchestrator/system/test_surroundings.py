"""What a shell holds changes nothing of what is run: its variables, its folder, its limits."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator.system import surroundings
from orchestrator.system.ports import free_ports
from orchestrator.system.surroundings import for_mlflow, for_ray, raise_limits, short_folder
from tests.tiny import environment, write_study

NOWHERE = "http://127.0.0.1:9"

VARIABLES: dict[str, dict[str, str]] = {
    "another head": {"RAY_ADDRESS": "127.0.0.1:9", "RAY_NAMESPACE": "theirs"},
    "Ray's folder": {"RAY_TMPDIR": "/nonexistent"},
    "Ray's resources": {"RAY_OVERRIDE_RESOURCES": '{"CPU": 0}'},
    "Ray's hook": {"RAY_RUNTIME_ENV_HOOK": "nothing.there"},
    "uv": {"RAY_ENABLE_UV_RUN_RUNTIME_ENV": "1", "UV_PROJECT": "/nonexistent", "UV_INDEX_URL": NOWHERE},
    "MLflow's servers": {"MLFLOW_TRACKING_URI": NOWHERE, "MLFLOW_REGISTRY_URI": NOWHERE},
    "MLflow's run": {"MLFLOW_EXPERIMENT_NAME": "theirs", "MLFLOW_EXPERIMENT_ID": "77", "MLFLOW_RUN_ID": "ab"},
    "MLflow's server": {
        "MLFLOW_ARTIFACTS_ONLY": "true",
        "MLFLOW_STATIC_PREFIX": "/theirs",
        "MLFLOW_PORT": "1",
    },
    "Python": {"PYTHONSTARTUP": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONNOUSERSITE": "1"},
    "ASCII": {"LC_ALL": "C", "LANG": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    "no GPU": {"CUDA_VISIBLE_DEVICES": ""},
    "threads": {"OMP_NUM_THREADS": "7", "MKL_NUM_THREADS": "7"},
    "proxies": dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"), NOWHERE),
    "Optuna and torch": {"OPTUNA_STORAGE": "sqlite:////nonexistent", "TORCH_HOME": "/nonexistent"},
}

SHADOWS = ("random.py", "secrets.py", "torch.py", "ray.py", "mlflow.py", "nemo.py", "orchestrator.py", "json.py")


class Shell:
    """A folder whose files shadow modules, with a long path for temporary files, no home and few open files."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.storage = folder / "where it is typed", folder / "storage"
        self.folder.mkdir()
        for name in SHADOWS:
            (self.folder / name).write_text(f"raise ImportError('{name} of the working folder')\n")
        self.temporary = folder / ("z" * 80)
        self.temporary.mkdir()
        self.study = write_study(
            self.folder,
            **{"methods": {"standard": {}, "mwt": {}}, "sweep": None, "thresholds": [0.9], "subtasks": None},
            recipe={"epochs": 1, "batch_size": 32},
            pairs=[
                {"backbone": "rescnn", "dataset": "digits", "width": 0.0625, "dataset_options": {"train_images": 60}}
            ],
        )

    @property
    def variables(self) -> dict[str, str]:
        """The environment without what is odd, in which the checkout's code is found."""
        root = str(Path(surroundings.__file__).parents[2])
        own = {name: value for name, value in environment().items() if name != "HOME"}
        return own | {"PYTHONPATH": root, "TMPDIR": str(self.temporary)}

    def start(self, *words: object, **variables: str) -> subprocess.Popen[str]:
        # As the console script is: its own folder is on the path, not the one where it is typed.
        script = str(Path(sys.executable).parent / "nemo")
        command = [sys.executable, script, *map(str, words), "--storage", str(self.storage)]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.variables | variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, _hard())),
        )

    def run(self, *words: object, **variables: str) -> str:
        process = self.start(*words, **variables)
        told, _ = process.communicate(timeout=500)
        assert process.returncode == 0, told
        return told

    def serve(self, **variables: str) -> dict[str, str]:
        """Name -> id of the experiments on the page that `nemo ui` shows."""
        (port,) = free_ports(1)
        process = self.start("ui", "--port", port, **variables)
        search = urllib.request.Request(
            f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search",
            b'{"max_results": 10}',
            {"Content-Type": "application/json"},
        )
        opened = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            deadline = time.monotonic() + 180
            while process.poll() is None and time.monotonic() < deadline:
                try:
                    with opened.open(search, timeout=10) as answer:
                        return {each["name"]: each["experiment_id"] for each in json.load(answer)["experiments"]}
                except OSError:
                    time.sleep(0.2)
            raise AssertionError(process.stdout.read() if process.stdout and process.poll() is not None else "no page")
        finally:
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=60)


def _hard() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


@pytest.mark.ray
def test_a_study_runs_in_a_shell_that_holds_all_of_it(shell: Shell) -> None:
    everything = {name: value for group in VARIABLES.values() for name, value in group.items()}
    shell.run("plan", shell.study, **everything)
    shell.run("run", shell.study, **everything)
    assert "standard" in shell.run("report", "tiny", **everything)
    assert {"tiny"} <= shell.serve(**everything).keys()


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.parametrize("group", VARIABLES)
def test_a_study_runs_in_a_shell_that_holds_one_of_them(shell: Shell, group: str) -> None:
    for words in (("plan", shell.study), ("run", shell.study), ("report", "tiny")):
        shell.run(*words, **VARIABLES[group])
    assert {"tiny"} <= shell.serve(**VARIABLES[group]).keys()


def test_a_plan_is_shown_where_there_is_ascii_alone(shell: Shell) -> None:
    told = shell.run("plan", shell.study, **VARIABLES["ASCII"])
    assert "trainings" in told and told.isascii()


def test_what_ray_and_mlflow_are_given() -> None:
    held = {
        "RAY_ADDRESS": "a",
        "RAY_memory_usage_threshold": "0.9",
        "MLFLOW_RUN_ID": "b",
        "MLFLOW_S3_ENDPOINT_URL": "c",
    }
    ray, mlflow = for_ray(held, "/tmp"), for_mlflow(held)
    assert ray == {
        **{name: value for name, value in held.items() if name != "RAY_ADDRESS"},
        **{"PYTHONSAFEPATH": "1", "TMPDIR": "/tmp"},
    }
    assert mlflow.keys() == {"RAY_ADDRESS", "RAY_memory_usage_threshold", "MLFLOW_S3_ENDPOINT_URL", "PYTHONSAFEPATH"}


@pytest.mark.parametrize(("folder", "short"), [("/tmp", "/tmp"), ("/x" * 40, "/tmp"), ("/" + "ü" * 12, "/tmp")])
def test_temporary_files_of_a_long_path_go_elsewhere(folder: str, short: str) -> None:
    assert short_folder(folder) == short


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int, int], list[tuple[int, int]]]]:
    """Stands in for the limits, which a process cannot raise again once they are low."""
    given: list[tuple[int, int]] = []

    def hold(soft: int, hard: int, limited: int = resource.RLIMIT_NOFILE) -> list[tuple[int, int]]:
        unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        monkeypatch.setattr(resource, "getrlimit", lambda asked: (soft, hard) if asked == limited else unlimited)
        monkeypatch.setattr(resource, "setrlimit", lambda _, both: given.append(both))
        return given

    yield hold


@pytest.mark.parametrize(
    ("soft", "hard", "wanted"),
    [
        (256, 4096, [(4096, 4096)]),
        (4096, 4096, []),
        (256, resource.RLIM_INFINITY, [(65_536, resource.RLIM_INFINITY)]),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, []),
    ],
)
def test_a_low_limit_of_open_files_is_raised(limits, soft: int, hard: int, wanted: list[tuple[int, int]]) -> None:  # type: ignore[no-untyped-def]
    given = limits(soft, hard)
    raise_limits()
    assert given == wanted


def test_where_too_few_files_may_be_open_that_is_said(limits) -> None:  # type: ignore[no-untyped-def]
    limits(256, 512)
    with pytest.raises(UserError, match=r"^ulimit -n: 512 open files are too few for Ray, raise the limit to 1024"):
        raise_limits()


def test_address_space_is_raised_or_its_want_is_said(limits) -> None:  # type: ignore[no-untyped-def]
    given = limits(2**32, 2**34, resource.RLIMIT_AS)
    raise_limits()
    assert given == [(2**34, 2**34)]
    limits(2**32, 6 * 2**30, resource.RLIMIT_AS)
    with pytest.raises(UserError, match=r"^ulimit -v: 6\.0 GB of address space are too few .* raise the limit to 8 GB"):
        raise_limits()


def test_a_process_may_open_as_many_as_its_hard_limit_allows() -> None:
    code = (
        "import resource; from orchestrator.system.surroundings import raise_limits;"
        "raise_limits(); print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    told = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(Path(surroundings.__file__).parents[2])},
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (256, 2048)),
    )
    assert int(told.stdout) == 2048


@pytest.mark.slow
@pytest.mark.ray
def test_a_study_runs_under_uv_below_a_project_of_any_size(shell: Shell) -> None:
    """Ray would ship the working folder, which it refuses above 512 MB, and miss the project's file above it."""
    (shell.folder.parent / "pyproject.toml").write_text('[project]\nname = "theirs"\nversion = "1"\n')
    with (shell.folder / "big.bin").open("wb") as file:
        file.truncate(600 << 20)
    binaries = Path(sys.executable).parent
    words = [binaries / "uv", "run", "--active", "--no-sync", binaries / "nemo", "run", shell.study]
    ran = subprocess.run(
        [*map(str, words), "--storage", str(shell.storage)],
        cwd=shell.folder,
        env=shell.variables | {"VIRTUAL_ENV": sys.prefix},
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
