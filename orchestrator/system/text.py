"""Text that any terminal, page, picture or file can hold, whatever characters it was given."""

from __future__ import annotations

import unicodedata

_HIDDEN = ("Cc", "Cs", "Zl", "Zp")
"""Unicode's categories of control characters, halves of characters, and line and paragraph separators."""


def printable(text: str, keep: str = "\n\t") -> str:
    r"""The text with `\x1b` and the like for characters that move a cursor, or that UTF-8 and XML do not have.

    A byte of a path that was no text in UTF-8, which Python keeps as half a character, is shown as it was: `\xf6`.

    Args:
        text: Any.
        keep: Such characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(each if each in keep or not _hidden(each) else _escaped(each) for each in text)


def one_line(text: str) -> str:
    r"""A name as it is shown: on one line, with `\n` for what would begin another."""
    return printable(text, keep="")


def _hidden(character: str) -> bool:
    return unicodedata.category(character) in _HIDDEN or character in "\ufffe\uffff"


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else character.encode("unicode_escape").decode()
