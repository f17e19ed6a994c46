"""The rule by which the best sweep point is chosen; on validation images only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class TrainedPoint:
    """A finished sweep point: its training's key, its validation accuracy and its module-level KRR."""

    key: str
    accuracy: float
    krr: float


def best_point(
    candidates: Sequence[TrainedPoint], standard_accuracy: float | None, tolerance: float
) -> TrainedPoint | None:
    """The candidate with the lowest KRR among those that are accurate enough.

    Accurate enough is at most `tolerance` below the standard network's validation accuracy; where no candidate is,
    or no standard network was trained, at most `tolerance` below the most accurate candidate's.

    Args:
        candidates: The finished points; without any, there is no best one.
        standard_accuracy: Validation accuracy of the standard network of the same pair and seed.
        tolerance: A fraction of the images.

    Returns:
        The best one; of equals the more accurate, then the one with the smaller key.
    """
    if not candidates:
        return None
    reference = max(candidate.accuracy for candidate in candidates)
    if standard_accuracy is not None and reference >= standard_accuracy - tolerance:
        reference = standard_accuracy
    enough = [candidate for candidate in candidates if candidate.accuracy >= reference - tolerance]
    return min(enough, key=lambda candidate: (candidate.krr, -candidate.accuracy, candidate.key))
