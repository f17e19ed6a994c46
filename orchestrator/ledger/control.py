"""What people ask of a running study: files in its storage, at which its driver looks every few seconds."""

from __future__ import annotations

from datetime import UTC, datetime

from orchestrator.ledger.document import sealed, unsealed
from orchestrator.storage import Store
from orchestrator.storage.layout import PAUSED


def pause(store: Store) -> None:
    """Asks the driver to submit nothing more.

    Raises:
        Unwritable: The store cannot be written, or is full.
    """
    store.write(PAUSED, sealed({"since": datetime.now(UTC).isoformat(timespec="seconds")})[1])


def resume(store: Store) -> None:
    """Lets the driver go on; also where it is not paused."""
    store.delete(PAUSED)


def paused_since(store: Store) -> str | None:
    """Since when a study is paused; None where it is not."""
    data = store.read(PAUSED)
    return None if data is None else str((unsealed(data) or {}).get("since", "an unknown time"))
