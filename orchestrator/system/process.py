"""A process, identified so that other processes and other hosts can tell whether it still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

import psutil

CLOCK_STEP = 2.0
"""Seconds by which two readings of a start may differ: Linux counts from the boot, whose time moves with the clock."""


@dataclass(frozen=True)
class Process:
    """A process, identified by more than its pid, which other hosts and containers use too and the system reuses.

    Attributes:
        host: The host's name, for people; containers and machines may share one.
        machine: Host, boot and pid namespace: only within the same one can the pid be looked up.
        pid: Its number there.
        started: When it started, in seconds since 1970.
    """

    host: str
    machine: str
    pid: int
    started: float

    @classmethod
    def this(cls) -> Process:
        """The current process."""
        return cls(socket.gethostname(), _machine(), os.getpid(), psutil.Process().create_time())

    @property
    def alive(self) -> bool | None:
        """Whether it lives; None where that cannot be seen from here."""
        if self.machine != _machine():
            return None
        try:
            return living(self.pid, self.started) is not None
        except (ValueError, TypeError):  # what was read is no pid, no time
            return False


def living(pid: int, started: float) -> psutil.Process | None:
    """The process with this pid and start time, if it lives on this machine; the pid alone may have been reused.

    Raises:
        psutil.AccessDenied: Its start time may not be read.
        ValueError, TypeError: The arguments are no pid and no time.
    """
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) <= CLOCK_STEP
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _machine() -> str:
    """A name that changes with each boot, and in each container; on macOS, without boot ids, the host's name alone."""
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        pass
    return " ".join(parts)
