"""What other people's code raises, as one sentence."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from difflib import get_close_matches
from importlib import import_module
from typing import Any
from urllib.error import HTTPError, URLError

from nemo.errors import UserError

_NO_NETWORK = frozenset(["ConnectError", "ConnectTimeout", "LocalEntryNotFoundError"])  # of the hub's client


def library(module: str) -> Any:
    """An imported library.

    Raises:
        UserError: It is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        package = module.split(".")[0]
        raise UserError(
            f'backbone: the package {package} is not installed, run pip install "nemo-orchestrator[{package}]".'
        ) from error


def unknown(field: str, place: str, given: str, known: Iterable[str]) -> UserError:
    """That a place has nothing of this name, and what it has."""
    names = sorted(known)
    close = get_close_matches(given, names, n=3, cutoff=0.5) or names[:3]
    return UserError(f"{field}: {place} has no {given!r}, choose one such as {', '.join(close) or '(it has none)'}.")


def reason(error: BaseException) -> str:
    """What went wrong, in one line."""
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0][:200].rstrip('.:')}"


def reason_and_line(error: BaseException) -> str:
    """`reason`, and in which file and line."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{reason(error)}, {frame.filename.rpartition('/')[2]} line {frame.lineno}"


def reason_of_download(error: BaseException) -> str:
    """`reason`, and whether nothing at all can be reached."""
    each: BaseException | None = error
    while each is not None:
        refused = isinstance(each, ConnectionError | TimeoutError) or type(each).__name__ in _NO_NETWORK
        if refused or (isinstance(each, URLError) and not isinstance(each, HTTPError)):
            return f"there is no network here: {reason(error)}"
        each = each.__cause__ or each.__context__
    return reason(error)
