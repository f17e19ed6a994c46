"""Passwords in addresses: a study file may hold none, and none is ever shown."""

from __future__ import annotations

import re

from orchestrator.study.problems import Problems

# SQLAlchemy takes a password with slashes in it, so with a colon before it everything up to the last @ may be one.
_USER = re.compile(r"(?<=://)(?:[^/:\s]*:\S*|[^/\s]*)@")
_QUERY = re.compile(r"([?&][\w-]*(?:password|passwd|pwd|token|secret)[\w-]*=)[^&\s'\"]+", re.IGNORECASE)


def masked(text: str) -> str:
    """The text with `***` for the user and the password in every address in it."""
    return _QUERY.sub(r"\1***", _USER.sub("***@", text))


def without_password(uri: str) -> str:
    """A validator that refuses an address with a password; a database may name its user."""
    problems = Problems()
    user = _USER.search(uri)
    if _QUERY.search(uri) or (user and (":" in user[0] or uri.startswith("http"))):
        problems.add(
            text="holds a password, which would be copied to MLflow with the study: give it as "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD in the environment (a database's as its own client "
            "reads it, such as PGPASSWORD)."
        )
    problems.raise_any()
    return uri
