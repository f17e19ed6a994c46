"""What can be told from the tracked files alone."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parent.parent

# Package registries' hosts, and the places of the machine that this was written on; in pieces, to not find itself.
FORBIDDEN = re.compile(
    rb"(p[y]pi|pythonhos[t]ed|np[m]js|deb\.deb[i]an|download\.pyto[r]ch)\.(org|com)|/wor[k]/|/far[m]/|/roo[t]/"
)
MAX_LINES = 420


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def test_no_python_file_is_longer_than_420_lines(tracked: list[Path]) -> None:
    lines = {path: path.read_bytes().count(b"\n") for path in tracked if path.suffix == ".py"}
    assert lines
    assert not {str(path): n for path, n in lines.items() if n > MAX_LINES}


def test_no_file_names_a_registry_or_a_path_of_one_machine(tracked: list[Path]) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip().decode(errors='replace')[:120]}"
        for path in tracked
        for number, line in enumerate(path.read_bytes().splitlines(), start=1)
        if FORBIDDEN.search(line)
    ]
    assert not found, "\n".join(found)


def test_no_lock_file_of_an_installer(tracked: list[Path]) -> None:
    assert "uv.lock" not in {path.name for path in tracked}


def test_ci_tests_each_python_from_the_oldest_that_is_allowed() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text())
    job = workflow["jobs"]["test"]
    allowed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
    assert job["strategy"]["matrix"]["python"] == ["3.11", "3.12", "3.13"]
    assert allowed == f">={job['strategy']['matrix']['python'][0]}"
    assert {"make lint", ".ci/run"} <= {step.get("run") for step in job["steps"]}
