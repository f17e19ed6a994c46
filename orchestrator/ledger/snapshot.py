"""A snapshot: what a ledger says at one time, read at once for those who ask for one result after the other."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    from orchestrator.ledger.ledger import Ledger, Trial
    from orchestrator.plan.step import Kind


class Snapshot:
    """The results of a ledger as they were when something of their kind was first asked for.

    Where each file is a request, a plan that asks for a thousand trainings, most of them missing, would wait for
    minutes: so all of a kind are read from its segments and one listing. What was asked for, the ledger remembers.
    """

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._results: dict[Kind, dict[str, dict[str, Any]]] = {}
        self._failures: dict[str, dict[str, Any]] | None = None

    def get(self, key: str, kind: Kind) -> Mapping[str, Any] | None:
        """See `Results`."""
        if kind not in self._results:
            self._results[kind] = dict(self._ledger.results(kind))
        document = self._results[kind].get(key)
        if document is not None:
            self._ledger.remember(document)
        return document

    def failure(self, key: str) -> Mapping[str, Any] | None:
        """See `Results`."""
        if self._failures is None:
            self._failures = self._ledger.failures()
        return self._failures.get(key)

    def suggestions(self, search: str) -> list[Trial]:
        """See `Results`."""
        return self._ledger.suggestions(search)

    def snapshot(self) -> Self:
        """Itself: it stays as it is."""
        return self
