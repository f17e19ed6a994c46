"""A worker that is alive and does nothing any more: the study says so, gives up with a reason, and can go on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from orchestrator.ledger.ledger import Ledger
from tests import tiny
from tests.faults.driver import Driver, checkpoints, processes
from tests.hook import http, texts

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.slow]


def test_stopped_workers(tmp_path: Path) -> None:
    storage = tmp_path / "runs"
    recipe = {**tiny.STUDY["recipe"], "epochs": 40}
    study = tiny.write_study(tmp_path, recipe=recipe, sweep=None, notify={"on": ["silence"]})
    with http() as (hook, received), Driver(study, storage, NEMO_GIVE_UP_AFTER="180", NEMO_NOTIFY=hook) as driver:
        driver.wait_until(lambda: len(checkpoints(driver.store)) == 2)
        marker = driver.marker
        for worker in processes(marker, "ray::ImplicitFunc"):
            worker.suspend()
        driver.wait_until(lambda: re.search(r"no news for 6\d s; waiting for ", driver.log) is not None)
        assert driver.ended(240) == 2
    assert texts(received)[0].startswith("no news for 6")
    assert texts(received)[-1].startswith("gave up after 3 min without any news; this was waited for: ")
    assert not processes(marker)
    failures = Ledger(driver.folder, readonly=True).failures()
    assert {failure["kind"] for failure in failures.values()} == {"train"}
    assert {failure["reason"] for failure in failures.values()} == {"gave up after 3 min without any news"}
    last = driver.log.splitlines()[-1]
    assert last.startswith("nemo: gave up after 3 min without any news; this was waited for: ")
    assert all(failure["label"] in last for failure in failures.values())
    assert "Traceback" not in driver.log
    quiet = tiny.write_study(tmp_path, recipe=recipe, sweep=None)
    assert tiny.nemo("run", quiet, "--storage", storage, "--retry-failed").returncode == 0
    tiny.assert_complete(study, storage)
