"""Where studies lie: the storage folder, its studies and the tracking store beside them."""

from __future__ import annotations

import os
from pathlib import Path

from nemo.errors import UserError

DATABASE, FILES = "mlflow.db", "mlartifacts"
STORES = (DATABASE, FILES)
"""What lies beside the studies: MLflow's own."""


def storage_root(given: str | Path | None = None) -> Path:
    """The storage folder: as given, else `$NEMO_STORAGE`, else `runs`; absolute.

    Raises:
        UserError: Its path is no text, which neither MLflow nor a result could hold.
    """
    path = Path(os.path.expanduser(given or os.environ.get("NEMO_STORAGE") or "runs")).absolute()
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{str(path)!a}: the storage folder's path is no text in UTF-8, choose another.") from None
    return path


def known_studies(storage: Path) -> list[str]:
    """Names of the studies that have been started under this storage."""
    return sorted({path.parent.name for name in ("study.yaml", "ledger") for path in storage.glob(f"*/{name}")})


def find_study(storage: Path, name: str) -> Path:
    """The folder of a study.

    Raises:
        UserError: There is none of that name; the sentence lists those there are.
    """
    known = known_studies(storage)
    if name in known:
        return storage / name
    there = f"known studies: {', '.join(known)}" if known else "no study has been run there yet"
    raise UserError(f"no study {name!r} under {str(storage)!r}, {there}; give another name or --storage")


def tracking_uri(storage: Path) -> str:
    """The default MLflow store of a storage folder: an SQLite file."""
    return f"sqlite:///{storage / DATABASE}"


def artifact_root(storage: Path) -> str:
    """Where the default store keeps its files, as a URI."""
    return (storage / FILES).as_uri()
