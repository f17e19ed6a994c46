from __future__ import annotations

import errno
import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nemo.errors import UserError
from orchestrator.ledger import lease
from orchestrator.ledger.lease import Clock, Lease, LeaseLost, Owner, hold, read_owner
from orchestrator.storage import Seen, Store, files
from orchestrator.system.process import Process

ELSEWHERE = Process("elsewhere", "elsewhere 1b2c pid:[1]", 7, 1.0)


class FakeClock(Clock):
    """Time that passes only in `sleep`, which may let something happen; `skew` is how wrong the time of day is."""

    def __init__(self, skew: timedelta = timedelta(0), meanwhile: Callable[[], None] = lambda: None) -> None:
        self.passed, self.skew, self.meanwhile = 0.0, skew, meanwhile

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + self.skew + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += seconds
        self.meanwhile()


@contextmanager
def driver(store: Store) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lease."""
    code = (
        "import sys, time; from orchestrator.ledger.lease import hold\n"
        f"with hold({str(store)!r}):\n    print('held', flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            yield process
        finally:
            process.kill()


def held_elsewhere(store: Store, clock: Clock) -> Lease:
    """A lease that a driver on another host took."""
    other = Lease(store, ELSEWHERE, clock)
    other.take()
    return other


def test_a_second_driver_is_refused_until_the_first_is_dead(store: Store) -> None:
    with driver(store) as other:
        with pytest.raises(UserError, match=f"already run by process {other.pid} on .* since 20"), hold(store):
            pass
        os.kill(other.pid, signal.SIGKILL)
        other.wait()
        with hold(store):
            owner = read_owner(store)
            assert owner is not None
            assert owner.process.pid == os.getpid()
    assert read_owner(store) is None


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "small").write_text("a file where the study's folder should be")
    with pytest.raises(UserError, match="small: cannot be written"), hold(tmp_path / "small"):
        pass


def test_a_dead_drivers_pid_that_was_given_again_holds_nothing(store: Store) -> None:
    this = Process.this()
    Lease(store, replace(this, started=this.started - 100)).take()
    Lease(store).take()


@pytest.mark.parametrize("step", [-1.0, 1.0])
def test_a_clock_that_was_set_changes_no_owner(step: float) -> None:
    this = Process.this()
    assert replace(this, started=this.started + step).alive


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"pid": 1',
        b"",
        b"[]",
        b"[" * 100_000,
        json.dumps({"process": {**asdict(Process.this()), "pid": "x"}, "since": "", "renewed": ""}).encode(),
        json.dumps({"process": {**asdict(Process.this()), "pid": -1}, "since": "", "renewed": ""}).encode(),
        json.dumps({"process": {**asdict(Process.this()), "started": []}, "since": "", "renewed": ""}).encode(),
    ],
    ids=range(7),
)
def test_a_damaged_lock_holds_nothing(store: Store, damaged: bytes) -> None:
    store.write("lock", damaged)
    Lease(store).take()


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(days=1), timedelta(days=-1)], ids=str)
def test_a_driver_elsewhere_that_renews_is_respected(store: Store, skew: timedelta) -> None:
    other = held_elsewhere(store, FakeClock(skew))

    def renewed_now_and_then() -> None:
        other.clock.sleep(1.0)
        if other.clock.monotonic() % 10 == 0:
            other.renew()

    clock = FakeClock(meanwhile=renewed_now_and_then)
    with pytest.raises(UserError, match="already run by process 7 on elsewhere since"):
        Lease(store, clock=clock).take()
    assert clock.passed <= 10


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(days=1), timedelta(days=-1)], ids=str)
def test_a_silent_driver_elsewhere_is_watched_for_a_minute(
    store: Store, skew: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    held_elsewhere(store, FakeClock(skew))
    clock = FakeClock()
    with caplog.at_level(logging.WARNING):
        Lease(store, clock=clock).take()
    assert clock.passed == 60
    (said,) = caplog.messages
    assert "process 7 on elsewhere since" in said and "watching for 60 s" in said


def test_a_container_of_the_same_name_and_pid_is_elsewhere(store: Store) -> None:
    twin = replace(Process.this(), machine=Process.this().machine + " of another boot")
    Lease(store, twin).take()
    clock = FakeClock()
    Lease(store, clock=clock).take()
    assert clock.passed == 60


def test_a_driver_elsewhere_that_ends_need_not_be_waited_for(store: Store) -> None:
    other = held_elsewhere(store, FakeClock())
    clock = FakeClock(meanwhile=other.release)
    Lease(store, clock=clock).take()
    assert clock.passed == 1


def test_of_two_that_watch_one_takes_over(store: Store) -> None:
    held_elsewhere(store, FakeClock())
    quicker = Lease(store, Process("third", "third", 9, 1.0), FakeClock())
    clock = FakeClock(meanwhile=lambda: quicker.take() if clock.passed == 30 else None)
    with pytest.raises(UserError, match="already run by process 9 on third"):
        Lease(store, clock=clock).take()


def test_a_lease_that_was_taken_over_is_lost_and_not_given_back(store: Store) -> None:
    cut_off = held_elsewhere(store, FakeClock())
    own = Lease(store, clock=FakeClock())
    own.take()
    with pytest.raises(LeaseLost, match=rf"process {os.getpid()} on .* has taken this study over"):
        cut_off.renew()
    cut_off.release()
    assert read_owner(store) is not None
    own.renew()


def test_of_two_that_find_no_driver_one_gets_the_lease(store: Store) -> None:
    """Both have looked before either writes; the one that comes second sees the other renew."""
    first = Lease(store, ELSEWHERE, FakeClock())

    def renew() -> None:
        first.clock.sleep(1.0)
        first.renew()

    second, looks = Lease(store, clock=FakeClock(meanwhile=renew)), []

    class Late(type(store)):
        def look(self, name: str) -> Seen | None:
            seen = super().look(name)
            looks.append(seen)
            if len(looks) == 1:
                first.take()
            return seen

    second._store = Late(*(getattr(store, each.name) for each in fields(store)))
    with pytest.raises(UserError, match="already run by process 7 on elsewhere"):
        second.take()
    assert looks[0] is None
    first.renew()


def test_a_lock_that_somebody_deleted_is_written_again(store: Store) -> None:
    own = Lease(store)
    own.take()
    store.delete("lock")
    own.renew()
    assert read_owner(store) is not None


def eventually(reached: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not reached():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_held_lease_is_renewed_and_lives_through_a_full_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lease, "RENEWED_EVERY", 0.01)
    fsync, refused = os.fsync, []

    def full(handle: int) -> None:
        refused.append(handle)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with caplog.at_level(logging.WARNING), hold(tmp_path):
        first = read_owner(tmp_path)
        eventually(lambda: read_owner(tmp_path) != first)
        monkeypatch.setattr(files.os, "fsync", full)
        eventually(lambda: len(refused) >= 3)
        monkeypatch.setattr(files.os, "fsync", fsync)
        stuck = read_owner(tmp_path)
        eventually(lambda: read_owner(tmp_path) != stuck)
    (said,) = caplog.messages
    assert "No space left on device" in said
    assert not (tmp_path / "lock").exists()


def test_who_loses_the_lease_is_stopped_with_a_sentence(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEWED_EVERY", 0.01)
    taken = Owner(ELSEWHERE, "2026-01-01T00:00:00+00:00", "")
    with pytest.raises(LeaseLost, match="process 7 on elsewhere since 2026-01-01"), hold(store):
        store.write("lock", json.dumps(asdict(taken)).encode())
        time.sleep(600)
    assert read_owner(store) == taken


def test_an_interrupt_of_the_driver_stays_one(store: Store) -> None:
    with pytest.raises(KeyboardInterrupt), hold(store):
        raise KeyboardInterrupt
    assert read_owner(store) is None
