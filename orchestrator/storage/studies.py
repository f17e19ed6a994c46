"""Where studies lie: the storage, its studies and the tracking store beside them."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

from nemo.errors import UserError
from orchestrator.storage import Store, Where, store_at
from orchestrator.storage.files import Unwritable
from orchestrator.storage.layout import DATABASE, FILES, LEDGER, SUBMITTED

_LONGEST_NAME = 255  # bytes, of most disks
_LONGEST_PATH = 4096 - 512  # bytes, of Linux, less what a study's files have below the storage


def storage_root(given: Where | None = None) -> Store:
    """Where the studies lie: as given, else `$NEMO_STORAGE`, else the folder `runs`; absolute.

    Raises:
        UserError: Its path is no text, which neither MLflow nor a result could hold, or too long; or it is a bucket
            that does not exist, does not answer, or may not be used.
    """
    root = default_storage() if given is None else store_at(given)
    try:
        str(root).encode()
    except UnicodeEncodeError:
        raise UserError(f"{str(root)!a}: the storage folder's path is no text in UTF-8, choose another.") from None
    if not root.remote:
        _check_length(root.local)
    root.check()
    return root


def _check_length(folder: Path) -> None:
    """Refuses a folder whose own name, or path with that of a study's files, is longer than a path may be."""
    path = os.fsencode(folder)
    if len(path) > _LONGEST_PATH or max(map(len, path.split(b"/"))) > _LONGEST_NAME:
        raise UserError(f"{folder}: is too long a path for a storage folder, choose a shorter one.")


def default_storage() -> Store:
    """Where the studies lie by default; this does not access it."""
    return store_at(os.environ.get("NEMO_STORAGE") or "runs")


def known_studies(storage: Store) -> list[str]:
    """Names of the studies that have been started under this storage; folders that cannot be read are left out."""

    def is_study(name: str) -> bool:
        try:
            return bool({SUBMITTED, LEDGER} & (storage / name).below())
        except Unwritable:  # the store is away
            raise
        except UserError:  # such as lost+found
            return False

    return sorted(name for name in storage.below() if is_study(name))


def find_study(storage: Store, name: str) -> Store:
    """Where a study lies.

    Raises:
        UserError: There is none of that name; the message lists the existing ones.
    """
    known = known_studies(storage)
    if name in known:
        return storage / name
    hint = f"known studies: {', '.join(known)}" if known else "no study has been run there yet"
    raise UserError(f"no study {name!r} under {str(storage)!r}, {hint}; give another name or --storage")


def study_at(path_or_name: Where, storage: Where | None = None) -> Store:
    """Where a study lies that is given by name, or by its place: a path or a URL, which no name can be.

    Raises:
        UserError: There is none, or both its place and a storage are given.
    """
    text = str(path_or_name)
    if isinstance(path_or_name, str) and "/" not in text and os.sep not in text:
        return find_study(storage_root(storage), text)
    if storage is not None:
        raise UserError(f"{text}: says where the study lies, leave the storage out or give its name alone.")
    place = store_at(path_or_name)
    return find_study(storage_root(place.parent), place.name)


def tracking_uri(storage: Path) -> str:
    """The default MLflow store of a storage folder: an SQLite file.

    Where the path holds what an address is read by, it is quoted; the driver is named because MLflow takes what follows
    `sqlite:///` for a path as it is, and makes its folders.
    """
    path = str(storage / DATABASE)
    return f"sqlite+pysqlite:///{quote(path)}" if {"?", "%"} & {*path} else f"sqlite:///{path}"


def artifact_root(storage: Path) -> str:
    """Where the default store keeps its files, as a URI."""
    return (storage / FILES).as_uri()
