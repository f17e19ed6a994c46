"""A folder that is written atomically: under another name beside its place, and renamed when it is finished."""

from __future__ import annotations

import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from nemo.errors import UserError
from orchestrator.storage.files import flush

MARK = "module.json"
"""The file that marks a folder as a saved module; it is written last."""


@contextmanager
def new_folder(out: Path, force: bool) -> Iterator[Path]:
    """Yields an empty folder beside `out`; when the block ends well, it becomes `out`.

    A kill leaves that folder, hidden, which the next call for the same place deletes. A former `out` is set aside
    before the new one gets its name; if a kill comes just between, the next call puts it back.

    Args:
        out: The place: nothing, an empty folder, or with `force` one that was made here before.
        force: Whether that one may be replaced.

    Raises:
        UserError: There is something else, or it cannot be written.
    """
    if not out.name:
        raise UserError(f"--out {out}: names no folder of its own, give one that does not exist yet.")
    hidden = f".{out.name}.{platform.node()}-"
    _sweep(out, hidden)
    _check_place(out, force)
    fresh, former = (out.with_name(f"{hidden}{os.getpid()}.{end}") for end in ("new", "old"))
    try:
        with _writable(out):
            out.parent.mkdir(parents=True, exist_ok=True)
            fresh.mkdir()
        yield fresh
        with _writable(out):
            for path in (*fresh.iterdir(), fresh):
                flush(path)
            if out.is_dir() and any(out.iterdir()):
                out.rename(former)
            fresh.rename(out)  # onto an empty folder too
            flush(out.parent)
    finally:
        if former.exists() and not out.exists():
            former.rename(out)
        for left in (fresh, former):
            shutil.rmtree(left, ignore_errors=True)


def write_file(folder: Path, name: str, data: bytes | str) -> None:
    """Writes one file of such a folder.

    Raises:
        UserError: It cannot be written, or the disk is full.
    """
    with _writable(folder):
        (folder / name).write_bytes(data.encode() if isinstance(data, str) else data)


def _check_place(out: Path, force: bool) -> None:
    if out.is_symlink() or (out.exists() and not out.is_dir()):
        raise UserError(f"--out {out}: is no folder, give one that does not exist yet.")
    with _writable(out):
        existing = {path.name for path in out.iterdir()} if out.is_dir() else set()
    if MARK in existing and not force:
        raise UserError(f"--out {out}: holds a module already, replace it with --force or give another folder.")
    if existing and MARK not in existing:
        raise UserError(f"--out {out}: is not empty and no module of ours, give a folder that does not exist yet.")


def _sweep(out: Path, hidden: str) -> None:
    """Deletes the leftovers of killed processes of this machine for the same place, or puts a former folder back."""
    with suppress(OSError):
        for path in out.parent.glob(f"{hidden}*"):
            pid = path.name.removeprefix(hidden).partition(".")[0]
            if pid == str(os.getpid()) or not psutil.pid_exists(int(pid)):
                if path.suffix == ".old" and not out.exists():
                    path.rename(out)
                else:
                    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _writable(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or out
        raise UserError(
            f"--out {out}: {where} cannot be written ({error.strerror or error}), make it writable with room to spare, "
            "or give another folder."
        ) from error
