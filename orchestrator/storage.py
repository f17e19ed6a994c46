"""Where studies lie: the storage folder, its studies and the tracking store beside them."""

from __future__ import annotations

import os
from pathlib import Path

from nemo.errors import UserError


def storage_root(given: str | Path | None = None) -> Path:
    """The storage folder: as given, else `$NEMO_STORAGE`, else `runs`; absolute."""
    return Path(given or os.environ.get("NEMO_STORAGE") or "runs").expanduser().absolute()


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
    return f"sqlite:///{storage / 'mlflow.db'}"


def artifact_root(storage: Path) -> str:
    """Where the default store keeps its files, as a URI."""
    return (storage / "mlartifacts").as_uri()
