"""Standard streams that are closed, full or have lost their reader: what is told decides about no study."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from typing import Any, TextIO, cast

from nemo.errors import UserError


class _Stream:
    """A standard stream that says by itself what is to happen when it cannot be written."""

    def __init__(self, stream: TextIO, failed: Callable[[OSError], None]) -> None:
        self._stream, self._failed = stream, failed

    def write(self, text: str) -> int:
        try:
            self._stream.write(text)
        except OSError as error:
            self._failed(error)
        return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except OSError as error:
            self._failed(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def standard_streams() -> Iterator[None]:
    """Makes the standard streams fit for a command of hours, for as long as a block lasts.

    * One that is closed, as a daemon's may be, becomes `/dev/null`: else the next file or socket that is opened takes
      its number, and whatever is printed goes there. Ray does not connect without one.
    * Standard error, where progress goes, never raises: a log on a full disk, or a `tee` that ended, ends no study.
    * Standard output shows a `?` for what it cannot encode.

    Raises:
        UserError: Standard output, where results go, cannot be written.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
            setattr(sys, name, os.fdopen(number, mode, closefd=False))
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")
    before = sys.stdout, sys.stderr
    sys.stdout = cast(TextIO, _Stream(sys.stdout, _told))
    sys.stderr = cast(TextIO, _Stream(sys.stderr, lambda error: None))  # what is lost comes when a disk has room again
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


def _told(error: OSError) -> None:
    if isinstance(error, BrokenPipeError):  # of a reader that has seen enough, such as head
        raise error
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # else Python tries again at its end, and tells that in two lines
    raise UserError(f"standard output: {error.strerror}; make room where it goes, or send it elsewhere") from error
