"""Passwords in addresses: a study file may hold none, and none is ever shown."""

from __future__ import annotations

import re

# SQLAlchemy takes a password with slashes in it, so with a colon before it everything up to the last @ may be one.
_USER = re.compile(r"(?<=://)(?:[^/:\s]*:\S*|[^/\s]*)@")
_QUERY = re.compile(r"([?&][\w-]*(?:password|passwd|pwd|token|secret)[\w-]*=)[^&\s'\"]+", re.IGNORECASE)


def masked(text: str) -> str:
    """The text with `***` for the user and the password in every address in it."""
    return _QUERY.sub(r"\1***", _USER.sub("***@", text))


def holds_password(uri: str) -> bool:
    """Whether an address holds a password; a database may name its user."""
    user = _USER.search(uri)
    return bool(_QUERY.search(uri) or (user and (":" in user[0] or uri.startswith("http"))))
