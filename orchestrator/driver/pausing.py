"""Pausing and resuming a study that runs, from any machine that sees its storage."""

from __future__ import annotations

from datetime import UTC, datetime

from nemo.errors import UserError
from orchestrator.ledger import control
from orchestrator.ledger.lease import read_owner, seems_alive
from orchestrator.storage import Store


def pause_study(store: Store) -> str:
    """Asks a study's driver to submit nothing more; returns the sentence about it.

    Raises:
        UserError: Nobody runs it, or its storage cannot be written.
    """
    owner = read_owner(store)
    if owner is None or not seems_alive(owner, datetime.now(UTC)):
        raise UserError(f"{store.name}: nobody runs it, so there is nothing to pause; nemo run carries on with it.")
    if (since := control.paused_since(store)) is not None:
        return f"{store.name} is paused since {since}; nemo resume {store.name} goes on"
    control.pause(store)
    return (
        f"{store.name}, run by {owner.text}, submits nothing more in a few seconds; what runs goes on to its end, "
        f"and nemo resume {store.name} goes on"
    )


def resume_study(store: Store) -> str:
    """Lets a paused study go on; returns the sentence about it.

    Raises:
        UserError: Its storage cannot be written.
    """
    if control.paused_since(store) is None:
        return f"{store.name} is not paused"
    control.resume(store)
    return f"{store.name} goes on in a few seconds"
