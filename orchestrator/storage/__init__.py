"""Where studies lie: a folder, or a bucket of an object store, behind one contract."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from orchestrator.storage.folder import Folder
from orchestrator.storage.store import Seen, Stamp, Store

__all__ = ["Folder", "Seen", "Stamp", "Store", "Where", "store_at"]

Where = Store | Path | str
"""A store, or what names one: a folder's path, or a bucket's URL."""


def store_at(where: Where) -> Store:
    """The store that lies there: a folder, absolute and with `~` for the user's own, or a bucket.

    Raises:
        UserError: It is a URL that names no bucket, or has more than its place, such as a password.
    """
    if isinstance(where, Store):
        return where
    if isinstance(where, str) and "://" in where:
        if not where.startswith("file://"):
            from orchestrator.storage.bucket import bucket_at

            return bucket_at(where)
        where = url2pathname(urlsplit(where).path)
    return Folder(Path(os.path.expanduser(where)).absolute())
