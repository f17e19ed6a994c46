"""How much of a network a module may keep (method.md 9.3); read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nemo.errors import UserError

TOLERANCE = 0.02
"""By how much of itself a budget may be missed, either way; below it by more only where single units are that large."""
MEASURES = ("flops", "parameters")


@dataclass(frozen=True)
class Budget:
    """The share of the untouched network's FLOPs or parameters, with a row per class of the set, that is kept.

    Attributes:
        measure: `flops` or `parameters`.
        share: Above 0, at most 1.
    """

    measure: str
    share: float

    @classmethod
    def of(cls, given: Mapping[str, float]) -> Budget:
        """What a user wrote, such as `{"flops": 0.3}`.

        Raises:
            UserError: It is no such thing.
        """
        if len(given) != 1 or next(iter(given)) not in MEASURES:
            raise UserError(f"budget: {dict(given)!r} should be one of flops and parameters, such as {{'flops': 0.3}}.")
        ((measure, share),) = given.items()
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
            raise UserError(f"budget: {measure} should be the share to keep, above 0 and at most 1, not {share!r}.")
        return cls(measure, float(share))

    @property
    def given(self) -> dict[str, float]:
        """As a user writes it."""
        return {self.measure: self.share}
