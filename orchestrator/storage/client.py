"""The client of an object store: how it is reached, how long it is waited for, and the words for what goes wrong."""

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
"""For so long a request is tried again while a server is away, answers 500 or asks to be asked less often."""

SHORT_PATIENCE: RetryConfig = {"max_retries": 4, "retry_timeout": timedelta(seconds=10)}
"""The same for the first request of a command, which a mistyped address must not let wait."""

_CLIENT: ClientConfig = {"connect_timeout": "5s", "read_timeout": "60s", "timeout": "15m"}
"""A request may take long, for a checkpoint is one; silence in the middle of it may not."""

_ALLOW_HTTP = ("AWS_ALLOW_HTTP", "AZURE_ALLOW_HTTP", "GOOGLE_ALLOW_HTTP")
"""Read here, because options of ours win over all of the environment's."""

_NOISE = (r"^Generic \w+ error: ", r"^.*Error performing .* - ", r"Server returned .*?: (?=\d{3} )", r":\s*(<.*)?$")
"""What an error says besides what went wrong: the request, and the answer's XML."""

_REMEDIES = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "ab": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
    "ad": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
"""What says who we are and where, by the first two letters of the scheme."""


def client_of(url: str, patience: RetryConfig) -> ObjectStore:
    """A client for a bucket, which tries again for so long; nothing is asked yet.

    Raises:
        UserError: The URL names no bucket, or says more than where it is.
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
def told(url: str) -> Iterator[None]:
    """Turns what a request fails with into one sentence; that something is not there is left to the block.

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
    """What went wrong, in a few words."""
    told = str(error).strip() or type(error).__name__
    of_the_system = re.search(r'(?:message|error): "([^"]+)"', told)
    if of_the_system:
        return of_the_system[1]
    line = told.splitlines()[0]
    for noise in _NOISE:
        line = re.sub(noise, "", line)
    return line[:200]
