"""Text that any terminal, page, picture or file can hold, whatever characters it was given."""

from __future__ import annotations

import re

_HIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")
"""Control characters, separators of lines, halves of characters, and what XML does not have."""


def printable(text: str, keep: str = "\n\r\t") -> str:
    r"""The text with `\x1b` and the like for characters that move a cursor, or that UTF-8 and XML do not have.

    A byte of a path that was no text in UTF-8, which Python keeps as half a character, is shown as it was: `\xf6`.

    Args:
        text: Any.
        keep: Such characters that stay.
    """
    return _HIDDEN.sub(lambda found: found[0] if found[0] in keep else _escaped(found[0]), text)


def one_line(text: str) -> str:
    r"""A name as it is shown: on one line, with `\n` for what would begin another."""
    return printable(text, keep="")


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else character.encode("unicode_escape").decode()
