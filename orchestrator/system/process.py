"""A process, named so that other processes and other hosts can tell whether it still lives."""

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
    """A process by more than its number, which hosts and containers share and give again.

    Attributes:
        host: The host's name, for people; containers and machines may share one.
        machine: Within it, and within it alone, a pid can be looked up: host, boot and pid namespace.
        pid: Its number there.
        started: When it started, in seconds since 1970.
    """

    host: str
    machine: str
    pid: int
    started: float

    @classmethod
    def this(cls) -> Process:
        """The process that asks."""
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
    """The process that had this number and start, if it lives on this machine; a pid may be another one's by now.

    Raises:
        psutil.AccessDenied: It may not be looked at.
        ValueError, TypeError: These are no pid and no time.
    """
    try:
        process = psutil.Process(pid)
        same = abs(process.create_time() - started) <= CLOCK_STEP
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def _machine() -> str:
    """Another one after each boot, and in each container; on macOS, which names no boots, the host's name alone."""
    parts = [socket.gethostname()]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
        parts.append(os.readlink("/proc/self/ns/pid"))
    except OSError:
        pass
    return " ".join(parts)
