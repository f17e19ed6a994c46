"""A method's settings: numbers and words, with their defaults."""

from __future__ import annotations

import pytest

import nemo
from nemo.methods import METHODS, Method

CHOOSY = Method("choosy", {"weight": 0.5, "form": ("round", "square")})


def test_the_first_word_is_the_default() -> None:
    assert CHOOSY.complete({}) == {"weight": 0.5, "form": "round"}
    assert CHOOSY.complete({"form": "square", "weight": 2.0}) == {"weight": 2.0, "form": "square"}


@pytest.mark.parametrize("value", ["sqare", 1.0, ""])
def test_other_words_are_refused_with_the_choices(value: float | str) -> None:
    with pytest.raises(nemo.UserError, match=f"^form: should be 'round' or 'square', not {value!r}.$"):
        CHOOSY.complete({"form": value})


def test_a_step_is_told_no_word_that_is_the_default() -> None:
    assert CHOOSY.telling(CHOOSY.complete({})) == {"weight": 0.5}
    assert CHOOSY.telling({"weight": 0.5, "form": "square"}) == {"weight": 0.5, "form": "square"}
    for method in METHODS.values():  # what a step is told is completed to the same settings again
        assert method.complete(method.telling(method.complete({}))) == method.complete({})
