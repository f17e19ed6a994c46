"""The methods of deriving by their names."""

from __future__ import annotations

from nemo.deriving import activation, drawn, magnitude, masksearch
from nemo.deriving.task import Derivation
from nemo.errors import UserError

DERIVATIONS: dict[str, Derivation] = {
    each.method.name: each
    for each in (masksearch.DERIVATION, activation.DERIVATION, magnitude.DERIVATION, drawn.DERIVATION)
}
"""Name -> method; `random` is there to be beaten."""


def derivation(name: str) -> Derivation:
    """The method of a name.

    Raises:
        UserError: There is none.
    """
    if name not in DERIVATIONS:
        raise UserError(f"method: {name!r} is unknown, choose among {', '.join(DERIVATIONS)}.")
    return DERIVATIONS[name]
