"""Patterns of names, as `sites` and `train_only` take them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase

from nemo.errors import UserError


def _whole(pattern: str, name: str) -> bool:
    return fnmatchcase(name, pattern)


def chosen(
    names: Sequence[str],
    patterns: Sequence[str],
    field: str,
    what: str,
    fits: Callable[[str, str], bool] = _whole,
) -> set[str]:
    """The names that fit one of the patterns, if there is one without `!`, and none of those with `!` before them.

    Args:
        names: To choose among.
        patterns: As `stage*.conv*` and `!*.gate*`; none chooses all.
        field: Where they were set, for the message.
        what: The names, for the message.
        fits: `(pattern, name)`, whether one fits the other.

    Raises:
        UserError: A pattern fits no name.
    """
    wanted = [pattern for pattern in patterns if not pattern.startswith("!")]
    unwanted = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
    for pattern in [*wanted, *unwanted]:
        if not any(fits(pattern, name) for name in names):
            raise UserError(f"{field}: {pattern!r} fits none of {what}, as {', '.join(names[:3]) or 'none'}.")
    some = {name for name in names if not wanted or any(fits(pattern, name) for pattern in wanted)}
    return {name for name in some if not any(fits(pattern, name) for pattern in unwanted)}
