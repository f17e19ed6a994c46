"""The dashboard of a Ray cluster, used over HTTP; its errors become one-sentence messages."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobSubmissionClient

from nemo.errors import UserError
from orchestrator.cluster.cluster import Cluster
from orchestrator.system.credentials import masked

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for an answer."""

for _chatty in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk", "_private.runtime_env.packaging"):
    logging.getLogger(f"ray.{_chatty}").setLevel(logging.WARNING)


class Unreachable(UserError):
    """Nothing answers at an address."""


class TryAgain(UserError):
    """The head has just started, or somebody else was quicker."""


class Dashboard:
    """A cluster's dashboard, and what it reports about its nodes.

    Args:
        address: Such as `http://127.0.0.1:8265`.

    Attributes:
        name: The address as it may be shown.
        client: Ray's client; to be used within `asking`.

    Raises:
        UserError: Nothing answers there, or not to this token, or not as a Ray head does.
    """

    def __init__(self, address: str) -> None:
        self._address = (address if "://" in address else f"http://{address}").rstrip("/")
        self.name = masked(self._address)
        if not self._address.startswith(("http://", "https://")):
            raise UserError(
                f"--address {masked(address)}: is no address of a dashboard; give that of the cluster's, as in "
                "http://127.0.0.1:8265."
            )
        with self.asking(), _only_here(self._address):
            self.client = _Client(self._address)

    def cluster(self) -> Cluster | None:
        """The resources of its living nodes; None if they are unknown, or if the cluster grows on demand."""
        nodes = self._get("/api/v0/nodes?limit=10000").get("data", {}).get("result", {}).get("result", [])
        alive = [node["resources_total"] for node in nodes if node.get("state") == "ALIVE"]
        if not alive or self._grows():
            return None
        return Cluster(self.name, tuple((each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in alive))

    def versions(self) -> dict[str, str]:
        """The versions of Ray and Python that its head runs; unknown ones are left out."""
        metadata = self._get("/api/v0/cluster_metadata").get("data", {})
        versions = {"Ray": metadata.get("rayVersion"), "Python": metadata.get("pythonVersion")}
        return {name: version for name, version in versions.items() if version}

    def python(self) -> str:
        """The Python of its head's environment, which the PATH there need not have."""
        for seconds in (1, 2, 4, 8, 0):  # a head that has just started does not know yet
            summary = self._get("/nodes?view=summary").get("data", {}).get("summary", [])
            for node in sorted(summary, key=lambda node: not node.get("raylet", {}).get("isHeadNode")):
                for word in node.get("cmdline", []):
                    if match := re.match(r"--python_worker_command=(\S*/python[\d.]*) ", word):
                        return match[1]
            time.sleep(seconds)
        return "python3"

    def _grows(self) -> bool:
        """Whether nodes may be started; True if that is unknown."""
        status = self._get("/api/cluster_status").get("data", {}).get("clusterStatus") or {}
        types = (status.get("autoscalerReport") or {}).get("nodeTypeMapping") or {"": ""}
        return not all(name.startswith("node_") for name in types.values())  # Ray's name of a node that it didn't start

    def _get(self, path: str) -> dict[str, Any]:
        with self.asking():
            answer = self.client._do_request("GET", path)
            return dict(answer.json()) if answer.ok else {}

    @contextmanager
    def asking(self) -> Iterator[None]:
        """Turns errors of requests into a `UserError` of one sentence."""
        address = f"--address {self.name}"
        try:
            yield
        except AuthenticationError as error:
            raise UserError(f"{address}: {_why_not_let_in(error.message)}") from None
        except (requests.ConnectionError, requests.Timeout, ConnectionError) as error:
            raise Unreachable(
                f"{address}: no dashboard of a Ray head answers there; check the host and the port (8265, not Ray's "
                "own 6379), and the tunnel to it."
            ) from error
        except (requests.RequestException, LookupError, TypeError) as error:  # the last two: it is JSON of another kind
            raise UserError(
                f"{address}: what answers there is no dashboard of a Ray head ({type(error).__name__}); give its "
                "address, as in http://127.0.0.1:8265."
            ) from error
        except RuntimeError as error:
            text = str(error)
            if "No available agent" in text or "already exists" in text:
                raise TryAgain(f"{address}: the head takes no job yet ({_reason(text)}); try again later.") from error
            raise UserError(f"{address}: the head refuses ({_reason(text)}); see its dashboard's log.") from error


class _Client(JobSubmissionClient):
    """Ray's client with timeouts, for servers that accept connections and never answer."""

    def _do_request(self, *args: Any, **kwargs: Any) -> Any:
        proxies = {"http": "", "https": ""} if _is_here(self._address) else None  # the token is for nobody else
        return super()._do_request(*args, **{"timeout": TIMEOUT, "proxies": proxies, **kwargs})


def _is_here(address: str) -> bool:
    """Whether an address is of this machine, as that of a tunnel is: it is opened without a proxy."""
    host = urlsplit(address).hostname or ""
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


@contextmanager
def _only_here(address: str) -> Iterator[None]:
    """Ray's client prefers RAY_ADDRESS to the address that it is given, and RAY_API_SERVER_ADDRESS to both."""
    name = "RAY_API_SERVER_ADDRESS"
    before = os.environ.get(name)
    os.environ[name] = address
    try:
        yield
    finally:
        os.environ.pop(name)
        if before is not None:
            os.environ[name] = before


def _why_not_let_in(text: str) -> str:
    how = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the cluster's or RAY_AUTH_TOKEN_PATH to its file."
    if text.startswith("Authentication failed"):
        return f"the token is not this cluster's; {how}"
    return f"a token is missing; {how}"


def _reason(text: str) -> str:
    """The last line of an answer, which may be a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines or ["no reason"])[-1].rstrip(".")[:300]
