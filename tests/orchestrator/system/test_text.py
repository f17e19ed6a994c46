"""Whatever a text holds, what is shown of it can be written anywhere."""

from __future__ import annotations

import os
from xml.etree.ElementTree import fromstring
from xml.sax.saxutils import escape

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.system.text import one_line, printable

ANY = st.text(st.characters(codec=None))


@given(ANY)
def test_what_is_shown_is_text_in_utf8_and_in_xml_on_one_line(text: str) -> None:
    shown = one_line(text)
    shown.encode()
    assert len(shown.splitlines()) <= 1 and "\x1b" not in shown
    assert (fromstring(f"<a>{escape(shown)}</a>").text or "") == shown
    assert one_line(shown) == shown


@given(st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"], exclude_characters="\ufffe\uffff")))
def test_a_plain_name_is_shown_as_it_is(text: str) -> None:
    assert one_line(text) == printable(text) == text


def test_what_is_hidden_is_named() -> None:
    assert printable("a\n\tb\x1b[2J") == "a\n\tb\\x1b[2J"
    assert one_line("a\nb\u2028c") == "a\\nb\\u2028c"
    assert one_line(os.fsdecode(b"m\xf6we")) == "m\\xf6we"
