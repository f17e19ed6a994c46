"""The corpus of broken study files, configurations and command lines: one sentence each, exit code 2, no traceback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.cli import main
from tests import pictures, tiny
from tests.orchestrator.bad_input.commands import COMMANDS
from tests.orchestrator.bad_input.configurations import CONFIGURATIONS
from tests.orchestrator.bad_input.datasets import DATASETS, Make
from tests.orchestrator.bad_input.studies import HEAD, STUDIES
from tests.orchestrator.invented import STUDY, invented_study

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Refused:
    """Runs the command line in this process, which must refuse, and returns what it says."""

    def run(*words: object) -> str:
        monkeypatch.setattr(sys, "argv", ["nemo", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        assert (end.value.code, shown.out) == (2, ""), shown.err
        assert "Traceback" not in shown.err
        return shown.err

    return run


def _ids(corpus: list[tuple[str, str | bytes, str]]) -> list[str]:
    return [name for name, _, _ in corpus]


LARGE = {"deeper", "many values", "a billion measures"}  # that they are refused takes a second each


def _heavy(corpus: list[tuple[str, str | bytes, str]]) -> list[Any]:
    return [pytest.param(*each, id=each[0], marks=[pytest.mark.heavy] if each[0] in LARGE else []) for each in corpus]


def _content(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text


def test_the_corpus_is_large() -> None:
    assert len(STUDIES) + len(CONFIGURATIONS) + len(COMMANDS) + len(DATASETS) > 200
    assert len(set(_ids(STUDIES))) == len(STUDIES)


@pytest.mark.parametrize(("name", "content", "told"), _heavy(STUDIES))
def test_studies(refused: Refused, tmp_path: Path, name: str, content: str | bytes, told: str) -> None:
    study = tmp_path / "study.yaml"
    study.write_bytes(_content(content))
    said = refused("plan", study, "--storage", tmp_path / "runs")
    assert said.startswith(f"nemo: {study}{told}")
    assert all(line.removeprefix("nemo: ").startswith(str(study)) for line in said.splitlines())
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("name", "content", "told"), CONFIGURATIONS, ids=_ids(CONFIGURATIONS))
def test_configurations(refused: Refused, tmp_path: Path, name: str, content: str | bytes, told: str) -> None:
    (tmp_path / "config.json").write_bytes(_content(content))
    study = tmp_path / "study.yaml"
    study.write_text(HEAD.replace("rescnn", f"'vit:{tmp_path}'"))
    said = refused("plan", study, "--storage", tmp_path / "runs")
    assert said.startswith(f"nemo: {study}:2: pairs[0].")
    assert len(said.splitlines()) == 1
    assert told in said


@pytest.mark.parametrize(("name", "kind", "make", "fields", "told"), DATASETS, ids=[each[0] for each in DATASETS])
def test_datasets(
    refused: Refused, tmp_path: Path, name: str, kind: str, make: Make, fields: dict[str, Any], told: str
) -> None:
    root = tmp_path / "data"
    make(root)
    study = study_on(tmp_path, f"{kind}:{root}", fields)
    said = refused("run", study, "--storage", tmp_path / "runs")
    assert said.startswith(f"nemo: {study}:")
    assert len(said.splitlines()) == 1
    assert told.replace("{root}", str(root)) in said


def study_on(folder: Path, dataset: str, fields: dict[str, Any]) -> Path:
    """A study on a data set; `dataset_options` and `image_size` are its pair's, other fields its own."""
    of_pair = ("dataset_options", "image_size")
    pair = {"backbone": "rescnn", "width": 0.0625, "dataset": dataset, "image_size": 32}
    pair |= {name: value for name, value in fields.items() if name in of_pair}
    own = {name: value for name, value in fields.items() if name not in of_pair}
    study = {"name": "odd", "pairs": [pair], "methods": ["standard", "mwt"], "recipe": {"epochs": 1}, **own}
    path = folder / "odd.yaml"
    path.write_text(yaml.safe_dump(study, allow_unicode=True))
    return path


@pytest.mark.parametrize(("words", "told"), COMMANDS, ids=[words[:40] for words, _ in COMMANDS])
def test_command_lines(refused: Refused, storage: Path, monkeypatch: pytest.MonkeyPatch, words: str, told: str) -> None:
    invented_study(storage, until=1)
    (storage / "study.yaml").write_text(STUDY)
    monkeypatch.setenv("NEMO_STORAGE", str(storage))
    monkeypatch.setenv("COLUMNS", "10000")  # usage errors come in a box
    names = {"study": storage / "study.yaml", "here": storage}
    assert told.format(**names) in refused(*words.format(**names).split())


@pytest.mark.timeout(60)
def test_a_pipe_that_nobody_writes_to(refused: Refused, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "study.yaml")
    told = f"nemo: {tmp_path}/study.yaml: cannot be read (Not a regular file), give the path of a study file.\n"
    assert refused("plan", tmp_path / "study.yaml") == told


def test_a_storage_that_is_no_text(refused: Refused, tmp_path: Path) -> None:
    said = refused("run", tiny.write_study(tmp_path), "--storage", os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    assert "the storage folder's path is no text in UTF-8, choose another" in said


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_a_class_whose_name_is_no_text(refused: Refused, tmp_path: Path, verb: str) -> None:
    """Case 01, moewe: a folder's name in Latin-1, refused before anything runs."""
    root = pictures.write_folder(tmp_path / "data", train=4, test=2)
    for part in ("train", "test"):
        (root / part / "disc").rename(root / part / os.fsdecode(b"m\xf6we"))
    study = tmp_path / "study.yaml"
    study.write_text(HEAD.replace("digits", f"'folder:{root}'"))
    said = refused(verb, study, "--storage", tmp_path / "runs")
    told = f"dataset folder:{root}: the name of class 'm\\xf6we' is no text in UTF-8, rename its folder.\n"
    assert said == f"nemo: {study}:2: pairs[0].dataset: {told}"
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").rglob("*.json"))
