"""A storage that was moved or copied: MLflow's database names its files by absolute paths, those of the old place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from orchestrator.storage.layout import FILES

_PLACES = {
    "runs": ["artifact_uri"],
    "logged_models": ["artifact_location"],
    "model_versions": ["source", "storage_location"],
}
"""Table -> its columns with addresses of files below an experiment's own."""


def relocate(database: Path, root: str) -> bool:
    """Makes a storage's database name the files beside it; without it MLflow would read and write the old place.

    Args:
        database: The SQLite file; nothing happens where there is none.
        root: Where the storage keeps MLflow's files, as a URI.

    Returns:
        Whether anything was changed.

    Raises:
        OSError: The database cannot be read, or has to be changed and cannot be.
    """
    if not database.exists():
        return False
    try:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            old = [each for each in _roots(connection) if each != root and _is_ours(each)]
            with connection:
                for each in old:
                    _replace(connection, each, root)
    except sqlite3.Error as error:
        raise OSError(f"{database}: {error}") from error
    return bool(old)


def _roots(connection: sqlite3.Connection) -> list[str]:
    """Where the experiments keep their files."""
    if not _columns(connection, "experiments"):
        return []  # MLflow has not made its tables yet
    rows = connection.execute("SELECT DISTINCT artifact_location FROM experiments").fetchall()
    return [str(location) for (location,) in rows if location]


def _is_ours(location: str) -> bool:
    """Whether a storage made it: a file's address that ends as ours do."""
    parts = urlsplit(location)
    return parts.scheme == "file" and PurePosixPath(unquote(parts.path)).name == FILES


def _replace(connection: sqlite3.Connection, old: str, new: str) -> None:
    connection.execute("UPDATE experiments SET artifact_location = ? WHERE artifact_location = ?", (new, old))
    for table, columns in _PLACES.items():
        for column in set(columns) & _columns(connection, table):
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                (new, len(old) + 1, len(old) + 1, f"{old}/"),
            )


def _columns(connection: sqlite3.Connection, table: str) -> set[str]:
    """The names of a table's columns; none where there is no such table."""
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}
