"""The disk fills in the middle of a study: a clear stop, and after making room the same command carries on."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pytest

from orchestrator.ledger.ledger import Ledger
from tests import tiny
from tests.faults.driver import Driver, finished, processes

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow]
Fill = Callable[[Driver], None]


@contextmanager
def small_disk(folder: Path) -> Iterator[Fill | None]:
    """A disk of its own in a folder, and what fills it; None where this process may not mount one."""
    folder.mkdir()
    filler = folder / "filler"

    def fill(driver: Driver) -> None:
        with suppress(OSError), filler.open("ab", buffering=0) as file:
            while True:
                file.write(bytes(1 << 16))

    mount = ["mount", "-t", "tmpfs", "-o", "size=64m", "none", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        yield None
        return
    try:
        yield fill
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)  # this process reads MLflow's file


def limit(driver: Driver) -> None:
    """Lets no worker write another byte into any file."""
    for process in processes(driver.marker, "ray::"):
        with suppress(psutil.Error):
            process.rlimit(psutil.RLIMIT_FSIZE, (0, psutil.RLIM_INFINITY))


@pytest.mark.parametrize(
    ("workers", "stage", "own_disk"), [(1, "train", True), (2, "train", True), (1, "train", False), (1, "reuse", False)]
)
def test_no_room(tmp_path: Path, workers: int, stage: str, own_disk: bool) -> None:
    storage = tmp_path / "disk" / "runs"
    study = tiny.write_study(
        tmp_path,
        recipe={**tiny.STUDY["recipe"], "epochs": 12 if stage == "train" else 4},
        subtasks={**tiny.STUDY["subtasks"], "samples": 12} if stage == "reuse" else None,
        resources={"training": {"workers": workers, "cpus": 1}, "subtask": {"cpus": 1}},
    )
    with small_disk(tmp_path / "disk") as fill, Driver(study, storage) as driver:
        if stage == "train":
            driver.wait_until(lambda: any((driver.folder / "checkpoints").glob("*/*")))
        else:
            driver.wait_until(lambda: finished(driver.store, "reuse") >= 3)
        marker = driver.marker
        while driver.process.poll() is None:
            (fill if fill is not None and own_disk else limit)(driver)
            time.sleep(0.1)
        assert driver.ended() == 2, driver.log
        last = driver.log.splitlines()[-1]
        assert last.startswith(f"nemo: {storage}/tiny/") and "cannot be written (" in last, driver.log
        assert "No space left on device" in last or "File too large" in last
        own = [line for line in driver.log.splitlines() if "(raylet)" not in line]
        assert not any(line.startswith("Traceback") for line in own)  # where the limit meets Ray's logs, Ray says so
        assert not processes(marker)
        assert Ledger(driver.folder, readonly=True).failures() == {}  # it is no step's fault

        before = tiny.result_files(storage)
        (tmp_path / "disk" / "filler").unlink(missing_ok=True)
        carried_on = tiny.nemo("run", study, "--storage", storage)
        assert carried_on.returncode == 0, carried_on.stderr
        after = tiny.result_files(storage)
        assert {path: after[path] for path in before} == before
        tiny.assert_complete(study, storage)
