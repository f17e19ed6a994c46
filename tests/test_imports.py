"""nemo/ is plain PyTorch: it knows nothing of the orchestrator, and works where Ray and MLflow are not installed."""

import ast
import pkgutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FILES = sorted((ROOT / "nemo").rglob("*.py"))
FOREIGN = {"orchestrator", "ray", "mlflow", "polars", "pydantic", "typer", "optuna"}


def imported_packages(source: str) -> Iterator[str]:
    """Top-level package of every import, in functions and type-checking blocks too."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Import(names=names):
                yield from (name.name.partition(".")[0] for name in names)
            case ast.ImportFrom(module=str(module), level=0):
                yield module.partition(".")[0]
            case ast.Call(func=ast.Attribute(attr="import_module"), args=[ast.Constant(value=str(module)), *_]):
                yield module.partition(".")[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_point_down(file: Path) -> None:
    assert not FOREIGN & set(imported_packages(file.read_text(encoding="utf-8")))


def test_every_import_form_is_seen() -> None:
    source = """
if TYPE_CHECKING:
    import ray.train
def f():
    from mlflow.tracking import MlflowClient
    importlib.import_module("optuna.samplers")
from . import typer
"""
    assert set(imported_packages(source)) == {"ray", "mlflow", "optuna"}


@pytest.mark.heavy
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
