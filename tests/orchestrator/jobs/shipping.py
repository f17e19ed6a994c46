"""A small real study whose modules are shipped, and the command line that ships them."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from orchestrator.cli import main
from orchestrator.study.file import load_study_file
from tests.orchestrator.in_process import finish_study
from tests.tiny import write_study

Call = Callable[..., tuple[int, str, str]]


def finish_tiny_study(folder: Path, storage: Path, **changes: object) -> None:
    """Computes the whole tiny study, or another form of it."""
    finish_study(load_study_file(write_study(folder, **changes)), storage)


def caller(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    """The command line in this process: its exit code, standard output and standard error."""

    def call(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["nemo", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        shown = capsys.readouterr()
        return int(end.value.code or 0), shown.out, shown.err

    return call


def printed_logits(text: str) -> list[list[float]]:
    """The logits that an example program prints, a line for each image after its class."""
    return [[float(word) for word in line.split()[-2:]] for line in text.splitlines()]
