from hypothesis import given
from hypothesis import strategies as st

from orchestrator.plan.best import TrainedPoint, best_point

A = TrainedPoint("a", 0.95, 0.5)
B = TrainedPoint("b", 0.96, 0.6)
C = TrainedPoint("c", 0.80, 0.2)


def test_lowest_krr_among_those_close_to_the_standard_network():
    assert best_point([A, B, C], 0.96, 0.01) == A
    assert best_point([A, B, C], 0.97, 0.01) == B
    assert best_point([A, B, C], 0.90, 0.10) == C


def test_without_a_standard_network_the_most_accurate_point_is_the_measure():
    assert best_point([A, B, C], None, 0.005) == B
    assert best_point([A, B, C], None, 0.02) == A


def test_far_below_the_standard_network_the_most_accurate_point_is_the_measure():
    assert best_point([A, B, C], 0.99, 0.01) == A
    assert best_point([C], 0.99, 0.01) == C


def test_nothing_to_choose_from():
    assert best_point([], 0.9, 0.01) is None


candidates = st.lists(
    st.builds(TrainedPoint, st.text("abc", min_size=1), st.sampled_from([0.8, 0.9, 1.0]), st.sampled_from([0.2, 0.4])),
    min_size=1,
    unique_by=lambda candidate: candidate.key,
)


@given(candidates, st.none() | st.sampled_from([0.8, 0.9, 1.0]), st.sampled_from([0.0, 0.1]), st.randoms())
def test_the_order_does_not_matter(points, standard, tolerance, random):
    chosen = best_point(points, standard, tolerance)
    assert chosen in points
    random.shuffle(points)
    assert best_point(points, standard, tolerance) == chosen
