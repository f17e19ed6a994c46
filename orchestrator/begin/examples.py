"""The studies that come with nemo, as files of one's own."""

from __future__ import annotations

import re
from difflib import get_close_matches
from pathlib import Path

from nemo.errors import UserError
from orchestrator.begin.files import SCHEMA_NAME, write_files
from orchestrator.study.schema import with_schema_line

SHIPPED = Path(__file__).with_name("studies")
"""A link to the repository's `studies/`; in an installed package a folder with the same files."""

_BESIDE = re.compile(r"\bstudies/([\w.-]+\.(?:json|yaml))")
_PAGE = re.compile(r"(?<![\w/])(?:docs/)?((?:[\w-]+)\.md)")


def example_names() -> list[str]:
    """The names of the studies, in alphabetical order."""
    return sorted(path.stem for path in SHIPPED.glob("*.yaml"))


def write_example(name: str, folder: Path, *, force: bool) -> list[Path]:
    """Writes a shipped study and what it needs beside it; the paths in it are from the working folder.

    Returns:
        What was written, the study first.

    Raises:
        UserError: There is no such example, or a file is there already.
    """
    if name not in example_names():
        close = get_close_matches(name, example_names(), n=1)
        hint = f"did you mean {close[0]}? They are" if close else "they are"
        raise UserError(f"--example: there is no example {name!r}; {hint} {', '.join(example_names())}.")
    text = (SHIPPED / f"{name}.yaml").read_text(encoding="utf-8")
    beside = {found for found in _BESIDE.findall(text) if found.endswith(".json")}
    files = {f"{name}.yaml": _here(text, folder)}
    files |= {each: (SHIPPED / each).read_text(encoding="utf-8") for each in sorted(beside)}
    return write_files(folder, files, force=force)


def _here(text: str, folder: Path) -> str:
    """A study's text with the paths of this folder; pages are told to be those of nemo's repository."""
    text = with_schema_line(text, SCHEMA_NAME)
    text = _BESIDE.sub(lambda found: (folder / found[1]).as_posix(), text)
    return _PAGE.sub(r"nemo's docs/\1", text)
