"""The lease: one driver at a time works on a study."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from nemo.errors import UserError
from orchestrator.storage import Seen, Where, store_at
from orchestrator.storage.layout import LOCK
from orchestrator.system.process import Process
from orchestrator.system.signals import stoppable

RENEWED_EVERY = 10.0
"""Seconds between two renewals."""

EXPIRED_AFTER = 60.0
"""Seconds without a renewal after which a driver that cannot be looked up is taken for dead."""


_log = logging.getLogger(__name__)


class Clock:
    """The time for leases; the simulation has a clock of its own."""

    def now(self) -> datetime:
        """The time of day: to show, never to decide, for hosts disagree about it."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds that only ever grow."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Waits."""
        time.sleep(seconds)


@dataclass(frozen=True)
class Owner:
    """Who holds a lease, as its file says; the file changes with every renewal."""

    process: Process
    since: str
    renewed: str

    @property
    def text(self) -> str:
        """What a person reads."""
        return f"process {self.process.pid} on {self.process.host} since {self.since}"


class LeaseLost(UserError):
    """Another driver has taken the study over."""


class LeaseHeld(UserError):
    """Another driver is alive.

    Attributes:
        owner: Who it is.
    """

    def __init__(self, text: str, owner: Owner) -> None:
        super().__init__(text)
        self.owner = owner


class Lease:
    """The right to drive the study in a store, kept in its file `lock`.

    On one machine a driver's death is seen at once. One that runs elsewhere is watched by the clock of the driver that
    wants the lease: hosts need not agree about the time. A take-over that is wrong all the same, of a driver that was
    cut off from its storage for a minute, wastes work and loses none, for a result that is written twice is harmless.

    The file is only replaced if it has not changed since it was read: of two drivers that want the lease at once one
    gets it, and the other reads the file again.

    Args:
        where: Where the study lies.
        process: The process that takes the lease; by default this one.
        clock: How time passes.
    """

    def __init__(self, where: Where, process: Process | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self._store = store_at(where)
        self._process = process or Process.this()
        self._since = ""

    def take(self) -> None:
        """Takes the lease; waits for a minute where only that can show that its owner is dead.

        Raises:
            LeaseHeld: Another driver is alive.
            UserError: The store cannot be written.
        """
        silent = self._try(None)
        if silent is None:
            return
        text = "%s: this study may still be run by %s; watching for %.0f s whether it is."
        _log.warning(text, self._file, silent.text, EXPIRED_AFTER)
        deadline = self.clock.monotonic() + EXPIRED_AFTER
        while self.clock.monotonic() < deadline and read_owner(self._store) == silent:
            self.clock.sleep(1.0)
        self._try(silent)

    def renew(self) -> None:
        """Renews the lease: a sign of life of its owner.

        Raises:
            LeaseLost: Another driver has taken over.
            UserError: The store cannot be written.
        """
        while True:
            seen = self._store.look(LOCK)
            owner = _owner(seen)
            if owner is not None and not self._is_own(owner):
                raise LeaseLost(
                    f"{self._file}: {owner.text} has taken this study over, as a driver may that sees no sign of life "
                    f"of another one for {EXPIRED_AFTER:.0f} s; this one stops, what it finished is kept: let that one "
                    "go on."
                )
            if self._write(seen):
                return

    def release(self) -> None:
        """Gives the lease back, if it is still ours; where that cannot be written, it is left to expire."""
        with suppress(OSError, UserError):
            seen = self._store.look(LOCK)
            owner = _owner(seen)
            if seen is not None and owner is not None and self._is_own(owner):
                self._store.withdraw(LOCK, seen)

    @property
    def _file(self) -> str:
        return self._store.where(LOCK)

    def _try(self, expired: Owner | None) -> Owner | None:
        """Takes the lease from nobody, a dead owner or the expired one; returns an owner that has to be watched."""
        while True:
            seen = self._store.look(LOCK)
            owner = _owner(seen)
            if owner is None or owner == expired or owner.process.alive is False:
                self._since = self.clock.now().isoformat(timespec="seconds")
                if self._write(seen):
                    return None
                continue  # somebody was faster
            if owner.process.alive is None and expired is None:
                return owner
            text = f"{self._file}: this study is already run by {owner.text}; wait for it, or stop it there."
            raise LeaseHeld(text, owner)

    def _is_own(self, owner: Owner) -> bool:
        return (owner.process, owner.since) == (self._process, self._since)

    def _write(self, seen: Seen | None) -> bool:
        owner = Owner(self._process, self._since, self.clock.now().isoformat(timespec="milliseconds"))
        return self._store.swap(LOCK, json.dumps(asdict(owner)).encode(), seen)


def read_owner(where: Where) -> Owner | None:
    """Who holds the lease of a study; None where nobody does or the file is damaged.

    Raises:
        UserError: The file cannot be read.
    """
    return _owner(store_at(where).look(LOCK))


def seems_alive(owner: Owner, now: datetime) -> bool:
    """Whether a driver lives, as far as that can be seen from here; `now` only matters of one on another host."""
    alive = owner.process.alive
    if alive is not None:
        return alive
    try:
        return now - datetime.fromisoformat(owner.renewed) < timedelta(seconds=EXPIRED_AFTER)
    except (ValueError, TypeError):
        return False


def _owner(seen: Seen | None) -> Owner | None:
    try:
        owner = json.loads(b"" if seen is None else seen.data)
        return Owner(Process(**owner["process"]), str(owner["since"]), str(owner["renewed"]))
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


@contextmanager
def hold(where: Where) -> Iterator[None]:
    """Holds the lease of a study, renewing it in a thread of its own.

    Where another driver takes over nonetheless, the block is interrupted wherever it waits; in the main thread only.

    Raises:
        LeaseHeld: Another driver is alive.
        UserError: The store cannot be written.
        LeaseLost: Another driver took over.
    """
    store_at(where).prove()
    lease = Lease(where)
    lease.take()
    released = threading.Event()

    def renew(stop: Callable[[BaseException], None]) -> None:
        warned = False
        while not released.wait(RENEWED_EVERY):
            try:
                lease.renew()
                warned = False
            except LeaseLost as error:
                return stop(error)
            except UserError as error:
                if not warned:
                    _log.warning("%s Until then this driver's lease is not renewed.", error)
                warned = True

    with stoppable() as stop:
        renewing = threading.Thread(target=renew, args=[stop], name="lease", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            released.set()
            renewing.join()
            lease.release()
