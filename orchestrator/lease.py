"""The lease: one driver at a time works on a study."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from nemo.errors import UserError
from orchestrator.files import write_bytes
from orchestrator.interruption import stoppable
from orchestrator.process import Process

RENEWED_EVERY = 10.0
"""Seconds between two renewals."""

EXPIRED_AFTER = 60.0
"""Seconds without a renewal after which a driver that cannot be looked up is taken for dead."""

_log = logging.getLogger(__name__)


class Clock:
    """What a lease knows of time; the simulation has one of its own."""

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


@dataclass
class Lease:
    """The right to drive the study in a folder, kept in its file `lock`.

    On one machine a driver's death is seen at once. One that runs elsewhere is watched by the clock of the driver that
    wants the lease: hosts need not agree about the time. A take-over that is wrong all the same, of a driver that was
    cut off from its storage for a minute, wastes work and loses none, for a result that is written twice is harmless.

    Attributes:
        folder: The study's folder.
        process: Who asks.
        clock: How time passes.
    """

    folder: Path
    process: Process = field(default_factory=Process.this)
    clock: Clock = field(default_factory=Clock)
    _since: str = ""

    def take(self) -> None:
        """Takes the lease; waits for a minute where only that can show that its owner is dead.

        Raises:
            UserError: Another driver is alive, or the folder cannot be written.
        """
        silent = self._try(None)
        if silent is None:
            return
        text = "%s: this study may still be run by %s; watching for %.0f s whether it is."
        _log.warning(text, self._file, silent.text, EXPIRED_AFTER)
        deadline = self.clock.monotonic() + EXPIRED_AFTER
        while self.clock.monotonic() < deadline and read_owner(self.folder) == silent:
            self.clock.sleep(1.0)
        self._try(silent)

    def renew(self) -> None:
        """Says that its owner is alive.

        Raises:
            LeaseLost: Another driver has taken over.
            UserError: The folder cannot be written.
        """
        with self._guard():
            owner = read_owner(self.folder)
            if owner is not None and not self._is_own(owner):
                raise LeaseLost(
                    f"{self._file}: {owner.text} has taken this study over, as a driver may that sees no sign of life "
                    f"of another one for {EXPIRED_AFTER:.0f} s; this one stops, what it finished is kept: let that one "
                    "go on."
                )
            self._write()

    def release(self) -> None:
        """Gives the lease back, if it is still ours; where that cannot be written, it is left to expire."""
        with suppress(OSError, UserError), self._guard():
            owner = read_owner(self.folder)
            if owner is not None and self._is_own(owner):
                self._file.unlink()

    @property
    def _file(self) -> Path:
        return self.folder / "lock"

    def _try(self, expired: Owner | None) -> Owner | None:
        """Takes the lease from nobody, a dead owner or the expired one; returns an owner that has to be watched."""
        with self._guard():
            owner = read_owner(self.folder)
            if owner is None or owner == expired or owner.process.alive is False:
                self._since = self.clock.now().isoformat(timespec="seconds")
                self._write()
                return None
            if owner.process.alive is None and expired is None:
                return owner
            raise UserError(f"{self._file}: this study is already run by {owner.text}; wait for it, or stop it there.")

    def _is_own(self, owner: Owner) -> bool:
        return (owner.process, owner.since) == (self.process, self._since)

    def _write(self) -> None:
        owner = Owner(self.process, self._since, self.clock.now().isoformat(timespec="milliseconds"))
        write_bytes(self._file, json.dumps(asdict(owner)).encode())

    @contextmanager
    def _guard(self) -> Iterator[None]:
        """Lets one process of this host at a time look at the file and change it."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.folder, os.O_RDONLY)
        except OSError as error:
            text = f"{self.folder}: cannot be written ({error.strerror}), choose another `storage`."
            raise UserError(text) from error
        try:
            with suppress(OSError):  # some network folders cannot; the loser of a tie learns it when it renews
                fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)


def read_owner(folder: Path) -> Owner | None:
    """Who holds the lease of the study in a folder; None where nobody does or the file is damaged.

    Raises:
        UserError: The file cannot be read.
    """
    file = folder / "lock"
    try:
        owner = json.loads(file.read_bytes())
        return Owner(Process(**owner["process"]), str(owner["since"]), str(owner["renewed"]))
    except (FileNotFoundError, ValueError, KeyError, TypeError, RecursionError):
        return None
    except OSError as error:
        raise UserError(f"{file}: cannot be read ({error.strerror}), make it readable.") from error


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Holds the lease of the study in a folder, renewing it in a thread of its own.

    Where another driver takes over nonetheless, the block is interrupted wherever it waits; in the main thread only.

    Raises:
        UserError: Another driver is alive, or the folder cannot be written.
        LeaseLost: Another driver took over.
    """
    lease = Lease(folder)
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
