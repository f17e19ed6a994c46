"""Where a warm start's points come from: another study's ledger in the same storage, once, and from then on our own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.combination_plan import Search
from orchestrator.plan.results import WarmStart
from orchestrator.plan.warm_start import warm_start
from orchestrator.storage.studies import find_study


def warm_start_of(search: Search, ledger: Ledger) -> WarmStart | None:
    """What a search was started with, or, before it starts, what it would be started with now.

    Raises:
        UserError: The study that it names is not in the storage.
    """
    name = search.sweep.warm_start
    if name is None:
        return None
    kept = ledger.warm_start(search.key)
    if kept is not None:
        return kept
    try:
        other = Ledger(find_study(ledger.store.parent, name), readonly=True)
    except UserError as error:
        raise UserError(f"{_place(search, 'warm_start')}: {error}") from error
    trainings, measures = ([result for _, result in other.results(kind)] for kind in ("train", "measure"))
    return warm_start(search, name, trainings, measures)


def keep_warm_starts(searches: Iterable[Search], ledger: Ledger) -> None:
    """Keeps what searches are started with, so that what the other study does from now on changes no suggestion.

    Raises:
        UserError: See `warm_start_of`.
    """
    for search in searches:
        if search.sweep.warm_start is not None and ledger.warm_start(search.key) is None:
            found = warm_start_of(search, ledger)
            if found is not None:
                ledger.keep_warm_start(search.key, found)


def check_searches(searches: Sequence[Search], ledger: Ledger) -> None:
    """Refuses, before anything starts, searches that cannot: for want of a package, or of a study to start with.

    Raises:
        UserError: The first such.
    """
    if searches:
        from orchestrator.plan.samplers import check_sampler

        for search in searches:
            try:
                check_sampler(search.sweep)
            except UserError as error:
                raise UserError(f"{_place(search, 'search')}: {error}") from error
    warm_start_notes(searches, ledger)


def warm_start_notes(searches: Iterable[Search], ledger: Ledger) -> list[str]:
    """A sentence for each search that is started with points of another study.

    Raises:
        UserError: See `warm_start_of`.
    """
    found = [(search.label, warm_start_of(search, ledger)) for search in searches]
    return [f"{label}: {start.sentence}" for label, start in found if start is not None]


def _place(search: Search, field: str) -> str:
    return search.combination.study.where("sweep", search.combination.method, field)
