"""The sub-tasks of a study."""

import subprocess
import sys
from itertools import combinations
from math import comb

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo.errors import UserError
from nemo.subtasks import subtasks


@settings(deadline=None)
@given(st.data())
def test_draws_are_distinct_ascending_and_as_many_as_asked(data):
    classes = data.draw(st.integers(2, 12))
    size, samples = data.draw(st.integers(2, classes)), data.draw(st.integers(1, 300))
    tasks = subtasks(classes, [size], samples, seed=data.draw(st.integers(0, 99)))
    assert len(tasks) == len(set(tasks)) == min(samples, comb(classes, size))
    assert all(len(task) == size and set(task) <= set(range(classes)) for task in tasks)
    assert tasks == sorted(tasks) and all(list(task) == sorted(set(task)) for task in tasks)


def test_the_draw_is_pinned():
    """Another draw would be another study: this list must not change."""
    assert subtasks(10, [2, 3], 3) == [(0, 3), (3, 6), (5, 9), (2, 3, 9), (2, 8, 9), (4, 7, 8)]


def test_a_study_can_grow():
    few = subtasks(10, [2, 4], 5)
    assert set(few) < set(subtasks(10, [2, 3, 4], 10))
    assert subtasks(10, [4, 2, 4], 5) == few[5:] + few[:5]
    assert set(few) != set(subtasks(10, [2, 4], 5, seed=1))


def test_every_combination_is_as_likely():
    drawn = [task for seed in range(400) for task in subtasks(5, [2], 3, seed=seed)]
    for task in combinations(range(5), 2):
        assert 80 < drawn.count(task) < 165  # 120 expected, standard deviation 9


def test_all_and_nested():
    assert subtasks(10, [2, 3], "all") == [*combinations(range(10), 2), *combinations(range(10), 3)]
    assert subtasks(10, range(2, 11), "nested") == [tuple(range(size)) for size in range(2, 11)]
    assert len(subtasks(10, range(2, 11), 10)) == 10 * 8 + 1


def test_many_classes_need_no_enumeration():
    tasks = subtasks(100, [50], 20)
    assert len(set(tasks)) == 20 and all(len(set(task)) == 50 for task in tasks)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((10, [11], 3), "a sub-task of 11 of 10 classes is impossible, choose sizes from 2 to 10"),
        ((10, [2, 1], "all"), "a sub-task of 1 of 10 classes"),
        ((10, [11], "nested"), "a sub-task of 11 of 10 classes"),
        ((10, [2], 0), "0 is not positive"),
        ((100, [10], "all"), "17,310,309,456,440 sub-tasks of 10 of 100 classes are too many"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        subtasks(*arguments)


def test_planning_needs_no_torch():
    code = "import sys, nemo.subtasks; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
