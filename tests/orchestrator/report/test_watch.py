"""A study is watched from its storage alone, while it runs."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from nemo.errors import UserError
from orchestrator.ledger.data import record_data
from orchestrator.ledger.lease import Lease
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.ongoing import Ongoing, record_ongoing
from orchestrator.report import watch
from orchestrator.report.watch import Watched, watch_page, watch_status
from orchestrator.storage import layout
from orchestrator.study.data import describe
from orchestrator.study.study import Study
from tests import tiny
from tests.orchestrator.invented import STUDY, finish, invented_study, plan_of


@pytest.fixture
def running(storage: Path) -> Iterator[tuple[Study, Ledger, Callable[[float], None]]]:
    """A study that this process runs, and what passes the time: three steps finish at a time, and then the run ends."""
    study, ledger = invented_study(storage, STUDY.partition("subtasks")[0], until=2)
    lease = Lease(ledger.store)
    lease.take()

    def passes(seconds: float) -> None:
        pending = plan_of(study, ledger).pending(ledger)
        for step in pending[:3]:
            finish(ledger, step)
        if not pending:
            lease.release()

    yield study, ledger, passes
    lease.release()


def shown(ledger: Ledger, sleep: Callable[[float], None], terminal: bool = False) -> str:
    file = StringIO()
    watch_status(ledger.store, Console(file=file, width=200, force_terminal=terminal, highlight=False), sleep)
    return file.getvalue()


def test_without_a_terminal_there_is_a_line_per_change(
    running: tuple[Study, Ledger, Callable[[float], None]],
) -> None:
    _, ledger, passes = running
    turns = itertools.count()
    text = shown(ledger, lambda seconds: passes(seconds) if next(turns) % 3 == 0 else None)
    lines = [re.sub(r"^\d\d:\d\d:\d\d ", "", line) for line in text.splitlines()]
    assert lines == list(dict.fromkeys(lines))
    assert lines[0] == "invented: running: 2/4 trainings, 0/3 modularizations, 0/6 measurements"
    assert lines[-2:] == [
        "invented: finished: 4/4 trainings, 3/3 modularizations, 6/6 measurements",
        "invented: every step has its result.",
    ]


def test_a_terminal_shows_the_table_and_what_is_trained(
    running: tuple[Study, Ledger, Callable[[float], None]],
) -> None:
    study, ledger, passes = running
    training = next(step for step in plan_of(study, ledger).pending(ledger) if step.kind == "train")
    ledger.store.write(layout.checkpoint(training.key), b"")
    now = Ongoing("train", training.label, 2, 3)
    text = shown(ledger, lambda seconds: record_ongoing(ledger.store, [now]) or passes(seconds), terminal=True)
    assert f"Trained now: {training.label}." in text  # by a driver of before
    assert f"Trained now: {training.label} (epoch 2 of 3)." in text
    assert "Ctrl-C ends the watching, not the study." in text
    assert "Everything is finished." in text


def test_a_study_that_nobody_runs_is_shown_once(storage: Path) -> None:
    _, ledger = invented_study(storage, until=2)

    def never(seconds: float) -> None:
        raise AssertionError("there is nothing to wait for")

    assert "invented: stopped: 2/4 trainings" in shown(ledger, never)


def test_the_data_need_not_be_on_the_machine(storage: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    study, ledger = invented_study(storage, until=2)
    record_data(ledger, describe(study))

    def away(ledger: Ledger) -> None:
        raise UserError("pairs[0].dataset: is not here.")

    monkeypatch.setattr("orchestrator.ledger.data.submitted_made_of", away)
    assert Watched(ledger.store).look().status.state == "stopped"


def test_a_storage_that_is_away_for_a_moment_is_waited_for(
    running: tuple[Study, Ledger, Callable[[float], None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ledger, passes = running
    looks, real = itertools.count(), Watched.look

    def look(self: Watched) -> watch.Look:
        if next(looks) == 1:
            raise UserError("runs: does not answer.")
        return real(self)

    monkeypatch.setattr(Watched, "look", look)
    text = shown(ledger, passes)
    assert "runs: does not answer." in text
    assert text.endswith("every step has its result.\n")


@pytest.mark.heavy
def test_the_page_reloads_while_the_study_runs_and_not_afterwards(
    running: tuple[Study, Ledger, Callable[[float], None]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, ledger, passes = running
    monkeypatch.setattr(watch, "DRAWS_EVERY", 0.0)
    out, pages = tmp_path / "report.html", list[str]()

    def passed(seconds: float) -> None:
        pages.append(out.read_text())
        passes(seconds)

    watch_page(ledger.store, out, passed)
    assert len(pages) > 2
    assert all('<meta http-equiv="refresh" content="' in page for page in pages)
    assert "refresh" not in out.read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.heavy
def test_a_page_that_is_watched_no_more_does_not_reload(
    running: tuple[Study, Ledger, Callable[[float], None]], tmp_path: Path
) -> None:
    _, ledger, _ = running

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch_page(ledger.store, tmp_path / "report.html", interrupted)
    assert "refresh" not in (tmp_path / "report.html").read_text()


@pytest.mark.heavy
def test_ctrl_c_ends_the_watching_with_130(running: tuple[Study, Ledger, Callable[[float], None]]) -> None:
    _, ledger, _ = running
    words = tiny.command("status", "invented", "--watch", "--storage", ledger.store.parent)
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}

    def heeded() -> None:  # tests that run in the background hand down that it is ignored
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, preexec_fn=heeded) as watching:
        assert watching.stdout is not None
        assert b"invented: running" in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(60) == 130


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["status", "--watch"], "--watch: follows one study"),
        (["report", "invented", "--watch"], "--watch: keeps a page in a file fresh"),
    ],
    ids=str,
)
@pytest.mark.heavy
def test_what_cannot_be_watched_is_refused(storage: Path, words: list[str], text: str) -> None:
    invented_study(storage, until=1)
    refused = tiny.nemo(*words, "--storage", storage)
    assert (refused.returncode, text in refused.stderr) == (2, True), refused.stderr
