"""Content keys: the same description gives the same key, on every machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any


def canonical(value: Any) -> str:
    """The one JSON text of a value: sorted names, no spaces, ASCII.

    Raises:
        ValueError: The value holds NaN or an infinity, which JSON has no text for.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_key(value: Any) -> str:
    """The first 20 hexadecimal digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:20]


def keys_named(digits: str, keys: Iterable[str]) -> list[str]:
    """The keys that these digits may stand for: the key itself, or all that begin with them; none without digits."""
    matches = [key for key in keys if digits and key.startswith(digits)]
    return [digits] if digits in matches else matches
