"""The studies that were submitted to a cluster, as Ray's Jobs API knows them; nothing of it is kept here."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
import requests
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient

from nemo.errors import UserError
from orchestrator.credentials import masked
from orchestrator.head import Cluster

STUDY, NONCE = "nemo.study", "nemo.nonce"
"""Metadata of a job of ours: its study; and what tells a submission whose answer was lost from somebody else's."""

TIMEOUT = (10.0, 60.0)
"""Seconds to connect, and to wait for an answer."""

ENDS_WITHIN = 120
"""Seconds that a stopped job gets to end in order; Ray's own default of 3 ends none."""

RECONNECTS = 30
"""How often a log that is followed looks whether a cluster that is away is back, every two seconds."""

RETRIES = (1, 2, 4, 8, 15, 15)
"""Seconds between the attempts to submit to a head that has just started."""

for _chatty in ("dashboard.modules.dashboard_sdk", "dashboard.modules.job.sdk", "_private.runtime_env.packaging"):
    logging.getLogger(f"ray.{_chatty}").setLevel(logging.WARNING)


@dataclass(frozen=True)
class Job:
    """One run of a study on a cluster.

    Attributes:
        id: `<study>-r<number>`.
        state: `pending`, `running`, `stopped`, `succeeded` or `failed`.
        started: When it was submitted.
        ended: None while it has not.
        exit_code: Of `nemo run` there; None where it did not come to that.
        message: Ray's own words about the state.
    """

    id: str
    study: str
    number: int
    state: str
    started: datetime | None
    ended: datetime | None
    exit_code: int | None
    message: str

    @property
    def over(self) -> bool:
        """Whether its state can't change any more."""
        return self.state not in ("pending", "running")

    @property
    def text(self) -> str:
        """How it stands, in a line."""
        shown = {"started": self.started, "ended": self.ended}
        times = ", ".join(f"{name} {time:%Y-%m-%d %H:%M:%S} UTC" for name, time in shown.items() if time)
        code = f" (exit code {self.exit_code})" if self.exit_code else ""
        return f"{self.id}: {self.state}{code}, {times}"


class Jobs:
    """The jobs of one cluster.

    Args:
        address: That of its dashboard, such as `http://127.0.0.1:8265`.

    Raises:
        UserError: Nothing answers there, or not to this token, or not as a Ray head does.
    """

    def __init__(self, address: str) -> None:
        self.address = (address if "://" in address else f"http://{address}").rstrip("/")
        if not self.address.startswith(("http://", "https://")):
            raise UserError(
                f"--address {masked(address)}: is no address of a dashboard; give that of the cluster's, as in "
                "http://127.0.0.1:8265."
            )
        with self._asking(), _only_here(self.address):
            self._client = _Client(self.address)

    def runs(self, study: str | None = None) -> list[Job]:
        """The jobs that ran studies, or this one, in the order of their numbers."""
        with self._asking():
            found = [job for details in self._client.list_jobs() if (job := _job(details)) is not None]
        return sorted((job for job in found if study in (None, job.study)), key=lambda job: (job.study, job.number))

    def find(self, name: str) -> Job:
        """The last job of the study of this name, or the job of this id.

        Raises:
            UserError: There is neither; the sentence lists the studies there are.
        """
        runs = self.runs()
        found = [job for job in runs if job.study == name] or [job for job in runs if job.id == name]
        if found:
            return found[-1]
        known = ", ".join(dict.fromkeys(job.study for job in runs))
        there = f"those there are: {known}" if known else "none was submitted since its head started"
        raise UserError(f"no study or job {name!r} on {masked(self.address)}, {there}; give another name or --address.")

    def submit(self, study: str, entrypoint: str, runtime_env: Mapping[str, Any]) -> Job:
        """Starts the next job of a study.

        Raises:
            UserError: One of it has not ended, or the cluster takes none.
        """
        nonce, tried = secrets.token_hex(8), False
        for seconds in (*RETRIES, None):
            before = self.runs(study)
            if tried and before and self._nonce(before[-1]) == nonce:
                return before[-1]  # it was taken, though the answer was that it was not
            for job in before:
                if not job.over:
                    raise UserError(
                        f"{job.id} is {job.state} on {masked(self.address)}; let it go on, or end it with nemo stop "
                        f"{job.id} first."
                    )
            number = max((job.number for job in before), default=0) + 1
            try:
                with self._asking():
                    self._client.submit_job(
                        submission_id=f"{study}-r{number}",
                        entrypoint=entrypoint,
                        runtime_env=dict(runtime_env),
                        metadata={STUDY: study, NONCE: nonce},
                    )
                return self.find(f"{study}-r{number}")
            except _TryAgain:
                if seconds is None:
                    raise
                tried = True
                time.sleep(seconds)
        raise AssertionError("the last attempt returns or raises")

    def log(self, job: Job) -> str:
        """What a job has written so far."""
        with self._asking():
            return self._client.get_job_logs(job.id)

    def follow(self, job: Job, write: Callable[[str], object]) -> Job:
        """Hands on what a job has written and writes until it ends; a connection that breaks is made again.

        Returns:
            The job as it ended.
        """
        written = 0
        while True:
            position = 0

            def hand_on(text: str) -> None:
                nonlocal written, position
                position += len(text)
                if position > written:  # the server starts again at the beginning
                    write(text[written - position :])
                    written = position

            with suppress(aiohttp.ClientError, OSError, RuntimeError):
                asyncio.run(self._tail(job, hand_on))
            job = self._patiently(job)
            if job.over:
                return job

    def _patiently(self, job: Job) -> Job:
        """How a job stands now; waits for a while for a cluster that does not answer."""
        for _ in range(RECONNECTS):
            with suppress(Unreachable):
                time.sleep(2)
                return self.find(job.id)
        return self.find(job.id)

    def stop(self, job: Job) -> Job:
        """Ends a job in order, and waits until it has; one that is over is left as it is.

        Raises:
            UserError: It does not end.
        """
        with self._asking():
            if not job.over:
                self._client.stop_job(job.id)
        deadline = time.monotonic() + ENDS_WITHIN + 60
        while not job.over:
            if time.monotonic() > deadline:
                raise UserError(f"{job.id}: has not ended in {ENDS_WITHIN + 60} s; see nemo logs {job.id}, try again.")
            time.sleep(1)
            job = self.find(job.id)
        return job

    def cluster(self) -> Cluster | None:
        """What its living nodes have; None where that can't be told, or where it grows when more is wanted."""
        nodes = self._get("/api/v0/nodes?limit=10000").get("data", {}).get("result", {}).get("result", [])
        alive = [node["resources_total"] for node in nodes if node.get("state") == "ALIVE"]
        if not alive or self._grows():
            return None
        return Cluster(self.address, tuple((each.get("CPU", 0.0), each.get("GPU", 0.0)) for each in alive))

    def versions(self) -> dict[str, str]:
        """The versions of Ray and Python that its head runs; what it does not tell is left out."""
        told = self._get("/api/v0/cluster_metadata").get("data", {})
        found = {"Ray": told.get("rayVersion"), "Python": told.get("pythonVersion")}
        return {name: version for name, version in found.items() if version}

    def python(self) -> str:
        """The Python of its head's environment, which the PATH there need not have."""
        for seconds in (1, 2, 4, 8, 0):  # a head that has just started does not know yet
            summary = self._get("/nodes?view=summary").get("data", {}).get("summary", [])
            for node in sorted(summary, key=lambda node: not node.get("raylet", {}).get("isHeadNode")):
                for word in node.get("cmdline", []):
                    if found := re.match(r"--python_worker_command=(\S*/python[\d.]*) ", word):
                        return found[1]
            time.sleep(seconds)
        return "python3"

    def _grows(self) -> bool:
        """Whether nodes may be started; True where nothing tells."""
        status = self._get("/api/cluster_status").get("data", {}).get("clusterStatus") or {}
        types = (status.get("autoscalerReport") or {}).get("nodeTypeMapping") or {"": ""}
        return not all(name.startswith("node_") for name in types.values())  # Ray's name of a node that it didn't start

    def _get(self, path: str) -> dict[str, Any]:
        with self._asking():
            answer = self._client._do_request("GET", path)
            return dict(answer.json()) if answer.ok else {}

    def _nonce(self, job: Job) -> str:
        with self._asking():
            return str((self._client.get_job_info(job.id).metadata or {}).get(NONCE))

    async def _tail(self, job: Job, write: Callable[[str], object]) -> None:
        async for text in self._client.tail_job_logs(job.id):
            write(text)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """Says in one sentence why a cluster does not answer as it should."""
        address = f"--address {masked(self.address)}"
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
                raise _TryAgain(f"{address}: the head takes no job yet ({_reason(text)}); try again later.") from error
            raise UserError(f"{address}: the head refuses ({_reason(text)}); see its dashboard's log.") from error


class Unreachable(UserError):
    """Nothing answers at an address."""


class _TryAgain(UserError):
    """The head has just started, or somebody else was quicker."""


class _Client(JobSubmissionClient):
    """Ray's client; one that does not wait for ever for what takes connections and never answers."""

    def _do_request(self, *given: Any, **named: Any) -> Any:
        return super()._do_request(*given, **{"timeout": TIMEOUT, **named})


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


def _job(details: JobDetails) -> Job | None:
    """A job of ours; None for another one."""
    study, name = (details.metadata or {}).get(STUDY), details.submission_id or ""
    number = name.removeprefix(f"{study}-r")
    if study is None or not number.isdecimal():
        return None
    state = details.status.value.lower()
    times = [_time(details.start_time), _time(details.end_time)]
    return Job(name, study, int(number), state, times[0], times[1], details.driver_exit_code, details.message or "")


def _time(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def _why_not_let_in(text: str) -> str:
    how = "set RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN to the cluster's or RAY_AUTH_TOKEN_PATH to its file."
    if text.startswith("Authentication failed"):
        return f"the token is not this cluster's; {how}"
    return f"a token is missing; {how}"


def _reason(text: str) -> str:
    """The last line of an answer, which may be a traceback."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return (lines or ["no reason"])[-1].rstrip(".")[:300]
