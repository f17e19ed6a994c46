"""Writes the files that somebody begins with, and replaces none that is theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from nemo.errors import UserError
from orchestrator.study.schema import SCHEMA_FILE

SCHEMA_NAME = SCHEMA_FILE.name
"""The schema lies beside the studies that name it: so they find it wherever the folder goes."""


def write_files(folder: Path, files: Mapping[str, str], *, force: bool) -> list[Path]:
    """Writes texts into a folder, which is made; the schema beside them.

    Args:
        folder: Where.
        files: Name -> text.
        force: Whether files that are there with another content are replaced; the schema is in any case.

    Returns:
        What was written.

    Raises:
        UserError: A file is there already, or cannot be written; then none was replaced.
    """
    for name, text in files.items():
        if not force and (folder / name).exists() and _content(folder / name) != text:
            raise UserError(f"{folder / name}: is there already, add --force to replace it, or choose another folder.")
    return [write_file(folder / name, text) for name, text in {**files, SCHEMA_NAME: schema_text()}.items()]


def write_file(path: Path, text: str) -> Path:
    """Writes a text to a file, whose folder is made; returns the path.

    Raises:
        UserError: It cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror}), choose another place.") from None
    return path


def schema_text() -> str:
    """The JSON Schema of a study, as it is shipped."""
    return SCHEMA_FILE.read_text(encoding="utf-8")


def _content(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None
