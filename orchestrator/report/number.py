"""A number in a table: the text that readers see, which knows the number that it shows."""

from __future__ import annotations

import math
from typing import Self


class Number(str):
    """A cell of a `Table`: its text, `44.19 ±4.35`, and as numbers what that text says, for whoever goes on with them.

    Attributes:
        value: Rounded as it is shown, in the unit of the column.
        spread: The same of its spread; None where none is shown.
        whole: Whether they are whole numbers.
    """

    value: float
    spread: float | None
    whole: bool

    def __new__(cls, value: float, digits: int = 0, spread: float | None = None, *, signed: bool = False) -> Self:
        """A number with so many digits after the point, if need be with a plus."""
        text = f"{value:{'+' if signed else ''}.{digits}f}" + ("" if spread is None else f" ±{spread:.{digits}f}")
        number = super().__new__(cls, text)
        number.value = round(value, digits)
        number.spread = None if spread is None else round(spread, digits)
        number.whole = digits == 0
        return number

    @classmethod
    def significant(cls, value: float, digits: int = 6) -> Self:
        """A number with so many significant digits, and no zeros at its end."""
        number = super().__new__(cls, f"{value:.{digits}g}")
        number.value = round(value, digits - 1 - math.floor(math.log10(abs(value)))) if value else 0.0
        number.spread = None
        number.whole = float(number.value).is_integer()
        return number
