"""The studies that were submitted to a cluster, read from Ray's Jobs API; no state is kept here."""

from __future__ import annotations

import asyncio
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp
from ray.job_submission import JobDetails

from nemo.errors import UserError
from orchestrator.jobs.dashboard import Dashboard, TryAgain, Unreachable

STUDY, NONCE = "nemo.study", "nemo.nonce"
"""Metadata of a job of ours: its study; and a nonce to recognise a submission whose answer was lost."""

ENDS_WITHIN = 120
"""Seconds that a stopped job gets to end in order; Ray's own default of 3 is too short for any."""

RECONNECTS = 30
"""How often, every two seconds, a followed log tries to reach a cluster that does not answer."""

RETRIES = (1, 2, 4, 8, 15, 15)
"""Seconds between the attempts to submit to a head that has just started."""


@dataclass(frozen=True)
class Job:
    """One run of a study on a cluster.

    Attributes:
        id: `<study>-r<number>`.
        state: `pending`, `running`, `stopped`, `succeeded` or `failed`.
        started: When it was submitted.
        ended: None while it has not.
        exit_code: Of `nemo run` on the cluster; None if that did not run or has not ended.
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
        """Its id, state and times, in a line."""
        moments = {"started": self.started, "ended": self.ended}
        times = ", ".join(f"{name} {time:%Y-%m-%d %H:%M:%S} UTC" for name, time in moments.items() if time)
        code = f" (exit code {self.exit_code})" if self.exit_code else ""
        return f"{self.id}: {self.state}{code}, {times}"


class Jobs:
    """The jobs of one cluster; every method raises a UserError if the cluster does not answer.

    Args:
        dashboard: The cluster's.
    """

    def __init__(self, dashboard: Dashboard) -> None:
        self._dashboard, self._client = dashboard, dashboard.client

    def runs(self, study: str | None = None) -> list[Job]:
        """The jobs that ran studies, or this one, in the order of their numbers."""
        with self._dashboard.asking():
            jobs = [job for details in self._client.list_jobs() if (job := _job(details)) is not None]
        return sorted((job for job in jobs if study in (None, job.study)), key=lambda job: (job.study, job.number))

    def find(self, name: str) -> Job:
        """The last job of the study of this name, or the job of this id.

        Raises:
            UserError: There is neither; the message lists the existing studies.
        """
        runs = self.runs()
        matches = [job for job in runs if job.study == name] or [job for job in runs if job.id == name]
        if matches:
            return matches[-1]
        known = ", ".join(dict.fromkeys(job.study for job in runs))
        hint = f"those there are: {known}" if known else "none was submitted since its head started"
        raise UserError(f"no study or job {name!r} on {self._dashboard.name}, {hint}; give another name or --address.")

    def overview(self, name: str | None) -> Iterator[str]:
        """Lines with the state of the last job of each study, or of this one, and the last line of its log.

        Raises:
            UserError: See `find`.
        """
        runs = self.runs() if name is None else [self.find(name)]
        if not runs:
            yield f"no study was submitted to {self._dashboard.name} since its head started"
        for job in {job.study: job for job in runs}.values():
            yield job.text
            lines = [] if job.state == "succeeded" else [line for line in self.log(job).splitlines() if line.strip()]
            yield from (f"  {line}" for line in lines[-1:])

    def show(self, job: Job) -> int:
        """Shows the log of a job on standard output until it ends; returns the exit code to end with."""

        def write(text: str) -> None:
            sys.stdout.write(text)
            sys.stdout.flush()

        try:
            ended = self.follow(job, write)
        except KeyboardInterrupt:
            print(f"\nnemo: {job.id} goes on; nemo stop ends it", file=sys.stderr)
            raise
        print(ended.text, file=sys.stderr)
        return 0 if ended.state == "succeeded" else ended.exit_code or 1

    def _again(self, name: str) -> Job:
        """The job of this id as it is now; a study may have the name of another one's job."""
        for job in self.runs():
            if job.id == name:
                return job
        raise UserError(
            f"{name}: is no longer known on {self._dashboard.name}, its head was started anew; submit again."
        )

    def submit(self, study: str, entrypoint: str, runtime_env: Mapping[str, Any]) -> Job:
        """Starts the next job of a study.

        Raises:
            UserError: One of it has not ended, or the cluster takes none.
        """
        nonce, retrying = secrets.token_hex(8), False
        for seconds in (*RETRIES, None):
            earlier = self.runs(study)
            if retrying and earlier and self._nonce(earlier[-1]) == nonce:
                return earlier[-1]  # it was accepted, although the answer said that it was not
            for job in earlier:
                if not job.over:
                    raise UserError(
                        f"{job.id} is {job.state} on {self._dashboard.name}; let it go on, or end it with nemo stop "
                        f"{job.id} first."
                    )
            number = max((job.number for job in earlier), default=0) + 1
            try:
                with self._dashboard.asking():
                    self._client.submit_job(
                        submission_id=f"{study}-r{number}",
                        entrypoint=entrypoint,
                        runtime_env=dict(runtime_env),
                        metadata={STUDY: study, NONCE: nonce},
                    )
                return self._again(f"{study}-r{number}")
            except TryAgain:
                if seconds is None:
                    raise
                retrying = True
                time.sleep(seconds)
        raise AssertionError("the last attempt returns or raises")

    def log(self, job: Job) -> str:
        """What a job has written so far."""
        with self._dashboard.asking():
            return self._client.get_job_logs(job.id)

    def follow(self, job: Job, write: Callable[[str], object]) -> Job:
        """Passes a job's output on to `write` until it ends; a connection that breaks is made again.

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
                if rest := self.log(job)[written:]:  # written while there was no connection
                    write(rest)
                return job

    def _patiently(self, job: Job) -> Job:
        """The job as it is now; retries for a while if the cluster does not answer."""
        for _ in range(RECONNECTS):
            with suppress(Unreachable):
                time.sleep(2)
                return self._again(job.id)
        return self._again(job.id)

    def stop(self, job: Job) -> Job:
        """Ends a job in order, and waits until it has; one that is over is left as it is.

        Raises:
            UserError: It does not end.
        """
        with self._dashboard.asking():
            if not job.over:
                self._client.stop_job(job.id)
        deadline = time.monotonic() + ENDS_WITHIN + 60
        while not job.over:
            if time.monotonic() > deadline:
                raise UserError(f"{job.id}: has not ended in {ENDS_WITHIN + 60} s; see nemo logs {job.id}, try again.")
            time.sleep(1)
            job = self._again(job.id)
        return job

    def _nonce(self, job: Job) -> str:
        with self._dashboard.asking():
            return str((self._client.get_job_info(job.id).metadata or {}).get(NONCE))

    async def _tail(self, job: Job, write: Callable[[str], object]) -> None:
        async for text in self._client.tail_job_logs(job.id):
            write(text)


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
