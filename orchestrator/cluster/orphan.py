"""The record of a Ray head of ours in its study's folder, by which it is ended where its driver is gone."""

from __future__ import annotations

import contextlib
import json
import logging
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import psutil

from nemo.errors import UserError
from orchestrator.storage.layout import RAY_HEAD
from orchestrator.system.process import living

MARKER = "NEMO_RAY_HEAD"
"""Environment variable that every process of one of our heads inherits; its value names the head."""

MADE_BY = "made-by-nemo"
"""A file in the folder of Ray's own files that holds the head's marker: what may be removed."""

_log = logging.getLogger(__name__)


def end_orphan(folder: str | Path) -> int:
    """End the head that `folder` records, and wait until all its processes, workers included, are gone.

    Returns:
        The number of processes that had to be ended.

    Raises:
        UserError: One of them does not end; the record stays.
    """
    record = Path(folder).resolve() / RAY_HEAD
    try:
        head = _read(record)
    except FileNotFoundError:
        return 0
    except (OSError, ValueError, OverflowError, LookupError, TypeError, RecursionError):
        _log.warning("%s: is damaged and left alone, a Ray head that an earlier driver started may still run.", record)
        return 0
    ended: set[psutil.Process] = set()
    while processes := (_recorded(head["processes"]) | marked(head["marker"])) - ended:  # one may just start another
        for process in processes:  # daemons first would let the workers start writing their last words
            with contextlib.suppress(psutil.Error):
                process.kill()
        _, left = psutil.wait_procs(processes, timeout=30)
        if left:
            pids = ", ".join(str(each.pid) for each in left)
            raise UserError(
                f"{record}: processes {pids} of an earlier Ray head do not end, see to them and run it again."
            )
        ended |= processes
    if _made_for(head["marker"], Path(head["temp"])):
        shutil.rmtree(head["temp"], ignore_errors=True)
    record.with_name("token").unlink(missing_ok=True)
    record.unlink(missing_ok=True)
    return len(ended)


class HeadDied(UserError):
    """A process without which Ray ends is gone."""

    def __init__(self) -> None:
        super().__init__(
            "Ray's head died while it ran this: it was killed, or the machine has too little memory; what is finished "
            "is kept, and the same command carries on"
        )


def head_lives(folder: str | Path) -> bool:
    """Whether the head that `folder` records still has the processes without which Ray ends; True where there is none.

    Ray itself takes up to a minute to notice, and then ends the driver with words of its own.
    """
    record = Path(folder).resolve() / RAY_HEAD
    try:
        vital = json.loads(record.read_text()).get("vital", [])
        return len(still_living(vital)) == len(vital)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return True


def _read(record: Path) -> dict[str, Any]:
    """Reads a record, if it could be one of ours: the processes and the folder that it names are killed and removed.

    Raises:
        ValueError, OverflowError, LookupError, TypeError, RecursionError: It is damaged.
        OSError: It cannot be read.
    """
    head = json.loads(record.read_bytes())
    temp, marker = Path(head["temp"]), str(head["marker"])
    processes = [(int(pid), float(started)) for pid, started in head["processes"]]
    if not temp.is_absolute():
        raise ValueError(f"{temp} is no folder of a head of ours")
    if not marker or any(not 0 < pid < 2**31 for pid, _ in processes):
        raise ValueError("it names no processes")
    return {"temp": str(temp), "marker": marker, "processes": processes}


def _made_for(marker: str, temp: Path) -> bool:
    """Whether we made a folder for the head of this marker: this process may have another temporary folder by now."""
    try:
        return (temp / MADE_BY).read_text() == marker
    except (OSError, ValueError):  # it is gone, or somebody else's
        return False


def still_living(processes: Iterable[Sequence[float]]) -> list[psutil.Process]:
    """Those of `[pid, start]` that live."""
    alive = []
    for pid, started in processes:
        with contextlib.suppress(psutil.Error):
            alive.append(living(int(pid), started))
    return [process for process in alive if process is not None]


def _recorded(processes: Iterable[Sequence[float]]) -> set[psutil.Process]:
    tree = set(still_living(processes))
    for process in list(tree):
        with contextlib.suppress(psutil.Error):
            tree |= set(process.children(recursive=True))
    return tree


def marked(marker: str) -> set[psutil.Process]:
    marked = set()
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARKER) == marker:
                marked.add(process)
    return marked
