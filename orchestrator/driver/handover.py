"""Handing a changed study over to the driver that runs it: both sides, which meet in the study's storage."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from nemo.datasets.description import Description
from nemo.errors import UserError
from orchestrator.driver.changes import check_changes, diff, left_behind, widened
from orchestrator.ledger import control
from orchestrator.ledger.lease import EXPIRED_AFTER, LeaseHeld, Owner, read_owner
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.warm_start import check_searches
from orchestrator.plan.planner import plan
from orchestrator.plan.step import counted
from orchestrator.storage import Store
from orchestrator.storage.layout import HANDED, SUBMITTED
from orchestrator.study.data import DescribedStudy, check_data
from orchestrator.study.file import submitted_study
from orchestrator.study.study import Study
from orchestrator.study.weights import knowing_weights
from orchestrator.system.signals import Interrupted

CHANGEABLE = ("seeds", "sweep", "thresholds", "subtasks", "derive", "limits")
"""The fields that a running study may have otherwise, beside the priorities of pairs and methods."""

_log = logging.getLogger(__name__)


class HandedOver(Exception):
    """The driver that runs the study has taken its changes up; its text says what they add."""


def hand_over(
    described: DescribedStudy,
    text: str,
    ledger: Ledger,
    held: LeaseHeld,
    sleep: Callable[[float], object] = time.sleep,
) -> None:
    """Hands a changed study over to the driver that runs it; returns if that ends before it has answered.

    Args:
        described: The study as it is wanted.
        text: What was submitted.
        ledger: What is done so far; not written to.
        held: Who runs it; raised again where nothing has changed.
        sleep: Waits so many seconds.

    Raises:
        HandedOver: That driver has taken it up.
        UserError: It cannot be changed like this, or not while it runs.
    """
    store = ledger.store
    wanted = knowing_weights(described, store)
    try:
        previous = submitted_study(store)
    except UserError:
        raise held from None
    if not diff(previous, wanted.study):
        raise held
    check_changeable(previous, wanted.study)
    check_changes(wanted, ledger)
    if not control.hand_over(store, text):
        raise UserError(f"{store.where(HANDED)}: another change waits for the study's driver; try again in a moment.")
    _log.warning("%s is run by %s; the changed study is handed over to it", store, held.owner.text)
    try:
        _await(store, text, held.owner, sleep)
    finally:
        control.withdraw(store, text)


def _await(store: Store, text: str, owner: Owner, sleep: Callable[[float], object]) -> None:
    """Waits for the answer; returns when that driver has ended, or shows no sign of life."""
    seen, unchanged = owner, 0.0
    while True:
        waits, answer = control.handed_text(store) is not None, control.answer_to(store, text)
        if not waits and answer is None:  # it came while that driver started, and forgot what others were asked
            control.hand_over(store, text)
        if answer is not None and answer.refused:
            raise UserError(answer.refused)
        if answer is not None:
            raise HandedOver(f"handed over to {owner.text}, which has taken it up: {answer.adds}")
        now = read_owner(store)
        if now is None or (now.process, now.since) != (owner.process, owner.since) or now.process.alive is False:
            return
        seen, unchanged = (now, 0.0) if now != seen else (seen, unchanged + 1)
        if unchanged > EXPIRED_AFTER:
            return
        sleep(1.0)


def check_changeable(previous: Study, wanted: Study) -> None:
    """Refuses what a running study cannot have otherwise.

    Raises:
        UserError: Such a field has changed; the message names it with its line, and shows what differs, for it may be a
            --set that was left out.
    """
    before, after = _fixed(previous), _fixed(wanted)
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        may = f"{', '.join(CHANGEABLE)} and priority can"
        raise UserError(
            f"{wanted.where(changed[0])}: cannot change while the study runs ({may}); give every --set again that it "
            f"was started with, or stop it, or wait for its end, and run it then.\n{diff(previous, wanted)}"
        )


def _fixed(study: Study) -> dict[str, Any]:
    """What of a study cannot change while it runs."""
    fields = study.model_dump(mode="json", by_alias=True, exclude=set(CHANGEABLE))
    for part in (*fields["pairs"], fields):
        part.pop("priority", None)
        for entry in part["methods"].values():
            entry.pop("priority", None)
    return fields


@dataclass(frozen=True)
class Change:
    """A study that was handed over, as its driver may take it up, and its text."""

    described: DescribedStudy
    text: str


def handed_change(current: Study, data: Mapping[str, Description], ledger: Ledger) -> Change:
    """Reads and checks what was handed over to a driver.

    Args:
        current: The study that runs.
        data: What is known of its data, which stay the same.
        ledger: What is done so far; not written to.

    Raises:
        UserError: It is damaged, or not the same study with more to do.
    """
    text = (ledger.store.read(HANDED) or b"").decode()
    study = submitted_study(ledger.store, HANDED)
    check_changeable(current, study)
    described = DescribedStudy(study, data)
    check_data(described)
    wanted = plan(DescribedStudy(widened(current, study), data), ledger)
    check_searches(wanted.searches, ledger)
    dropped = left_behind(plan(DescribedStudy(current, data), ledger), wanted)
    if dropped:
        raise UserError(
            f"{study.name}: a study can only grow while it runs, and {counted(dropped)} would no longer belong to it; "
            "put back what differs, or give every --set again that it was started with, or stop it, or wait for its "
            f"end, and run it then.\n{diff(current, study)}"
        )
    return Change(described, text)


@contextmanager
def telling_of_changes(store: Store, submitted: str) -> Iterator[None]:
    """Adds to an interruption that the study has grown since: the command that began it would make it shrink.

    Args:
        store: The study's.
        submitted: What this run began with.

    Raises:
        Interrupted: It came; it carries on with the last change where there was one.
    """
    before = store.read(SUBMITTED)
    try:
        yield
    except Interrupted as end:
        with suppress(UserError):  # of a storage that is away
            if store.read(SUBMITTED) not in (before, submitted.encode()):
                end.carries_on += ", with the file and every --set of the last change that was handed over"
        raise
