"""What the settings of methods of deriving may be, in the sentences that all of them share."""

from __future__ import annotations

from nemo.errors import UserError
from nemo.methods.method import Settings


def require_whole(settings: Settings, *names: str) -> None:
    """Refuses what is no whole number from 1 on."""
    for name in names:
        if not (settings[name] >= 1 and float(settings[name]).is_integer()):
            raise UserError(f"{name}: should be a whole number from 1 on, not {settings[name]:g}.")


def require_positive(settings: Settings, *names: str) -> None:
    """Refuses what is not above 0."""
    for name in names:
        if not settings[name] > 0:
            raise UserError(f"{name}: should be above 0, not {settings[name]:g}.")


def require_not_negative(settings: Settings, *names: str) -> None:
    """Refuses what is below 0."""
    for name in names:
        if not settings[name] >= 0:
            raise UserError(f"{name}: should not be negative, but is {settings[name]:g}.")
