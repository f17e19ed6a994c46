"""The status of a study: whether it runs, was killed, stopped, failed or is finished; from its folder alone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from orchestrator.ledger.lease import EXPIRED_AFTER, Owner
from orchestrator.report.overview import Overview

State = Literal["running", "silent", "killed", "stopped", "failed", "finished"]


@dataclass(frozen=True)
class Status:
    """How a study stands.

    Attributes:
        state: `silent` is a driver on another host that shows no sign of life: killed, or cut off from the storage.
        text: What to know and to do about it, one sentence.
    """

    state: State
    text: str


def study_status(shown: Overview, owner: Owner | None, now: datetime) -> Status:
    """Tells how a study stands.

    Args:
        shown: Its steps.
        owner: Who held its lease before the steps were counted.
        now: The time of day; it only decides what is said of a driver on another host.
    """
    if owner is not None and _seems_alive(owner, now):
        return Status("running", f"it is run by {owner.text}")
    if shown.done and shown.failures:
        return Status("failed", "nothing is left but what failed; nemo run with --retry-failed tries it again")
    if shown.done:
        return Status("finished", "every step has its result")
    if owner is None:
        return Status("stopped", "nobody runs it; nemo run carries on")
    if owner.process.alive is None:
        return Status("silent", f"{owner.text} was last heard of at {owner.renewed}; nemo run takes over")
    return Status("killed", f"{owner.text} died while it ran this; nemo run carries on")


def _seems_alive(owner: Owner, now: datetime) -> bool:
    alive = owner.process.alive
    if alive is not None:
        return alive
    try:
        return now - datetime.fromisoformat(owner.renewed) < timedelta(seconds=EXPIRED_AFTER)
    except (ValueError, TypeError):
        return False
