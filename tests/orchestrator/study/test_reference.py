"""docs/study.md has the tables that the fields' own words make."""

from __future__ import annotations

from pathlib import Path

import pytest

from nemo.datasets.options import OPTIONS
from nemo.deriving.methods import DERIVATIONS
from nemo.methods import METHODS
from orchestrator.study.reference import MODELS, renewed, tables
from orchestrator.study.words import Words, words_of

PAGES = Path(__file__).parents[3] / "docs"


def test_the_page_has_the_tables_as_they_are_now() -> None:
    page = (PAGES / "study.md").read_text()
    assert page == renewed(page), "run: python -m orchestrator.study.reference docs/study.md"
    assert all(table in page for table in tables().values())


@pytest.mark.parametrize("heading", MODELS)
def test_every_field_has_words(heading: str) -> None:
    assert not [name for name, words in words_of(MODELS[heading]).items() if not words.text]


def test_every_setting_and_option_has_words() -> None:
    assert {name: set(method.told) for name, method in METHODS.items()} == {
        name: set(method.settings) for name, method in METHODS.items()
    }
    assert all(option.told and option.of for option in OPTIONS.values())


def test_the_paragraphs_of_a_string_below_a_field() -> None:
    text = "pixels: one\n    number\n\n    Left out: the data set's\n\n    Example: [48, 64]\n    "
    assert Words.of(text) == Words("pixels: one number", "the data set's", ([48, 64],))


def test_a_heading_that_is_gone_is_told() -> None:
    page = (PAGES / "study.md").read_text().replace("## sweep\n", "## sweeps\n")
    with pytest.raises(ValueError, match="there is no heading 'sweep'"):
        renewed(page)


def test_the_page_of_deriving_has_every_method_and_setting() -> None:
    page = (PAGES / "trained-networks.md").read_text()
    for name, each in DERIVATIONS.items():
        assert f"| `{name}` |" in page
        table = page.partition(f"| setting of `{name}` |")[2].partition("\n\n")[0] or page
        assert [setting for setting in each.method.settings if f"`{setting}`" not in table] == [], name
