"""What a run does while nothing happens: it says what it waits for, and gives up after a long time."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

from nemo.errors import UserError
from orchestrator.cluster.cluster import Cluster
from orchestrator.execution.context import Event
from orchestrator.ledger.ongoing import Ongoing, measured_so_far
from orchestrator.plan.step import Step
from orchestrator.storage import Store
from orchestrator.system.terminal import duration

SAY_AFTER = 60.0
"""Seconds without any event after which it is shown what the study waits for, or ten of its longest epochs."""

GIVE_UP_AFTER = 30 * 60.0
"""Seconds without any event after which the run gives up, or a hundred of its longest epochs."""

UNKNOWN = 6 * 3600.0
"""The same while a step runs whose duration is not known yet."""

PATIENCE = "NEMO_GIVE_UP_AFTER"
"""Environment variable: seconds to give up after, instead of all of these."""

SHOWN = 3
"""At most so many steps are named."""

_LOOKS_EVERY = 1.0

Verdict = Literal["fine", "say", "give up"]


class Watchdog:
    """Decides when to report that nothing happens, and when to give up.

    Only the time between two regular calls of `look` counts, not that of a laptop that slept or a stopped driver.

    Args:
        patience: Seconds to give up after, however long epochs are.
        clock: Seconds that only ever grow.
    """

    def __init__(self, patience: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._longest, self._patience, self._clock = 0.0, patience, clock
        self._last_look = clock()
        self._reported = 0.0
        self.silence = 0.0

    def heard(self, seconds: float = 0.0) -> None:
        """Something happened; if it was the end of an epoch or of a step, it took so many seconds."""
        self._longest = max(self._longest, seconds)
        self.silence = self._reported = 0.0

    def look(self, unknown: bool = False) -> Verdict:
        """Looks whether the silence has lasted too long; to be called about once a second.

        Args:
            unknown: Whether a step runs whose duration is not known yet, such as a first epoch.

        Returns:
            `say` when the silence should be reported, and again each time that it is twice as long.
        """
        now = self._clock()
        self.silence += min(now - self._last_look, 10 * _LOOKS_EVERY)
        self._last_look = now
        give_up = self._patience or max(GIVE_UP_AFTER, 100 * self._longest, UNKNOWN if unknown else 0.0)
        if self.silence >= give_up:
            return "give up"
        if self.silence >= max(2 * self._reported, min(max(SAY_AFTER, 10 * self._longest), give_up / 2)):
            self._reported = self.silence
            return "say"
        return "fine"


def patience() -> float | None:
    """The seconds to give up after that the environment sets, if it does.

    Raises:
        UserError: It is no number of seconds.
    """
    value = os.environ.get(PATIENCE)
    try:
        seconds = float(value) if value else None
    except ValueError:
        seconds = -1.0
    if seconds is not None and not seconds > 0:
        raise UserError(f"${PATIENCE}={value}: is no number of seconds, give one such as 3600, or none at all")
    return seconds


class Silence(UserError):
    """There was no event for so long that the run gives up.

    Attributes:
        reason: Recorded as the failure of the steps that the run waited for.
    """

    def __init__(self, reason: str, rest: str) -> None:
        super().__init__(f"{reason}; {rest}")
        self.reason = reason


class Watch:
    """Follows the events of a run, and describes what it waits for when there are none.

    Args:
        cluster: Where it runs.
        flying: The steps of the fan-out that were submitted to Ray.
        watchdog: Decides when to report silence, and when to give up.
    """

    def __init__(self, cluster: Cluster, flying: Callable[[], list[Step]], watchdog: Watchdog) -> None:
        self._cluster, self._flying, self._watchdog = cluster, flying, watchdog
        self._trainings: dict[str, Step] = {}
        self._epochs: dict[str, int] = {}
        self._timed: set[str] = set()  # kinds of steps one of which has ended

    def saw(self, event: Event) -> None:
        """Takes in an event."""
        step, seconds = event.step, max((row["seconds"] for row in event.rows), default=0.0)
        match event.kind:
            case "started":
                self._trainings[step.key] = step
            case "epochs":
                self._epochs[step.key] = int(event.rows[-1]["epoch"]) + 1
            case _:
                self._trainings.pop(step.key, None)
                if step.kind != "train" and event.result is not None:
                    self._timed.add(step.kind)
                    seconds = event.result["seconds"]
        self._watchdog.heard(seconds)

    def rest(self) -> None:
        """Nothing is waited for, and a person knows why: silence begins anew."""
        self._watchdog.heard()

    def look(self) -> str:
        """A message to show now, mostly an empty one; to be called about once a second.

        Raises:
            Silence: Nothing has happened for so long that the run gives up.
        """
        awaited = self.awaited()  # nothing where all wait for room on the cluster
        known = [step.key in self._epochs or step.kind in self._timed for step in awaited]
        unknown = not awaited or not all(known)
        verdict = self._watchdog.look(unknown)
        silence = duration(self._watchdog.silence)
        if verdict == "give up":
            raise Silence(
                f"gave up after {silence} without any news",
                f"this was waited for: {self._words()}. The same command carries on without what is awaited, and "
                f"with --retry-failed tries it again; ${PATIENCE} sets the seconds until it gives up.",
            )
        return f"no news for {silence}; waiting for {self._words()}" if verdict == "say" else ""

    def awaited(self) -> list[Step]:
        """The trainings that run and the steps that were submitted to Ray."""
        return [*list(self._trainings.values()), *self._flying()]

    def ongoing(self, store: Store) -> list[Ongoing]:
        """The same for people, with how far trainings are, and measurements as far as their workers have said it."""
        found, measured = [], set()
        for step in self.awaited():
            done, of = self._epochs.get(step.key, 0), None
            if step.kind == "train":
                of = step.params["recipe"]["epochs"]
            elif step.kind == "measure" and step.parents["train"] not in measured:  # thresholds share a task
                measured.add(step.parents["train"])
                done, of = measured_so_far(store, step.parents["train"])
            found.append(Ongoing(step.kind, step.label, done, of))
        return found

    def _words(self) -> str:
        names = [step.label + self._reached(step) for step in self.awaited()]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        room = f"a cluster of {self._cluster.cpus:g} CPUs and {self._cluster.gpus:g} GPUs"
        return ", ".join(names[:SHOWN]) + f"{more} on {room}" if names else f"the first step to start on {room}"

    def _reached(self, step: Step) -> str:
        epochs = self._epochs.get(step.key)
        return "" if epochs is None else f" (after epoch {epochs} of {step.params['recipe']['epochs']})"


@contextmanager
def watching(look: Callable[[], bool], every: float = _LOOKS_EVERY) -> Iterator[None]:
    """Calls `look` every so many seconds, in a thread of its own, while the block runs or until it returns False."""
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(every) and look():
            pass

    thread = threading.Thread(target=watch, name="watchdog", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(60)  # it may hang too
