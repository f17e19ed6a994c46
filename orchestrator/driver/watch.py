"""The watch over a run: which steps it waits for, and the words for it."""

from __future__ import annotations

from collections.abc import Callable

from nemo.errors import UserError
from orchestrator.cluster.cluster import Cluster
from orchestrator.driver.watchdog import PATIENCE, Watchdog
from orchestrator.execution.context import Event
from orchestrator.plan.step import Step
from orchestrator.system.terminal import duration

SHOWN = 3
"""At most so many steps are named."""


class Silence(UserError):
    """Nothing was heard for so long that there is no hope.

    Attributes:
        reason: Why the steps that it was waited for failed.
    """

    def __init__(self, reason: str, rest: str) -> None:
        super().__init__(f"{reason}; {rest}")
        self.reason = reason


class Watch:
    """Follows the events of a run, and finds the words when there are none.

    Args:
        cluster: Where it runs.
        flying: The steps of the fan-out that Ray has been given.
        watchdog: Decides what silence means.
    """

    def __init__(self, cluster: Cluster, flying: Callable[[], list[Step]], watchdog: Watchdog) -> None:
        self._cluster, self._flying, self._watchdog = cluster, flying, watchdog
        self._trainings: dict[str, Step] = {}
        self._epochs: dict[str, int] = {}
        self._timed: set[str] = set()  # kinds of steps one of which has ended

    def saw(self, event: Event) -> None:
        """Something happened."""
        step, seconds = event.step, max((row["seconds"] for row in event.rows), default=0.0)
        match event.kind:
            case "started":
                self._trainings[step.key] = step
            case "epochs":
                self._epochs[step.key] = int(event.rows[-1]["epoch"]) + 1
            case _:
                self._trainings.pop(step.key, None)
                if step.kind != "train" and event.document is not None:
                    self._timed.add(step.kind)
                    seconds = event.document["seconds"]
        self._watchdog.heard(seconds)

    def look(self) -> str:
        """What there is to say now, mostly nothing; to be called about once a second.

        Raises:
            Silence: There is no hope that anything will happen any more.
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
        """The trainings that run and the steps that Ray has been given."""
        return [*list(self._trainings.values()), *self._flying()]

    def _words(self) -> str:
        names = [step.label + self._reached(step) for step in self.awaited()]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        room = f"a cluster of {self._cluster.cpus:g} CPUs and {self._cluster.gpus:g} GPUs"
        return ", ".join(names[:SHOWN]) + f"{more} on {room}" if names else f"the first step to start on {room}"

    def _reached(self, step: Step) -> str:
        epochs = self._epochs.get(step.key)
        return "" if epochs is None else f" (after epoch {epochs} of {step.params['recipe']['epochs']})"
