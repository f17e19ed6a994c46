"""A real bash completes verbs, options, study files and what the storage knows; nothing large is imported for it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.ledger.data import record_data
from orchestrator.ledger.ledger import Ledger
from orchestrator.storage import store_at
from orchestrator.storage.studies import known_studies
from orchestrator.study.data import describe
from orchestrator.study.file import submitted_study
from tests import tiny
from tests.orchestrator.invented import STUDY, invented_study
from tests.test_imports import HEAVY

ROOT = Path(__file__).parents[3]
pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
Complete = Callable[..., list[str]]

COMPLETES = """
eval "$(_NEMO_COMPLETE=source_bash nemo)"
complete -p nemo >/dev/null || exit 3
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_nemo_completion nemo
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture
def complete(tmp_path: Path, storage: Path) -> Complete:
    """What bash offers for the last of some words, in a folder with studies and a storage with one that has run."""
    (tmp_path / "bin").mkdir()
    nemo = tmp_path / "bin" / "nemo"
    nemo.write_text(f"#!{sys.executable}\nimport sys\nfrom orchestrator.cli import main\nsys.exit(main())\n")
    nemo.chmod(0o755)
    (tmp_path / "mine.yaml").write_text(STUDY)
    (tmp_path / "minor.yaml").write_text("not: a study\n")
    invented_study(storage, until=1)
    study = store_at(storage) / "invented"
    record_data(Ledger(study), describe(submitted_study(study)))
    environment = tiny.environment() | {
        "PATH": f"{nemo.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "NEMO_STORAGE": str(storage),
    }

    def run(*words: str) -> list[str]:
        ended = subprocess.run(
            ["bash", "--norc", "-c", COMPLETES, "bash", "nemo", *words],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environment,
            timeout=120,
        )
        assert ended.returncode == 0 and ended.stderr == "", ended.stderr
        return ended.stdout.split()

    return run


def test_study_files_and_names(complete: Complete) -> None:
    assert complete("run", "mi") == ["mine.yaml"]
    assert complete("report", "") == ["invented"]


@pytest.mark.slow
def test_what_the_storage_knows(complete: Complete, storage: Path) -> None:
    keys = [name.removesuffix(".json") for name in (store_at(storage) / "invented").below("ledger/train")]
    assert keys and known_studies(store_at(storage)) == ["invented"]
    assert complete("reuse", "invented", "--run", "") == sorted(keys)
    assert complete("reuse", "invented", "--run", keys[0][:6]) == [keys[0]]
    assert complete("reuse", "invented", "--classes", "3,") == [f"3,{name}" for name in "012456789"]
    assert complete("report", "--storage", "elsewhere", "") == []
    assert complete("reuse", "nothing", "--classes", "") == []


@pytest.mark.slow
def test_verbs_options_and_words(complete: Complete) -> None:
    assert {"init", "run", "plan", "doctor", "schema"} <= set(complete(""))
    assert complete("init", "--ex") == ["--example"]
    assert complete("init", "--example", "quick") == ["quickstart"]
    assert complete("init", "--backbone", "resnet1") == ["resnet18"]
    assert complete("derive", "net", "--method", "mo") == ["moefication"]


def test_nothing_slow_is_imported(storage: Path) -> None:
    invented_study(storage, until=1)
    script = f"""
import os, sys
os.environ |= {{"_NEMO_COMPLETE": "complete_bash", "COMP_WORDS": "nemo reuse invented --run x", "COMP_CWORD": "4"}}
sys.argv = ["nemo"]
from orchestrator.cli import main
try:
    main()
except SystemExit:
    pass
loaded = {HEAVY!r} & sys.modules.keys()
assert not loaded, loaded
"""
    environment = tiny.environment() | {"NEMO_STORAGE": str(storage), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
