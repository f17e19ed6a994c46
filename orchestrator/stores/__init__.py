"""Where studies lie, behind one contract."""

from __future__ import annotations

import os
from pathlib import Path

from orchestrator.stores.folder import Folder
from orchestrator.stores.store import Seen, Stamp, Store

__all__ = ["Folder", "Seen", "Stamp", "Store", "Where", "store_at"]

Where = Store | Path | str
"""A store, or what names one."""


def store_at(where: Where) -> Store:
    """The store that lies there: a folder, absolute and with `~` for the user's own."""
    return where if isinstance(where, Store) else Folder(Path(os.path.expanduser(where)).absolute())
