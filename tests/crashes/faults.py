"""What may be wrong between a driver and its storage: a disk that is slow, a network that splits and heals."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

from obstore.exceptions import GenericError

from orchestrator.storage.client import PATIENCE
from tests.crashes.actor import Actor

if TYPE_CHECKING:
    from tests.crashes.driver import Driver

Who = Literal["all", "lease", "worker", "driver"]
"""Whose way to the storage it is: the whole driver's, that of the thread that renews its lease, that of its workers
(which are on other nodes), or that of everything but its workers."""

Slow = Literal["late", "slow"]
"""What is written lands late, maybe when it is another one's turn; or it lands, and the answer is late."""

Cut = Literal["hangs", "refused", "unanswered"]
"""Nobody answers, as a network folder waits for its server; each operation fails; or it is done, and fails all the
same. A bucket's client tries again for three minutes, and then fails, so that there the first two are the same."""

RETRIED_FOR = PATIENCE["retry_timeout"].total_seconds()


@dataclass
class Fault:
    """Something is wrong, from some operation on: for one operation if it is slow, for some time if it is cut off.

    Attributes:
        after: So many operations go well first.
        until: When the network heals; None where the fault has not begun.
    """

    who: Who
    how: Slow | Cut
    seconds: float
    after: int = 0
    until: float | None = None
    over: bool = False

    def has_passed(self, now: float) -> bool:
        """Whether it is in nobody's way any more."""
        return self.over or (self.until is not None and now >= self.until)

    def is_of(self, actor: Actor) -> bool:
        """Whether it is in the way of this thread as it is now."""
        beside = actor is not actor.driver
        match self.who:
            case "lease":
                return beside
            case "worker":
                return not beside and actor.driver.in_worker
            case "driver":
                return beside or not actor.driver.in_worker
        return True


def operate(actor: Actor, real: Callable[[], Any], remote: bool) -> Any:
    """Does an operation on the storage, as slowly and as badly as it is done now.

    Args:
        actor: Who does it.
        real: Does it.
        remote: Whether it is a request to an object store, whose client tries again.

    Raises:
        OSError: The disk cannot be reached.
        GenericError: The object store cannot.
    """
    world, fault = actor.world, _met(actor)
    if fault is None:
        return real()
    if fault.how in get_args(Slow):
        fault.over = True
        if fault.how == "late":
            actor.sleep(fault.seconds)
        answer = real()
        if fault.how == "slow":
            actor.sleep(fault.seconds)
        return answer
    if fault.how == "unanswered":
        real()
    if remote or fault.how == "hangs":
        deadline = world.passed + (RETRIED_FOR if remote else float("inf"))
        actor.wait_until(lambda: fault.has_passed(world.passed), deadline)
        if fault.has_passed(world.passed):
            return real()
    if remote:
        raise GenericError("Generic S3 error: error sending request")
    raise OSError(errno.EIO, os.strerror(errno.EIO))


def _met(actor: Actor) -> Fault | None:
    """The fault that this operation meets."""
    passed, driver = actor.world.passed, actor.driver
    for fault in list(driver.faults):
        if fault.has_passed(passed):
            driver.faults.remove(fault)
        elif fault.is_of(actor):
            if fault.after > 0:
                fault.after -= 1
                continue
            if fault.until is None:
                fault.until = passed + fault.seconds
            return fault
    return None


def heal(driver: Driver) -> None:
    """Nothing is wrong any more; what hung goes on."""
    for fault in driver.faults:
        fault.over = True
    driver.faults.clear()
    driver.deaf_until = 0.0
