"""How much of a network a module may keep (method.md 9.3); read without torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from nemo.errors import UserError

TOLERANCE = 0.02
"""By how much of itself a budget may be missed, either way; below it by more only where single units are that large."""
SHARES = ("flops", "parameters")
TIME = "milliseconds"
MEASURES = (*SHARES, TIME)


@dataclass(frozen=True)
class Budget:
    """What is kept of the untouched network, with a row per class of the set.

    Attributes:
        measure: `flops` or `parameters`, a share of them; or `milliseconds`, which one image takes on this machine.
        share: Of the whole, above 0; of milliseconds the number itself as long as the whole's is not known.
        whole: What a share of 1 is in the words of the user: 1, or the untouched network's milliseconds.
    """

    measure: str
    share: float
    whole: float = 1.0

    @classmethod
    def of(cls, given: Mapping[str, float]) -> Budget:
        """What a user wrote, such as `{"flops": 0.3}`.

        Raises:
            UserError: It is no such thing.
        """
        if len(given) != 1 or next(iter(given)) not in MEASURES:
            raise UserError(
                f"budget: {dict(given)!r} should be one of flops, parameters and {TIME}, such as {{'flops': 0.3}}."
            )
        ((measure, share),) = given.items()
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < math.inf:
            raise UserError(f"budget: {measure} should be a number above 0, not {share!r}.")
        if measure in SHARES and share > 1:
            raise UserError(f"budget: {measure} should be the share to keep, above 0 and at most 1, not {share!r}.")
        return cls(measure, float(share))

    def against(self, milliseconds: float) -> Budget:
        """The same as a share, where it is one of time; no more than the whole.

        Args:
            milliseconds: That the untouched network takes.
        """
        if self.measure != TIME:
            return self
        return replace(self, share=min(1.0, self.share / milliseconds), whole=milliseconds)

    @property
    def modelled(self) -> str:
        """What a size term takes for it: time follows FLOPs, more or less."""
        return "flops" if self.measure == TIME else self.measure

    @property
    def given(self) -> dict[str, float]:
        """As a user writes it."""
        return {self.measure: self.share * self.whole}
