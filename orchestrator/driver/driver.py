"""The driver: keeps everything running that may run; what it does is in the ledger, and told to MLflow and people."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from nemo.errors import UserError
from orchestrator.cluster.capacity import Slots, check_room
from orchestrator.cluster.cluster import Cluster
from orchestrator.cluster.orphan import HeadDied, head_lives
from orchestrator.computing.data import DatasetArrays
from orchestrator.driver.course import Course
from orchestrator.driver.handover import Change, handed_change
from orchestrator.driver.limits import LimitReached, Meter, held
from orchestrator.driver.notify import Notifier
from orchestrator.driver.progress import Progress, tell_ongoing
from orchestrator.driver.silence import Silence, Watch, Watchdog, patience, watching
from orchestrator.execution.context import Context, Event
from orchestrator.execution.fanout import FanOut, Shared
from orchestrator.execution.scheduler import run_trainings
from orchestrator.ledger import control
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.segments import AT_LEAST
from orchestrator.plan.intake import Intake, More
from orchestrator.plan.planner import Planner
from orchestrator.plan.step import Step, counted
from orchestrator.storage.files import Unwritable
from orchestrator.system.signals import stoppable
from orchestrator.tracking.tracking import Tracking

BEAT = 5.0
"""Seconds between two looks at what the study has spent, and at what people ask of it."""


class Driver:
    """Keeps a study's plan up to date with the ledger, and everything that may run running.

    Args:
        course: How far the study is.
        read: Data sets that were read already, by `data_key`, for workers of this machine.
    """

    def __init__(self, course: Course, read: dict[str, DatasetArrays] | None = None) -> None:
        self.course, self._ledger, self._read = course, course.ledger, read
        self._lock = threading.RLock()  # events come from Tune's thread and from the fan-out's
        self._unfolded = 0
        self._patience = patience()

    def run(self, cluster: Cluster, tracking: Tracking, notifier: Notifier | None = None) -> None:
        """Runs everything that can run; failures are recorded and the rest goes on."""
        course = self.course
        self._notifier = notifier or Notifier(course.study)
        context = Context(self._ledger.store, course.study.resources, course.study.tracking.system_metrics)
        with course.study.naming_lines():
            check_room(cluster, context.resources, trains=course.trains)
        shared, slots = Shared(context, self._read), Slots(cluster)
        self._slots, self._intake = slots, Intake()
        frontier = course.frontier
        pending = frontier.pending  # before the first event, which may add to it from another thread
        finished = Counter[str](step.kind for key, step in frontier.steps.items() if key in frontier.finished)
        with Progress(course.totals, finished) as self._progress, stoppable() as stop:
            self._tracking = tracking
            self._fanout = FanOut(context, slots, shared, self._on_event, stop)
            self._watch = Watch(cluster, lambda: self._fanout.flying, Watchdog(self._patience))
            self._meter = Meter(self._ledger.store, course.study.limits)
            try:
                with (
                    watching(lambda: self._look(context, stop)),
                    watching(lambda: self._beat(cluster, stop), BEAT),
                    self._fanout,
                ):
                    self._fanout.submit(frontier.release(pending))
                    more = More([step for step in pending if step.kind == "train"], course.searches)
                    while True:
                        run_trainings(
                            more.steps,
                            more.searches,
                            context,
                            cluster,
                            slots,
                            shared,
                            self._on_event,
                            intake=self._intake,
                        )
                        if self._intake.close():
                            break
                        with self._lock:
                            more = course.to_train(course.planner.plan)
            finally:
                self._measure(cluster)
                self._meter.record()
                tell_ongoing(self._ledger.store, [])

    def _look(self, context: Context, stop: Callable[[BaseException], None]) -> bool:
        """Looks whether the run is still alive; False when it was given up."""
        if self._rests:
            self._watch.rest()
        try:
            text = self._watch.look()
        except Silence as silence:
            self._notifier.tell("silence", str(silence))
            stop(silence)
            try:
                for step in self._watch.awaited():
                    self._on_event(Event("failed", step, reason=context.fail(step, UserError(silence.reason))))
            except UserError as error:  # the storage is silent, too; what is not recorded is tried again
                self._progress.silent(str(error))
            return False
        if text:
            self._progress.silent(text)
            self._notifier.tell("silence", text)
        if not head_lives(self._ledger.folder):
            stop(HeadDied())
            return False
        return True

    def _beat(self, cluster: Cluster, stop: Callable[[BaseException], None]) -> bool:
        """Measures what is spent, and does what people ask for; False when a limit is reached, which ends the run."""
        self._measure(cluster)
        with suppress(UserError):  # of a storage that is away; it is only for people
            ongoing = self._watch.ongoing(self._ledger.store)
            tell_ongoing(self._ledger.store, ongoing)
            self._progress.measuring(ongoing)
        self._heed()
        self._take_up()
        limit = self._meter.reached
        with self._lock:
            ends = bool(limit) and self.course.unfinished  # the last results may still be on their way to MLflow
            left = self.course.frontier.pending if ends else []
        if ends:
            stop(LimitReached(limit, left))
        return not ends

    def _heed(self) -> None:
        """Pauses, or goes on; a storage that cannot be read is asked again, and others tell of it."""
        with suppress(UserError):
            since = control.paused_since(self._ledger.store)
            if self._slots.closed != (since is not None):
                self._slots.closed = since is not None
                text = f"nothing more is submitted before nemo resume {self.course.study.name}"
                self._progress.silent(f"paused: {text}" if self._slots.closed else "goes on after a pause")

    def _take_up(self) -> None:
        """Takes up a changed study that was handed over, or says why not; one that comes too late is left alone."""
        store = self._ledger.store
        with suppress(UserError):  # of a storage that is away; the next time
            text = control.handed_text(store)
            if text is None:
                return
            try:
                change = handed_change(
                    self.course.study, self.course.planner.described.data, Ledger(store, readonly=True)
                )
                with self._lock, self._fanout.kept_open() as is_open:
                    adds = self._adopt(change) if is_open else None
            except Unwritable:
                raise
            except Exception as error:
                reason = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
                control.answer(store, text, control.Answer(refused=reason))
                return
            if adds is not None:
                self._progress.silent(f"the changed study is taken up: {adds}")
                control.answer(store, change.text, control.Answer(adds=adds))

    def _adopt(self, change: Change) -> str | None:
        """Goes on with a study that has grown; what it adds, or None where it trains more after all trainings."""
        course, planner = self.course, Planner(change.described, self._ledger)
        planned, more = planner.plan, course.to_train(planner.plan)
        new = [step for step in planned.steps if step.key not in course.frontier.steps]
        trains = planner.up_to["train"] > 0 or any(step.kind == "train" for step in new)
        self._ledger.record_study(change.text)
        if not self._intake.offer(more) and trains:
            return None
        course.renew(change.described.study, planner, planned)
        self._meter.limits = course.study.limits
        self._progress.totals(course.totals)
        self._tracking.study_changed()
        self._fanout.arrange(course.frontier.steps)
        self._fanout.submit(course.frontier.release(list(course.frontier.steps.values())))
        return counted(new) + " more" if new else "no steps that are known yet" if trains else "as many steps as before"

    @property
    def _rests(self) -> bool:
        """Whether it is paused, and nothing runs any more."""
        return self._slots.closed and not self._watch.awaited()

    def _measure(self, cluster: Cluster) -> None:
        running = held(self._watch.awaited(), cluster, self.course.study.resources)
        self._meter.measure(*running, counts=not self._rests)

    def _on_event(self, event: Event) -> None:
        with self._lock:
            step = event.step
            self._watch.saw(event)
            match event.kind:
                case "started":
                    self._progress.started(step)
                case "epochs":
                    self._tracking.log_epochs(step, event.rows)
                    for row in event.rows:
                        self._progress.epoch(step, row, step.params["recipe"]["epochs"])
                case "finished":
                    assert event.result is not None
                    self.course.frontier.finish(step)
                    self._tracking.log_result(event.result)
                    self._progress.finished(step, event.result["result"])
                    self._follow(step)
                    self._fold()
                case "failed":
                    self.course.frontier.fail(step)
                    self._tracking.log_failure(step, event.reason)
                    self._progress.failed(step, event.reason)
                    self._notifier.tell("failure", f"{step.label}: failed: {event.reason}; the others go on")
                    self._follow(step)
                case "stopped":
                    self._tracking.log_stopped(step, event.reason)
                    self._progress.stopped(step, event.reason)
                    self._follow(step)

    def _follow(self, step: Step) -> None:
        """Submits the steps that may run after this one ended: its children, and those that the plan adds only now."""
        ready = self.course.follow(step)
        self._progress.totals(self.course.totals)
        self._fanout.submit(ready)

    def _fold(self) -> None:
        """Folds the ledger whenever it has grown by a tenth, so that the cost per result does not grow with it."""
        self._unfolded += 1
        if self._unfolded >= max(AT_LEAST, len(self.course.frontier.finished) // 10):
            self._ledger.fold()
            self._unfolded = 0
