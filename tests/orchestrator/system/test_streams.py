"""Standard streams that are closed, full or broken: a study does not end for its log, and there is no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny import command, environment

TELL = """
import os, sys
from orchestrator.system.streams import standard_streams
with standard_streams():
    here = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
    for _ in range(3000):
        print("told" * 10, file=sys.stderr, flush=True)
    os.write(here, b"alive %d" % here)
"""


@pytest.mark.parametrize("closed", [(), (0,), (1, 2), (0, 1, 2)])
def test_a_file_never_gets_the_number_of_a_closed_stream(tmp_path: Path, closed: tuple[int, ...]) -> None:
    def close() -> None:
        for number in closed:
            os.close(number)

    subprocess.run([sys.executable, "-c", TELL, tmp_path / "file"], preexec_fn=close, env=environment(), check=True)
    text = (tmp_path / "file").read_text()
    assert text.startswith("alive ") and int(text.removeprefix("alive ")) > 2


@pytest.mark.parametrize("lost", ["full", "no reader"])
def test_a_log_that_cannot_be_written_ends_nothing(tmp_path: Path, lost: str) -> None:
    if lost == "full":
        log = os.open("/dev/full", os.O_WRONLY)
    else:
        reader, log = os.pipe()
        os.close(reader)
    subprocess.run([sys.executable, "-c", TELL, tmp_path / "file"], stderr=log, env=environment(), check=True)
    os.close(log)
    assert (tmp_path / "file").read_text().startswith("alive ")


def test_results_that_cannot_be_written_are_one_sentence(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            command("status", "--storage", tmp_path), stdout=full, stderr=subprocess.PIPE, text=True, env=environment()
        )
    assert done.returncode == 2
    assert done.stderr == (
        "nemo: standard output: No space left on device; make room where it goes, or send it elsewhere\n"
    )
