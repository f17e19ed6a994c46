"""What import-linter does not see of the walls (`make lint`): imports by name, and what is really loaded.

`nemo/` is plain PyTorch and works where Ray and MLflow are not installed; the command line starts without them.
"""

from __future__ import annotations

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import tiny

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "nemo").rglob("*.py"))
FOREIGN = {"orchestrator", "ray", "mlflow", "polars", "pydantic", "typer", "optuna"}
HEAVY = {"torch", "ray", "optuna", "mlflow", "polars"}


def imported_by_name(source: str) -> Iterator[str]:
    """Top-level package of every import whose module is a string, as in `importlib.import_module("x.y")`."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield module.partition(".")[0]


def test_nothing_of_nemo_imports_the_orchestrators_packages_by_name() -> None:
    found = {str(file.relative_to(ROOT)): set(imported_by_name(file.read_text(encoding="utf-8"))) for file in FILES}
    assert not {file: names & FOREIGN for file, names in found.items() if names & FOREIGN}


def test_every_form_of_an_import_by_name_is_seen() -> None:
    source = """
def f():
    importlib.import_module("optuna.samplers")
    import_module("ray")
__import__("mlflow.tracking")
import_module(name)
"""
    assert set(imported_by_name(source)) == {"optuna", "ray", "mlflow"}


def test_every_module_imports_without_the_orchestrators_packages() -> None:
    modules = ["nemo", *(found.name for found in pkgutil.walk_packages([str(ROOT / "nemo")], prefix="nemo."))]
    script = f"""
import importlib, sys
for name in {sorted(FOREIGN)!r}:
    sys.modules[name] = None  # importing it now raises ModuleNotFoundError
for name in {modules!r}:
    importlib.import_module(name)
import nemo
for name in getattr(nemo, "__all__", []):
    getattr(nemo, name)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(modules) >= len({file.parent for file in FILES})


@pytest.mark.parametrize("verb", ["--help", "plan"])
def test_the_command_line_starts_without_what_is_slow(verb: str, tmp_path: Path) -> None:
    """`nemo --help` and `nemo plan` of a study whose data set needs no torch to be described."""
    words = ["plan", str(tiny.write_study(tmp_path)), "--storage", str(tmp_path / "runs")] if verb == "plan" else [verb]
    script = f"""
import sys
from orchestrator.cli import main
sys.argv = ["nemo", *{words!r}]
try:
    main()
except SystemExit as end:
    assert end.code in (0, None), end.code
loaded = {sorted(HEAVY)!r} & sys.modules.keys()
assert not loaded, loaded
""".replace(f"{sorted(HEAVY)!r}", repr(HEAVY))
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
