"""The methods of deriving by their names; read without torch."""

from __future__ import annotations

from nemo.deriving import activation, drawn, magnitude, masksearch, moefication, nuwa
from nemo.deriving.task import Derivation
from nemo.errors import UserError

_FILES = (masksearch, nuwa, moefication, activation, magnitude, drawn)
DERIVATIONS: dict[str, Derivation] = {each.DERIVATION.method.name: each.DERIVATION for each in _FILES}
"""Name -> method; `random` is there to be beaten."""


def derivation(name: str) -> Derivation:
    """The method of a name.

    Raises:
        UserError: There is none.
    """
    if name not in DERIVATIONS:
        raise UserError(f"method: {name!r} is unknown, choose among {', '.join(DERIVATIONS)}.")
    return DERIVATIONS[name]
