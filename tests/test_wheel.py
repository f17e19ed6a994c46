"""What is installed from a wheel: the command, its studies and its schema, in a fresh environment, anywhere."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from orchestrator.study.schema import SCHEMA_FILE

ROOT = Path(__file__).parent.parent
SOURCES = ("nemo", "orchestrator", "studies", "pyproject.toml", "README.md", "LICENSE")
UV = shutil.which("uv", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")]))

pytestmark = [pytest.mark.slow, pytest.mark.skipif(UV is None, reason="uv is not there")]


def run(*words: object, cwd: Path) -> str:
    """What a command says, which knows nothing of this checkout."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "NEMO_"))}
    ended = subprocess.run(
        [*map(str, words)], cwd=cwd, capture_output=True, text=True, timeout=500, env=environment | {"COLUMNS": "200"}
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.fixture(scope="module")
def nemo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command `nemo` of a fresh environment with the wheel, which was built from the sdist.

    The packages that it needs are those of this environment: they are seven gigabytes.
    """
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=ignored)
        else:
            shutil.copy(ROOT / name, tree / name)
    run(UV, "build", "--out-dir", folder / "dist", tree, cwd=folder)
    shutil.rmtree(tree)  # nothing may come from it any more
    (wheel,) = (folder / "dist").glob("*.whl")
    run(UV, "venv", "--python", sys.executable, folder / "venv", cwd=folder)
    python = folder / "venv" / "bin" / "python"
    run(UV, "pip", "install", "--no-deps", "--python", python, wheel, cwd=folder)
    packages = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    places = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    Path(packages, "others.pth").write_text("\n".join(sorted(places)) + "\n")
    where = run(python, "-c", "import nemo, orchestrator; print(nemo.__file__, orchestrator.__file__)", cwd=folder)
    assert all(place.startswith(packages) for place in where.split()), where
    return python.with_name("nemo")


def test_an_example_is_brought_and_planned(nemo: Path, tmp_path: Path) -> None:
    assert "Next: nemo plan quickstart.yaml" in run(nemo, "init", "--example", "quickstart", cwd=tmp_path)
    assert "sub-tasks" in run(nemo, "plan", "quickstart.yaml", cwd=tmp_path)
    run(nemo, "init", "small", "--example", "digits-transformers", cwd=tmp_path)
    assert "trainings" in run(nemo, "plan", "small/digits-transformers.yaml", cwd=tmp_path)


def test_a_study_is_drafted(nemo: Path, tmp_path: Path) -> None:
    run(nemo, "init", "--data", "digits", cwd=tmp_path)
    assert "trainings" in run(nemo, "plan", "digits.yaml", cwd=tmp_path)


def test_the_schema_is_there(nemo: Path, tmp_path: Path) -> None:
    assert json.loads(run(nemo, "schema", cwd=tmp_path)) == json.loads(SCHEMA_FILE.read_text())
    run(nemo, "schema", "--out", "deep/study.schema.json", cwd=tmp_path)
    assert (tmp_path / "deep" / "study.schema.json").read_text() == SCHEMA_FILE.read_text()


def test_the_doctor_finds_its_packages_and_its_own_nemo(nemo: Path, tmp_path: Path) -> None:
    said = run(nemo, "doctor", "--quick", cwd=tmp_path)
    assert "in versions that fit" in said
    assert "this program's own" in said
