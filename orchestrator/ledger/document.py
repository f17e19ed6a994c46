"""Sealed documents: JSON that carries its own checksum, so that truncated or corrupted files are detected."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any

from orchestrator.storage.keys import canonical


def sealed(document: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
    """A document with its checksum, as `unsealed` will return it, and its bytes; NaN and infinities become None."""
    plain: dict[str, Any] = _finite({name: value for name, value in document.items() if name != "sha256"})
    plain["sha256"] = _checksum(plain)
    return plain, json.dumps(plain, allow_nan=False).encode()


def unsealed(data: bytes) -> dict[str, Any] | None:
    """The document in a file's bytes; None if its checksum is wrong."""
    try:
        document = json.loads(data)
        return dict(document) if document["sha256"] == _checksum(document) else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _checksum(document: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in document.items() if name != "sha256"}
    return hashlib.sha256(canonical(plain).encode()).hexdigest()


def _finite(value: Any) -> Any:
    """The same as plain JSON, with None for NaN and infinities."""
    if isinstance(value, Mapping):
        return {str(name): _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    return value
