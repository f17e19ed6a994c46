import random
from statistics import fmean

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from orchestrator.report.comparison.noise import judge

SAMPLES = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=6)


@given(SAMPLES, SAMPLES)
def test_the_interval_is_welchs(first: list[float], other: list[float]) -> None:
    assume(max(first) - min(first) > 1e-3 and max(other) - min(other) > 1e-3)
    judged = judge(first, other)
    interval = ttest_ind(other, first, equal_var=False).confidence_interval(0.95)
    assert (judged.low, judged.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-9)
    assert judged.difference == pytest.approx(fmean(other) - fmean(first), abs=1e-12)
    expected = "higher" if interval.low > 1e-9 else "lower" if interval.high < -1e-9 else "within noise"
    assert judged.verdict == expected or min(abs(interval.low), abs(interval.high)) < 1e-9


def test_seeds_alone_are_rarely_called_a_difference() -> None:
    draw = random.Random(0)
    verdicts = [judge(*([draw.gauss(0.9, 0.01) for _ in range(3)] for _ in range(2))).verdict for _ in range(4000)]
    assert verdicts.count("within noise") / len(verdicts) > 0.94
    assert verdicts.count("higher") > 0 and verdicts.count("lower") > 0


def test_a_large_difference_is_one() -> None:
    assert judge([0.90, 0.91, 0.92], [0.95, 0.96, 0.97]).verdict == "higher"
    assert judge([0.95, 0.96, 0.97], [0.90, 0.91, 0.92]).verdict == "lower"


@pytest.mark.parametrize(
    ("first", "other", "verdict"),
    [
        ([0.9], [0.1, 0.2], "one seed: cannot tell"),
        ([0.1, 0.2], [0.9], "one seed: cannot tell"),
        ([1.0, 1.0], [1.0, 1.0], "equal"),
        ([1.0, 1.0], [0.9, 0.9], "no spread: cannot tell"),
    ],
)
def test_what_cannot_be_told_is_not_told(first: list[float], other: list[float], verdict: str) -> None:
    judged = judge(first, other)
    assert (judged.verdict, judged.low, judged.high) == (verdict, None, None)
