"""NVIDIA's NeMo: another package that is imported as `nemo`, and may lie in the place of ours."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, distribution
from importlib.util import find_spec
from pathlib import Path

THEIRS = "nemo_toolkit"
"""What NVIDIA's package is called where it is installed from."""

_OURS = "make_modular"  # a name that our `nemo/__init__.py` has, and theirs has not


_REMEDY = "give this program an environment of its own (python -m venv), both cannot share one."


def stranger() -> str | None:
    """The sentence about another package that is imported in the place of ours; None where ours is."""
    try:
        spec = find_spec("nemo")
    except (ImportError, ValueError):
        spec = None
    file = spec.origin if spec else None
    try:
        if _OURS in Path(file or "").read_text(encoding="utf-8"):
            return None
    except (OSError, UnicodeDecodeError):
        pass
    return f"the package nemo that Python finds, {file or 'none'}, is another one than this program's; {_REMEDY}"


def namesake() -> str | None:
    """The sentence about NVIDIA's package, where it is installed too or imported in the place of ours; else None."""
    if (sentence := stranger()) is not None:
        return sentence
    try:
        distribution(THEIRS)
    except PackageNotFoundError:
        return None
    return f"NVIDIA's {THEIRS} is installed here too, and both are imported as nemo; {_REMEDY}"
