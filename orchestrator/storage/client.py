"""The client of an object store: its address, timeouts and retries, and one-sentence messages for its errors."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import HTTPStore, LocalStore, MemoryStore, from_url

from nemo.errors import UserError
from orchestrator.storage.files import Unwritable
from orchestrator.system.credentials import masked

if TYPE_CHECKING:
    from obstore.store import ClientConfig, ObjectStore, RetryConfig

PATIENCE: RetryConfig = {"max_retries": 20, "retry_timeout": timedelta(minutes=3)}
"""How long a request is retried while a server is away, answers 500 or limits the rate of requests."""

SHORT_PATIENCE: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=10)}
"""The same for the first request of a command, which a mistyped address must not let wait."""

_CLIENT: ClientConfig = {"connect_timeout": "5s", "read_timeout": "60s", "timeout": "15m"}
"""A request may take long, such as a checkpoint's, but may not stall for a minute."""

_ALLOW_HTTP = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP")
"""Read here, because client options that we pass replace those of the environment."""

_NOISE = (r"^Generic \w+ error: ", r"^.*Error performing .* - ", r"Server returned .*?: (?=\d{3} )", r":\s*(<.*)?$")
"""Parts of an error's text that do not say what went wrong: the request, and the answer's XML."""

_REMEDIES = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "ab": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "ad": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""The variables with credentials and endpoint, by the first two letters of the scheme."""


def client_of(url: str, patience: RetryConfig) -> ObjectStore:
    """A client for a bucket, with these retries; it makes no request yet.

    Raises:
        UserError: The URL names no bucket, or has more than its place, such as a password.
    """
    parts = urlsplit(url)
    if parts.password is not None or parts.query or parts.fragment:
        raise UserError(
            f"{masked(url)}: says more than where the storage is, give s3://bucket/prefix alone: who you are and where "
            "the server is comes from the environment (docs/storage.md)."
        )
    allow_http = any(os.environ.get(name, "").lower() in ("1", "true", "yes") for name in _ALLOW_HTTP)
    try:
        client = from_url(url, client_options={**_CLIENT, "allow_http": allow_http}, retry_config=patience)
    except (BaseError, ValueError) as error:
        if parts.scheme[:2] in _REMEDIES:
            raise UserError(f"{url}: cannot be used ({_reason(error)}), check {_remedy(url)}.") from error
        client = None
    if client is None or isinstance(client, HTTPStore | LocalStore | MemoryStore) or not parts.netloc:
        raise UserError(f"{url}: is no storage, give a folder, s3://bucket/prefix, gs://bucket/prefix or the like.")
    return client


def shared_client(url: str) -> ObjectStore:
    """One client for all who use a bucket in this process, with its open connections."""
    return _shared(url, tuple(sorted(os.environ.items())))


@lru_cache(maxsize=32)
def _shared(url: str, environment: tuple[tuple[str, str], ...]) -> ObjectStore:
    return client_of(url, PATIENCE)


@contextmanager
def as_unwritable(url: str) -> Iterator[None]:
    """Turns the errors of requests into an `Unwritable` of one sentence; the block itself handles missing files.

    Raises:
        Unwritable: The request failed for good.
    """
    try:
        yield
    except (BaseError, FileNotFoundError) as error:
        raise _sentence(url, error) from error


def _sentence(url: str, error: Exception) -> Unwritable:
    """Why a request failed for good, and what to do about it."""
    reason = _reason(error)
    if isinstance(error, FileNotFoundError) or reason.startswith("404 "):
        return Unwritable(f"{url}: there is no such bucket, create it or set `storage` in the study to another.")
    if isinstance(error, PermissionDeniedError | UnauthenticatedError) or reason.startswith(("401 ", "403 ")):
        return Unwritable(f"{url}: may not be used ({reason}), check {_remedy(url)}, and what they may do there.")
    return Unwritable(f"{url}: does not answer ({reason}), start it, or check {_remedy(url)}, and the network.")


def _remedy(url: str) -> str:
    return _REMEDIES.get(url[:2], "the credentials and the endpoint in the environment")


def _reason(error: Exception) -> str:
    """The cause of an error, in a few words."""
    text = str(error).strip() or type(error).__name__
    system_message = re.search(r'(?:message|error): "([^"]+)"', text)
    if system_message:
        return system_message[1]
    line = text.splitlines()[0]
    for pattern in _NOISE:
        line = re.sub(pattern, "", line)
    return line[:200]
