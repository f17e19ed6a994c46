"""Whole studies on classes, folders and storages of odd names, run, moved and carried on with as a person would."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from tests import pictures, tiny

pytestmark = pytest.mark.ray

CLASSES = ("$", "$$", "$$$")
"""Case 01: matplotlib takes what is between two dollars for a formula."""

ODD = ("né 😀 %20", "line\nbreak $\\frac{$", "<b>&\"'|" + "x" * 200)
STUDY = """\
name: odd
pairs: [{backbone: rescnn, dataset: 'folder:%s', width: 0.0625}]
methods: [standard, mwt]
recipe: {epochs: 1, batch_size: 8, validation: 0.25}
"""


def write(folder: Path, classes: tuple[str, ...], data: str) -> Path:
    """A study on a folder of images with classes of these names."""
    root = pictures.write_folder(folder / data, train=8, test=4, size=32)
    for part in ("train", "test"):
        for plain, odd in zip(pictures.CLASSES, classes, strict=True):
            (root / part / plain).rename(root / part / odd)
    study = folder / "odd.yaml"
    study.write_text(STUDY % root)
    return study


def classes_of(folder: Path) -> list[str]:
    """The classes of the exported map of every two classes."""
    (path,) = (folder / "tables").glob("coupling-*.csv")
    with path.open(newline="", encoding="utf-8") as file:
        return next(csv.reader(file))[1:]


@pytest.mark.slow
def test_a_study_of_odd_names_is_run_moved_and_carried_on_with(storage: Path) -> None:
    """Cases 01, 04 and 05 in one study."""
    study = write(storage, CLASSES, "data? %20#é $")
    old, new = storage / "what? %20", storage / "moved$"
    ran = tiny.nemo("run", study, "--storage", old)
    assert ran.returncode == 0 and "Traceback" not in ran.stderr, ran.stderr
    assert f"nemo ui --storage '{old}'" in ran.stdout
    there = {"odd.yaml", "data? %20#é $"}
    assert {path.name for path in storage.iterdir()} == there | {old.name}
    assert (old / "mlflow.db").is_file()
    assert list((old / "mlartifacts").rglob("figures/coupling-*.png"))  # which has the classes beside it
    old.rename(new)
    synced = tiny.nemo("sync", "odd", "--storage", new)
    assert (synced.returncode, synced.stdout) == (0, "nothing was missing\n"), synced.stderr
    more = tiny.nemo("run", study, "--storage", new, "--set", "thresholds=[0.8,0.9]")
    assert more.returncode == 0 and "Traceback" not in more.stderr, more.stderr
    assert {path.name for path in storage.iterdir()} == there | {new.name}
    assert len(list((new / "mlartifacts").rglob("model/network.safetensors"))) == 2
    exported = tiny.nemo("report", "odd", "--storage", new, "--export", storage / "out?")
    assert exported.returncode == 0 and classes_of(storage / "out?") == list(CLASSES)


@pytest.mark.slow
def test_a_study_of_classes_with_any_characters(storage: Path) -> None:
    study = write(storage, ODD, "images")
    ran = tiny.nemo("run", study, "--storage", storage / "runs")
    assert ran.returncode == 0 and "Traceback" not in ran.stderr, ran.stderr
    exported = tiny.nemo("report", "odd", "--storage", storage / "runs", "--export", storage / "out")
    assert exported.returncode == 0, exported.stderr
    assert set(classes_of(storage / "out")) == {name.replace("\n", "\\n") for name in ODD}
    page = (storage / "out" / "report.html").read_text(encoding="utf-8")
    assert "né 😀 %20" in page and '<b>&"' not in page
    status = tiny.nemo("status", "odd", "--storage", storage / "runs", "--failures")
    assert status.stdout == "odd: nothing has failed.\n"


@pytest.mark.slow
@pytest.mark.parametrize("name", ["what?", "My%20Drive", "a#b", "né 😀"])
def test_a_study_in_a_storage_of_any_name(storage: Path, name: str) -> None:
    """Case 04, its two names among others."""
    study = tiny.write_study(
        storage, sweep=None, subtasks=None, thresholds=[0.9], recipe={"epochs": 1, "batch_size": 32}
    )
    ran = tiny.nemo("run", study, "--storage", storage / name)
    assert ran.returncode == 0, ran.stderr
    assert {path.name for path in storage.iterdir()} == {"tiny.yaml", name}
    runs = tiny.mlflow_runs(storage / name)
    assert len(runs) == 3 and {run.info.status for run in runs} == {"FINISHED"}
    assert re.search(r"Next: nemo ui --storage \S", ran.stdout)
