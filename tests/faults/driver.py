"""`nemo run` as a process that a test watches through its storage, and ends in many ways."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil
import torch

from orchestrator.cluster.orphan import MARKER, end_orphan
from orchestrator.storage import Store, Where, store_at
from tests import tiny


class Driver(AbstractContextManager["Driver"]):
    """The driver of a study, in a process group of its own, as a terminal starts it.

    Args:
        study: The study file.
        storage: Where the studies lie.
        words: More of the command line.
        environment: More of the environment.

    Attributes:
        store: The study's.
        folder: What this machine keeps of it: on a disk, the study itself.
    """

    def __init__(self, study: Path, storage: Where, *words: object, **environment: str) -> None:
        self.store = store_at(storage) / "tiny"
        self.folder = self.store.local
        self._log = study.with_name("driver.log")
        with self._log.open("w") as log:
            self.process = subprocess.Popen(
                tiny.command("run", study, "--storage", storage, *words),
                stdout=log,
                stderr=log,
                env=tiny.environment() | environment,
                start_new_session=True,
            )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        end_orphan(self.folder)

    @property
    def log(self) -> str:
        """What it has written to a terminal so far."""
        return self._log.read_text()

    def wait_until(self, reached: Callable[[], bool], seconds: float = 300) -> None:
        """Waits while the driver runs; fails with its log if it ends before."""
        deadline = time.monotonic() + seconds
        while not reached():
            assert self.process.poll() is None, self.log
            assert time.monotonic() < deadline, self.log
            time.sleep(0.02)

    def ended(self, seconds: float = 120) -> int:
        """Waits for its end; its exit code, as a shell gives it."""
        code = self.process.wait(seconds)
        return 128 - code if code < 0 else code

    def kill(self) -> None:
        """Kills the driver, and nothing else."""
        self.process.kill()
        self.process.wait()

    def press_ctrl_c(self) -> None:
        """Sends a SIGINT to everything that a terminal would."""
        os.killpg(self.process.pid, signal.SIGINT)

    @property
    def marker(self) -> str | None:
        """Names its Ray head; None where there is none."""
        return self._head("marker")

    @property
    def temporary(self) -> Path | None:
        """The folder of its Ray head; None where there is none."""
        folder = self._head("temp")
        return None if folder is None else Path(folder)

    def _head(self, field: str) -> str | None:
        try:
            return str(json.loads((self.folder / "ray" / "head.json").read_text())[field])
        except FileNotFoundError:
            return None


def processes(marker: str | None, title: str = "") -> list[psutil.Process]:
    """What lives of a Ray head, its workers included; of these, what `ps` shows with this title."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            ours = marker is not None and process.environ().get(MARKER) == marker
            if ours and " ".join(process.cmdline()).startswith(title):
                found.append(process)
    return found


def finished(store: Store, kind: str) -> int:
    """How many steps of a kind have their result."""
    return sum(name.endswith(".json") and "/" not in name for name in store.list(f"ledger/{kind}"))


def checkpoints(store: Store) -> dict[str, dict[str, Any]]:
    """Key -> state of every checkpoint of a study."""
    found = {}
    names = [name for name in store.list("checkpoints") if name.endswith("/state.pt")]
    for name, content in store.read_all(f"checkpoints/{name}" for name in names).items():
        state = content.partition(b"\n")[2]  # after the checksum
        found[name.split("/")[1]] = torch.load(io.BytesIO(state), weights_only=True)
    return found


def kill_when(study: Path, storage: Where, reached: Callable[[], bool]) -> None:
    """Starts the study and kills its driver, and nothing else, as soon as `reached()`."""
    driver = Driver(study, storage)
    driver.wait_until(reached)
    driver.kill()


def carry_on(study: Path, storage: Where) -> None:
    """Runs the study again after a kill, and checks that what was finished was left alone."""
    before = tiny.result_files(storage)
    assert before
    ended = tiny.nemo("run", study, "--storage", storage)
    assert ended.returncode == 0, ended.stderr
    after = tiny.result_files(storage)
    assert {path: after[path] for path in before} == before
    assert len(after) > len(before)
    tiny.assert_complete(study, storage)
