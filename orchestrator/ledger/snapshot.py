"""A snapshot: a ledger's content at one time, read in bulk for callers that ask for one result after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol, Self

from orchestrator.plan.results import Failure, Result, Trial, WarmStart
from orchestrator.plan.step import Kind


class Listed(Protocol):
    """What a snapshot reads of a ledger."""

    def results(self, kind: Kind | None = None) -> Iterator[tuple[str, Result]]:
        """Key and result of every finished step."""

    def failures(self) -> dict[str, Failure]:
        """Key -> failure of every failed step."""

    def suggestions(self, search: str) -> list[Trial]:
        """The trials of a search."""

    def warm_start(self, search: str) -> WarmStart | None:
        """What a search was started with."""

    def remember(self, result: Result) -> None:
        """Keeps a result that was asked for."""


class Snapshot:
    """The results of a ledger as they were when one of their kind was first requested.

    Where each file is a request, a plan that asks for a thousand trainings, most of them missing, would wait for
    minutes: so all of a kind are read from its segments and one listing. What was asked for, the ledger remembers.
    """

    def __init__(self, ledger: Listed) -> None:
        self._ledger = ledger
        self._results: dict[Kind, dict[str, Result]] = {}
        self._failures: dict[str, Failure] | None = None

    def get(self, key: str, kind: Kind) -> Result | None:
        """See `Results`."""
        if kind not in self._results:
            self._results[kind] = dict(self._ledger.results(kind))
        document = self._results[kind].get(key)
        if document is not None:
            self._ledger.remember(document)
        return document

    def failure(self, key: str) -> Failure | None:
        """See `Results`."""
        if self._failures is None:
            self._failures = self._ledger.failures()
        return self._failures.get(key)

    def suggestions(self, search: str) -> list[Trial]:
        """See `Results`."""
        return self._ledger.suggestions(search)

    def warm_start(self, search: str) -> WarmStart | None:
        """See `Results`."""
        return self._ledger.warm_start(search)

    def snapshot(self) -> Self:
        """Itself: it does not change."""
        return self
