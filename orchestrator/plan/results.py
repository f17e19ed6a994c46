"""What a plan reads: the results of steps, their failures, and the trials of searches; a ledger's, or imagined ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NotRequired, Protocol, Self

from nemo.methods import Setting
from orchestrator.plan.step import Described, Kind


@dataclass(frozen=True)
class Trial:
    """One suggestion of an adaptive search: written before it starts, concluded when it ended without a result.

    Attributes:
        settings: The suggested values, name -> value.
        generation: Of a sampler that has such.
        outcome: None while it runs or when it finished; else why and when it was stopped.
    """

    number: int
    settings: Mapping[str, Setting]
    outcome: Mapping[str, Any] | None = None
    generation: int | None = None


@dataclass(frozen=True)
class WarmPoint:
    """A finished point of another study.

    Attributes:
        training: Its key there.
        settings: The values of what the search sweeps.
        values: Objective -> value.
        accuracy: On validation images; constraints look at it.
    """

    training: str
    settings: Mapping[str, Setting]
    values: Mapping[str, float]
    accuracy: float


@dataclass(frozen=True)
class WarmStart:
    """What a search is started with.

    Attributes:
        study: The other study.
        points: Those that it gave.
        left_out: Why others were not taken -> how many.
    """

    study: str
    points: tuple[WarmPoint, ...] = ()
    left_out: Mapping[str, int] = field(default_factory=dict)

    @property
    def sentence(self) -> str:
        """How many points there are, and why others are not among them."""
        taken = f"{len(self.points)} point{'s' * (len(self.points) != 1)} of {self.study} start it"
        reasons = [f"{number} {reason}" for reason, number in sorted(self.left_out.items())]
        return f"{taken}; left out: {'; '.join(reasons)}." if reasons else f"{taken}."


class Result(Described):
    """What the ledger keeps of a finished step.

    Attributes:
        result: What it computed: numbers, texts, lists and mappings.
        artifacts: Name -> `sha256`, `bytes` and, in a bucket, `version` of each file beside it.
        environment: Versions, commit and hardware.
        seconds: How long it took.
        finished: When, in ISO 8601.
        device, threads, workers, compiled: How it ran.
    """

    result: Mapping[str, Any]
    artifacts: Mapping[str, Mapping[str, Any]]
    environment: Mapping[str, Any]
    seconds: float
    finished: str
    device: NotRequired[str]
    threads: NotRequired[int]
    workers: NotRequired[int]
    compiled: NotRequired[bool]


class Failure(Described):
    """Why a step failed for good, and when, in ISO 8601."""

    reason: str
    failed: str


class Results(Protocol):
    """What a plan reads of a ledger."""

    def get(self, key: str, kind: Kind) -> Result | None:
        """The result of a step."""

    def failure(self, key: str) -> Failure | None:
        """Why a step failed."""

    def suggestions(self, search: str) -> list[Trial]:
        """The trials of an adaptive search."""

    def warm_start(self, search: str) -> WarmStart | None:
        """What an adaptive search was started with, of another study; None before, and where it had none."""

    def snapshot(self) -> Results:
        """The same as it is now, for those who ask for one result after the other."""


@dataclass(frozen=True)
class GivenResults:
    """The results that are given as a mapping of key to result; none of a study that was never started."""

    documents: Mapping[str, Result] = field(default_factory=dict)

    def get(self, key: str, kind: Kind) -> Result | None:
        """See `Results`."""
        return self.documents.get(key)

    def failure(self, key: str) -> None:
        """See `Results`."""

    def suggestions(self, search: str) -> list[Trial]:
        """See `Results`."""
        return []

    def warm_start(self, search: str) -> None:
        """See `Results`."""

    def snapshot(self) -> Self:
        """See `Results`."""
        return self
