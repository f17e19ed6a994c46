from hypothesis import given
from hypothesis import strategies as st

from orchestrator.report.number import Number

values = st.floats(-1e9, 1e9)


@given(values, st.integers(0, 4), st.none() | st.floats(0, 1e6))
def test_its_text_says_its_number(value: float, digits: int, spread: float | None) -> None:
    number = Number(value, digits, spread)
    mean, *spreads = number.split(" ±")
    assert float(mean) == number.value
    assert [float(each) for each in spreads] == ([] if number.spread is None else [number.spread])
    assert number.whole == ("." not in number)


@given(values | st.sampled_from([0.0, 1e-5, 999_999.7, 0.1, 1e-300]), st.integers(1, 6))
def test_significant_digits_say_their_number(value: float, digits: int) -> None:
    number = Number.significant(value, digits)
    assert float(number) == number.value
    assert number.whole == number.value.is_integer()


def test_it_is_the_text_that_tables_show() -> None:
    assert [Number(3), Number(44.187, 2, 4.3), Number(0.5, 1, signed=True)] == ["3", "44.19 ±4.30", "+0.5"]
    assert [Number.significant(each) for each in (0.9, 10.0, 1e-05)] == ["0.9", "10", "1e-05"]
