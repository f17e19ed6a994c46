"""The lease: one driver at a time works on a study."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from nemo.errors import UserError
from orchestrator.files import write_bytes


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Holds the lease of the study in a folder, taking over that of a dead driver on this host.

    Raises:
        UserError: Another driver is alive, or the folder cannot be written.
    """
    lock = folder / "lock"
    own = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "started": psutil.Process().create_time(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    with _guard(folder):
        owner = _owner(lock)
        if owner is not None and _alive(owner):
            raise UserError(
                f"{lock}: this study is already run by process {owner['pid']} on {owner['host']} since "
                f"{owner['since']}; wait for it or stop it."
            )
        if owner is not None and owner["host"] != own["host"]:
            raise UserError(
                f"{lock}: this study was last run by process {owner['pid']} on {owner['host']} since "
                f"{owner['since']}; if that one has ended, delete this file."
            )
        write_bytes(lock, json.dumps(own).encode())
    try:
        yield
    finally:
        with _guard(folder):
            if _owner(lock) == own:
                lock.unlink()


@contextmanager
def _guard(folder: Path) -> Iterator[None]:
    """Lets one process of this host at a time look at the lock and change it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written ({error.strerror}), choose another `storage`.") from error
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _owner(lock: Path) -> dict[str, Any] | None:
    """Who holds the lock; None where nobody does or the file is damaged."""
    try:
        owner = json.loads(lock.read_bytes())
        return {name: owner[name] for name in ("host", "pid", "started", "since")}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _alive(owner: Mapping[str, Any]) -> bool:
    """Whether the process of that pid on this host is the one that took the lock, and no zombie."""
    if owner["host"] != socket.gethostname():
        return False
    try:
        process = psutil.Process(owner["pid"])
        same = abs(process.create_time() - owner["started"]) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
