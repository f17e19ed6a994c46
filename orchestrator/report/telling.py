"""What of a report cannot be made is told, and the rest is made: a study is finished without it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.system.text import one_line


def tell(log: logging.Logger, what: str, error: Exception) -> None:
    """Warns in one sentence of what failed; the traceback is there for who asks for it."""
    log.warning("%s cannot be made (%s: %s); the rest is", what, type(error).__name__, one_line(str(error))[:200])
    log.debug("%s", what, exc_info=error)


@contextmanager
def telling(log: logging.Logger, what: str) -> Iterator[None]:
    """Tells of what fails in the block and goes on after it; a disk that cannot be written still raises its OSError."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        tell(log, what, error)
