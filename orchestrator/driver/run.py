"""Running a study: the plan minus the ledger, through Ray, into the ledger and MLflow.

This is the one place that knows the order of things. Ray's head takes seconds to start: it begins to as soon as it is
known that something is left to run, and torch, Ray Tune and MLflow are imported beside it.
"""

from __future__ import annotations

import logging
from contextlib import ExitStack

from nemo.errors import UserError
from orchestrator.cluster.capacity import check_room
from orchestrator.cluster.cluster import this_machine
from orchestrator.cluster.head import OwnHead, ray_head
from orchestrator.cluster.orphan import end_orphan
from orchestrator.driver.changes import check_changes
from orchestrator.driver.course import Course, sound_course
from orchestrator.driver.handover import hand_over, telling_of_changes
from orchestrator.driver.notify import Notifier
from orchestrator.driver.progress import tell_ongoing
from orchestrator.driver.weights import keep_weights
from orchestrator.ledger import control
from orchestrator.ledger.data import record_data
from orchestrator.ledger.lease import LeaseHeld, hold
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.warm_start import check_searches
from orchestrator.plan.frontier import Outcome
from orchestrator.storage import Store, Where
from orchestrator.storage.studies import storage_root
from orchestrator.study.data import DescribedStudy
from orchestrator.study.precision import precision_notes
from orchestrator.system.environment import environment
from orchestrator.system.signals import interruptible

_log = logging.getLogger(__name__)


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
        course = sound_course(described, ledger)
        course.check_limits()
        check_searches(course.searches, ledger)
        with ExitStack() as stack:
            at: OwnHead | str | None = address
            if course.unfinished and address is None:
                at = stack.enter_context(OwnHead(ledger.folder))
            _carry_on(course, root, at, notifier)
    return ledger.store


def _carry_on(course: Course, root: Store, at: OwnHead | str | None, notifier: Notifier) -> None:
    """Checks all that only torch, Ray or MLflow can tell, and runs what is left; nothing does before that is sound."""
    from orchestrator.computing.data import load_once
    from orchestrator.computing.networks import build_once
    from orchestrator.driver.driver import Driver
    from orchestrator.tracking.connection import store_of
    from orchestrator.tracking.entries import STATUS
    from orchestrator.tracking.tracking import Tracking

    study, ledger, read = course.study, course.ledger, None
    if isinstance(at, OwnHead):
        with study.naming_lines():
            check_room(this_machine(), study.resources, trains=course.trains)
        read = load_once(study, course.frontier.pending)
        build_once(study, course.frontier.pending, ledger)
    with study.naming_lines():
        tracking = Tracking(*store_of(study, root))
    tracking.study_run(study.name, ledger, environment())
    outcome: Outcome = "unfinished"
    try:
        if at is not None and course.unfinished:
            if isinstance(at, OwnHead):  # on a busy machine it takes a minute, in which nothing else is said
                _log.warning("Ray is started on this machine; then the first steps start")
            with notifier.of_run(lambda: course.outcome), ray_head(at) as cluster:
                Driver(course, read).run(cluster, tracking, notifier)
        outcome = course.outcome
        ledger.fold()  # after an interruption the next run does it
    finally:
        tracking.close(STATUS[outcome])


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
