"""Whether two means over seeds differ by more than the seeds alone make them differ."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from typing import Literal

from scipy.special import stdtrit

LEVEL = 0.95

Verdict = Literal[
    "higher", "lower", "within noise", "equal", "one seed: cannot tell", "no spread: cannot tell", "the same runs"
]

RULE = (
    f"Judged by Welch's t interval over the seeds ({LEVEL:.0%}, at least two seeds on both sides): higher or lower "
    "where it leaves out zero. Of twenty differences that are none, one is called one all the same"
)


@dataclass(frozen=True)
class Judged:
    """The difference between two means, and what can be said of it.

    Attributes:
        low, high: The ends of the interval that the difference lies in; None where nothing tells.
    """

    difference: float
    low: float | None
    high: float | None
    verdict: Verdict


def judge(first: Sequence[float], other: Sequence[float]) -> Judged:
    """How much larger the mean of `other` is than that of `first`, each with a number for every seed.

    Two samples without any spread, such as accuracies of 100 %, say nothing of how far other seeds would lie: where
    these differ it cannot be told whether more than chance did it.
    """
    difference = fmean(other) - fmean(first)
    if min(len(first), len(other)) < 2:
        return Judged(difference, None, None, "one seed: cannot tell")
    ours, theirs = (variance(sample) / len(sample) for sample in (first, other))
    if ours + theirs == 0:
        alike = math.isclose(difference, 0, abs_tol=1e-12)
        return Judged(difference, None, None, "equal" if alike else "no spread: cannot tell")
    freedom = (ours + theirs) ** 2 / (ours**2 / (len(first) - 1) + theirs**2 / (len(other) - 1))
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * math.sqrt(ours + theirs)
    low, high = difference - half, difference + half
    return Judged(difference, low, high, "higher" if low > 0 else "lower" if high < 0 else "within noise")
