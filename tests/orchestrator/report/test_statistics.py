import random
from statistics import fmean

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, ttest_ind

from orchestrator.report.statistics import judge, judge_pairs, paired

SAMPLES = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=6)


@given(SAMPLES, SAMPLES)
def test_the_interval_is_welchs(first: list[float], other: list[float]) -> None:
    assume(max(first) - min(first) > 1e-3 and max(other) - min(other) > 1e-3)
    judged = judge(first, other)
    interval = ttest_ind(other, first, equal_var=False).confidence_interval(0.95)
    assert (judged.low, judged.high) == pytest.approx((interval.low, interval.high), rel=1e-6, abs=1e-9)
    assert judged.difference == pytest.approx(fmean(other) - fmean(first), abs=1e-12)
    expected = "better" if interval.low > 1e-9 else "worse" if interval.high < -1e-9 else "unresolved"
    assert judged.verdict == expected or min(abs(interval.low), abs(interval.high)) < 1e-9


def test_seeds_alone_are_rarely_called_a_difference() -> None:
    draw = random.Random(0)
    verdicts = [judge(*([draw.gauss(0.9, 0.01) for _ in range(3)] for _ in range(2))).verdict for _ in range(4000)]
    assert verdicts.count("unresolved") / len(verdicts) > 0.94
    assert verdicts.count("better") > 0 and verdicts.count("worse") > 0


def test_a_large_difference_is_one() -> None:
    assert judge([0.90, 0.91, 0.92], [0.95, 0.96, 0.97]).verdict == "better"
    assert judge([0.95, 0.96, 0.97], [0.90, 0.91, 0.92]).verdict == "worse"


def test_less_is_better_of_what_is_kept() -> None:
    assert judge([0.90, 0.91, 0.92], [0.95, 0.96, 0.97], "krr").verdict == "worse"
    assert judge_pairs(np.array([[-0.1, -0.11], [-0.1, -0.12]]), "coupling").verdict == "better"


@pytest.mark.parametrize(
    ("first", "other"), [([0.9], [0.1, 0.2]), ([0.1, 0.2], [0.9]), ([1.0, 1.0], [1.0, 1.0]), ([1.0, 1.0], [0.9, 0.9])]
)
def test_what_cannot_be_told_is_not_told(first: list[float], other: list[float]) -> None:
    judged = judge(first, other)
    assert (judged.verdict, judged.low, judged.high) == ("unresolved", None, None)


@pytest.mark.parametrize("spreads", [(1.0, 1.0, 1.0), (2.0, 1.0, 0.5), (0.2, 2.0, 0.5), (1.0, 0.3, 0.3)])
def test_the_interval_over_seeds_and_subtasks_covers_a_known_difference(spreads: tuple[float, float, float]) -> None:
    """Three seeds, five sub-tasks, 1,000 draws; spreads of seeds, of sub-tasks and of the rest."""
    draw, covered = np.random.default_rng(1), 0
    for _ in range(1000):
        parts = zip(spreads, ((3, 1), (1, 5), (3, 5)), strict=True)
        judged = judge_pairs(0.7 + sum(spread * draw.normal(size=size) for spread, size in parts))
        assert judged.low is not None and judged.high is not None
        covered += judged.low <= 0.7 <= judged.high
    assert 930 <= covered <= 970


def test_an_interval_over_one_subtask_is_the_one_over_its_seeds() -> None:
    differences = np.array([[0.1], [0.3], [0.2]])
    interval = ttest_1samp(differences[:, 0], 0).confidence_interval(0.95)
    judged = judge_pairs(differences)
    assert (judged.low, judged.high) == pytest.approx((interval.low, interval.high))
    assert judge_pairs(differences[:1]).verdict == "unresolved"
    assert judge_pairs(np.zeros((3, 2))).verdict == "unresolved"


def test_pairs_are_those_of_the_same_seed_and_subtask() -> None:
    rows = [(0, [1, 2], 0.1), (1, [1, 2], 0.2), (1, [3, 4], 0.9), (0, [3, 4], 0.5)]
    first = pl.DataFrame(rows, schema=["seed", "classes", "accuracy"], orient="row")
    other = first.with_columns(pl.col("accuracy") + pl.col("seed") * 0.1).sort("accuracy")
    found = paired(first, other, "accuracy")
    assert found is not None
    assert found == pytest.approx(np.array([[0.0, 0.0], [0.1, 0.1]]))
    assert paired(first, other.filter(pl.col("seed") == 0), "accuracy") is None
    lacking = other.filter((pl.col("seed") == 1) | (pl.col("classes").list.first() == 1))
    assert paired(first, lacking, "accuracy") == pytest.approx(np.array([[0.0], [0.1]]))
