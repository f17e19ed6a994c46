"""Running a study: the plan minus the ledger, through Ray, into the ledger and MLflow.

This is the one place that knows the order of things. Trainings go through Ray Tune in the main thread; what builds on
a result is handed to the fan-out as soon as that result is in the ledger.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from nemo.errors import UserError
from orchestrator.cluster.capacity import Slots, check_room
from orchestrator.cluster.cluster import Cluster, this_machine
from orchestrator.cluster.head import HeadDied, end_orphan, head_lives, ray_head
from orchestrator.computing.data import load_once
from orchestrator.computing.networks import build_once
from orchestrator.driver.changes import check_changes
from orchestrator.driver.handover import Change, hand_over, handed_change, telling_of_changes
from orchestrator.driver.limits import LimitReached, Meter, held
from orchestrator.driver.notify import Notifier
from orchestrator.driver.progress import Progress, tell_ongoing
from orchestrator.driver.silence import Silence, Watch, Watchdog, patience, watching
from orchestrator.driver.weights import keep_weights
from orchestrator.execution.context import Context, Event
from orchestrator.execution.fanout import FanOut, Shared
from orchestrator.execution.scheduler import run_trainings
from orchestrator.ledger import control
from orchestrator.ledger.data import record_data
from orchestrator.ledger.lease import LeaseHeld, hold
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.segments import AT_LEAST
from orchestrator.ledger.spending import reached, read_spent
from orchestrator.plan.frontier import Frontier, Outcome
from orchestrator.plan.intake import Intake, More
from orchestrator.plan.planner import Plan, Planner
from orchestrator.plan.step import KINDS, Step, counted
from orchestrator.storage import Store, Where
from orchestrator.storage.files import Unwritable
from orchestrator.storage.studies import storage_root
from orchestrator.study.data import DescribedStudy
from orchestrator.study.precision import precision_notes
from orchestrator.study.study import Study
from orchestrator.system.environment import environment
from orchestrator.system.signals import interruptible, stoppable
from orchestrator.tracking.connection import store_of
from orchestrator.tracking.entries import STATUS
from orchestrator.tracking.tracking import Tracking

_log = logging.getLogger(__name__)

BEAT = 5.0
"""Seconds between two looks at what the study has spent, and at what people ask of it."""


def run_study(
    described: DescribedStudy,
    storage: Where | None = None,
    address: str | None = None,
    retry_failed: bool = False,
    replace: bool = False,
) -> Store:
    """Runs a study to its end, or carries on with it; a finished one is left as it is.

    Args:
        described: The study.
        storage: Where the studies lie; wins over the study's own.
        address: A running Ray head; None starts one for this study and ends it afterwards.
        retry_failed: Whether steps that failed for good in an earlier run are tried again.
        replace: Whether this may replace an earlier study of the same name with finished steps that this one lacks.

    Returns:
        Where the study lies.

    Raises:
        UserError: Something is wrong with the study's data, its storage, its tracking or the cluster, or nothing
            happened for so long that the run gave up.
        HandedOver: Another driver runs it, and has taken up what is changed here.
        Interrupted: Ctrl-C or SIGTERM came, or a limit of the study is reached (`LimitReached`); everything that was
            started has ended, and the same call carries on.
    """
    try:
        return _run(described, storage, address, retry_failed, replace)
    except LeaseHeld as held:
        if replace or retry_failed:
            raise
        store = storage_root(storage or described.study.storage) / described.study.name
        hand_over(described, described.study.text, Ledger(store, readonly=True), held)
    return run_study(described, storage, address)  # that driver has ended


def _run(
    described: DescribedStudy, storage: Where | None, address: str | None, retry_failed: bool, replace: bool
) -> Store:
    """Runs a study, held by this driver.

    Raises:
        LeaseHeld: Another driver is alive.
    """
    study, submitted = described.study, described.study.text
    root = storage_root(storage or study.storage)
    ledger = Ledger(root / study.name)
    _make_local(ledger.store)
    notifier = Notifier(study)
    with (
        hold(ledger.store),
        telling_of_changes(ledger.store, submitted),
        interruptible(lambda: end_orphan(ledger.folder)),
    ):
        control.clear(ledger.store)
        tell_ongoing(ledger.store, [])  # what a driver that was killed had running
        ledger.fold()
        described = keep_weights(described, ledger.store)
        study = described.study
        for note in [*described.notes, *precision_notes(study)]:
            _log.warning("%s", note)
        if not replace:
            check_changes(described, ledger)
        ledger.record_study(submitted)
        record_data(ledger, described)
        end_orphan(ledger.folder)  # of a driver that was killed; its workers may still write checkpoints
        if retry_failed:
            ledger.forget_failures()
        driver = sound_driver(described, ledger)
        driver.check_limits()
        if driver.unfinished and address is None:
            with study.naming_lines():
                check_room(this_machine(), study.resources, trains=driver.trains)
            load_once(study, driver.frontier.pending)
            build_once(study, driver.frontier.pending, ledger)
        with study.naming_lines():
            tracking = Tracking(*store_of(study, root))
        tracking.study_run(study.name, ledger, environment())
        outcome: Outcome = "unfinished"
        try:
            if driver.unfinished:
                if address is None:  # on a busy machine it takes a minute, in which nothing else is said
                    _log.warning("Ray is started on this machine; then the first steps start")
                with (
                    notifier.of_run(lambda: driver.outcome),
                    ray_head(ledger.folder, address=address) as cluster,
                ):
                    driver.run(cluster, tracking, notifier)
            outcome = driver.outcome
            ledger.fold()  # after an interruption the next run does it
        finally:
            tracking.close(STATUS[outcome])
    return ledger.store


def _make_local(store: Store) -> None:
    """Makes the local folder of a study that lies in an object store."""
    if store.remote:
        try:
            store.local.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UserError(
                f"{store.local}: cannot be made for what this machine keeps of the study ({error.strerror}); set "
                "XDG_STATE_HOME to a folder that can be written."
            ) from error


def sound_driver(described: DescribedStudy, ledger: Ledger) -> Driver:
    """A driver whose pending steps have intact inputs: damaged ones are quarantined and become pending themselves."""
    while True:
        driver = Driver(described.study, ledger, Planner(described, ledger))
        if ledger.sound(driver.frontier.parents):
            return driver


class Driver:
    """Keeps the plan up to date with the ledger, and everything that may run running.

    Args:
        study: What is wanted.
        ledger: What is finished.
        planner: Of the study, against the ledger.

    Attributes:
        frontier: How far the work on the plan is.
    """

    def __init__(self, study: Study, ledger: Ledger, planner: Planner) -> None:
        self._study, self._ledger, self._planner = study, ledger, planner
        self._lock = threading.RLock()  # events come from Tune's thread and from the fan-out's
        self._unfolded = 0
        self._patience = patience()
        planned = planner.plan
        self._searches = planned.searches
        self.frontier = Frontier(planned.steps, ledger.finished(), ledger.failures())
        self._counts = Counter[str](step.kind for step in planned.steps)

    @property
    def outcome(self) -> Outcome:
        """What became of the study so far."""
        return self.frontier.outcome(self._planner.up_to)

    @property
    def unfinished(self) -> bool:
        """Whether a step is still to run, or an adaptive search may still suggest one."""
        return self.outcome == "unfinished"

    @property
    def trains(self) -> bool:
        """Whether a training is still to run, or a search may suggest one."""
        return self._planner.up_to["train"] > 0 or any(step.kind == "train" for step in self.frontier.pending)

    def run(self, cluster: Cluster, tracking: Tracking, notifier: Notifier | None = None) -> None:
        """Runs everything that can run; failures are recorded and the rest goes on."""
        self._notifier = notifier or Notifier(self._study)
        context = Context(self._ledger.store, self._study.resources, self._study.tracking.system_metrics)
        with self._study.naming_lines():
            check_room(cluster, context.resources, trains=self.trains)
        shared, slots = Shared(context), Slots(cluster)
        self._slots, self._intake = slots, Intake()
        frontier = self.frontier
        pending = frontier.pending  # before the first event, which may add to it from another thread
        finished = Counter[str](step.kind for key, step in frontier.steps.items() if key in frontier.finished)
        with Progress(self._totals(), finished) as self._progress, stoppable() as stop:
            self._tracking = tracking
            self._fanout = FanOut(context, slots, shared, self._on_event, stop)
            self._watch = Watch(cluster, lambda: self._fanout.flying, Watchdog(self._patience))
            self._meter = Meter(self._ledger.store, self._study.limits)
            try:
                with (
                    watching(lambda: self._look(context, stop)),
                    watching(lambda: self._beat(cluster, stop), BEAT),
                    self._fanout,
                ):
                    self._fanout.submit(frontier.release(pending))
                    more = More([step for step in pending if step.kind == "train"], self._searches)
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
                            more = self._to_train(self._planner.plan)
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

    def check_limits(self) -> None:
        """Looks whether anything may still be spent.

        Raises:
            LimitReached: Steps are left, and a limit is reached already.
        """
        limit = reached(self._study.limits, read_spent(self._ledger.store))
        if self.unfinished and limit:
            raise LimitReached(limit, self.frontier.pending)

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
            ends = bool(limit) and self.unfinished  # the last results may still be on their way to MLflow
            left = self.frontier.pending if ends else []
        if ends:
            stop(LimitReached(limit, left))
        return not ends

    def _heed(self) -> None:
        """Pauses, or goes on; a storage that cannot be read is asked again, and others tell of it."""
        with suppress(UserError):
            since = control.paused_since(self._ledger.store)
            if self._slots.closed != (since is not None):
                self._slots.closed = since is not None
                text = f"nothing more is submitted before nemo resume {self._study.name}"
                self._progress.silent(f"paused: {text}" if self._slots.closed else "goes on after a pause")

    def _take_up(self) -> None:
        """Takes up a changed study that was handed over, or says why not; one that comes too late is left alone."""
        store = self._ledger.store
        with suppress(UserError):  # of a storage that is away; the next time
            text = control.handed_text(store)
            if text is None:
                return
            try:
                change = handed_change(self._study, self._planner.described.data, Ledger(store, readonly=True))
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
        planner = Planner(change.described, self._ledger)
        planned, more = planner.plan, self._to_train(planner.plan)
        new = [step for step in planned.steps if step.key not in self.frontier.steps]
        trains = planner.up_to["train"] > 0 or any(step.kind == "train" for step in new)
        self._ledger.record_study(change.text)
        if not self._intake.offer(more) and trains:
            return None
        self._study, self._planner = change.described.study, planner
        self._meter.limits = self._study.limits
        self.frontier.renew(planned.steps)
        self._counts = Counter(step.kind for step in self.frontier.steps.values())
        self._progress.totals(self._totals())
        self._tracking.study_changed()
        self._fanout.arrange(self.frontier.steps)
        self._fanout.submit(self.frontier.release(list(self.frontier.steps.values())))
        return counted(new) + " more" if new else "no steps that are known yet" if trains else "as many steps as before"

    def _to_train(self, planned: Plan) -> More:
        """The trainings of a plan without a result, and its searches."""
        done = self.frontier.finished | self.frontier.failed
        trainings = [step for step in planned.steps if step.kind == "train" and step.key not in done]
        return More(trainings, planned.searches)

    @property
    def _rests(self) -> bool:
        """Whether it is paused, and nothing runs any more."""
        return self._slots.closed and not self._watch.awaited()

    def _measure(self, cluster: Cluster) -> None:
        running = held(self._watch.awaited(), cluster, self._study.resources)
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
                    self.frontier.finish(step)
                    self._tracking.log_result(event.result)
                    self._progress.finished(step, event.result["result"])
                    self._follow(step)
                    self._fold()
                case "failed":
                    self.frontier.fail(step)
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
        new = self._planner.follow(step)
        self.frontier.adopt(new)
        self._counts.update(each.kind for each in new)
        self._progress.totals(self._totals())
        self._fanout.submit(self.frontier.release([*self.frontier.children(step), *new]))

    def _fold(self) -> None:
        """Folds the ledger whenever it has grown by a tenth, so that the cost per result does not grow with it."""
        self._unfolded += 1
        if self._unfolded >= max(AT_LEAST, len(self.frontier.finished) // 10):
            self._ledger.fold()
            self._unfolded = 0

    def _totals(self) -> dict[str, int]:
        up_to = self._planner.up_to
        return {kind: self._counts[kind] + up_to[kind] for kind in KINDS}
