"""Ray Tune as the scheduler of trainings: known ones first, then those that adaptive searches suggest."""

from __future__ import annotations

import logging
import re
import shutil
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from pyarrow.fs import LocalFileSystem
from ray import tune
from ray.tune.error import TuneError
from ray.tune.experiment import Trial
from ray.tune.search import Searcher

from nemo.errors import UserError
from orchestrator.cluster.capacity import MAX_FAILURES, Slots, concurrent_trainings, takes
from orchestrator.cluster.cluster import Cluster
from orchestrator.cluster.worker_groups import keep_coordinator
from orchestrator.computing.data import data_key
from orchestrator.execution.context import DIED, Context, Event, OnEvent, with_remedy
from orchestrator.execution.early_stopping import NAMES, PerSearch
from orchestrator.execution.fanout import Shared
from orchestrator.execution.trial import UNWRITABLE, resources_of, run_trial
from orchestrator.ledger.warm_start import keep_warm_starts
from orchestrator.plan.combination_plan import Search
from orchestrator.plan.intake import Intake
from orchestrator.plan.step import Step, describe_step
from orchestrator.plan.training_queue import TrainingQueue
from orchestrator.storage.files import Unwritable
from orchestrator.storage.layout import RAY_TUNE

_log = logging.getLogger(__name__)


def run_trainings(
    steps: Sequence[Step],
    searches: Sequence[Search],
    context: Context,
    cluster: Cluster,
    slots: Slots,
    shared: Shared,
    on_event: OnEvent,
    intake: Intake | None = None,
) -> None:
    """Runs trainings, as many at a time as the cluster holds, and returns when none is left.

    A failed training is reported and recorded, and the others go on. A trial of a search also runs the modularize and
    measure steps that its objectives need; there are no events for them.

    Args:
        steps: Trainings to run; those that a search has suggested are left to it.
        searches: Adaptive searches to carry on to their number of trials.
        context: The study's.
        cluster: Where it runs.
        slots: Kept up to date with what the trainings occupy.
        shared: Data sets in the object store.
        on_event: Called in this thread with what happens.
        intake: Where more may be offered meanwhile.

    Raises:
        UserError: The cluster has no room for even one training, or a study that a search starts with is not there.
    """
    concurrent = concurrent_trainings(cluster, context.resources)
    keep_warm_starts(searches, context.ledger)
    queue = TrainingQueue(steps, searches, context.ledger)
    if queue.waiting == 0:
        return
    datasets = shared.datasets(queue.examples)
    if context.resources.training.workers > 1:
        keep_coordinator()
    needs = [takes(step, cluster, context.resources) for step in queue.examples]
    largest = max(cpus for cpus, _ in needs), max(gpus for _, gpus in needs)
    watcher = Watcher(context, queue, slots, largest, concurrent, on_event)
    per_search = PerSearch(searches)

    def take_in() -> None:
        more = None if intake is None else intake.take()
        if more is None or intake is None:
            return
        known = [step for step in more.steps if data_key(step) in datasets]
        its = [search for search in more.searches if data_key(search.combination.train({})) in datasets]
        if len(known) < len(more.steps) or len(its) < len(more.searches):
            intake.postpone()  # trials are given their data when the first of them starts
        per_search.add(its)
        keep_warm_starts(its, context.ledger)
        watcher.extend(queue.extend(known, its))

    folder = context.folder / RAY_TUNE
    shutil.rmtree(folder, ignore_errors=True)
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)  # failures are reported as events, with their reason
    trainable = tune.with_parameters(run_trial, context=context, datasets=datasets)
    try:
        tune.Tuner(
            tune.with_resources(trainable, lambda config: resources_of(config["steps"][0], context, cluster)),
            tune_config=tune.TuneConfig(
                search_alg=Suggestions(queue, slots, take_in),
                scheduler=per_search,
                num_samples=sys.maxsize,  # it ends when the queue does
                max_concurrent_trials=concurrent,
                # The next trial finds torch imported; a trial of many workers is safer anew.
                reuse_actors=context.resources.training.workers == 1,
                trial_name_creator=_name,
                trial_dirname_creator=_name,
            ),
            run_config=tune.RunConfig(
                name=folder.name,
                storage_path=str(folder.parent),
                storage_filesystem=LocalFileSystem(),  # else a path with ? or % is read as an address
                callbacks=[watcher],
                failure_config=tune.FailureConfig(max_failures=MAX_FAILURES),
                verbose=0,
            ),
        ).fit()
    except TuneError as error:
        raise _own(error) from None
    finally:
        slots.trainings(0, 0, 0.0, 0.0)
        shutil.rmtree(folder, ignore_errors=True)


def _own(error: BaseException) -> BaseException:
    """The error of our own callbacks, such as a full folder, that Tune has wrapped; else the error itself."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, UserError):
        cause = cause.__context__
    return cause or error


def _failure(trial: Trial) -> str:
    """Ray's message about a trial's last failure, from this machine's file: Tune's `get_error` may be one behind."""
    text = Path(str(trial.error_file)).read_text()
    return re.split(r"^Failure # \d+ \(.*\)\n", text, flags=re.MULTILINE)[-1].strip()


def _name(trial: Trial) -> str:
    return str(trial.config["steps"][0].key)


class _Live:
    """An object that is neither copied nor pickled: Tune keeps copies to restore a run later, which we never do."""

    def __getstate__(self) -> dict[str, Any]:
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


class Suggestions(_Live, Searcher):
    """Tune's searcher: suggests the queue's next training as the next trial; none while the slots are closed."""

    def __init__(self, queue: TrainingQueue, slots: Slots, take_in: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._queue, self._slots, self._take_in = queue, slots, take_in

    def set_search_properties(self, metric: str | None, mode: str | None, config: dict[str, Any], **spec: Any) -> bool:
        return True

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        self._take_in()
        training = None if self._slots.closed else self._queue.next()
        if training is None:
            return Searcher.FINISHED if self._queue.exhausted else None  # type: ignore[return-value]
        search = training.search
        stopping = None if search is None else search.sweep.stopping
        return {
            "steps": training.steps,
            "every_epoch": stopping is not None,
            "stopping": None if stopping is None else stopping.scheduler,
            "search": None if search is None else search.key,
            "number": training.number,
        }

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        """The `Watcher` tells the queue: it knows the trial."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Nothing to save: the ledger has it all."""


class Watcher(_Live, tune.Callback):
    """Turns Tune's callbacks about trials into events, and failures in the ledger."""

    def __init__(
        self,
        context: Context,
        queue: TrainingQueue,
        slots: Slots,
        per_training: tuple[float, float],
        concurrent: int,
        on_event: OnEvent,
    ) -> None:
        self._context, self._ledger, self._queue = context, context.ledger, queue
        self._slots, self._per_training, self._left = slots, per_training, queue.waiting
        self._concurrent = concurrent
        self._running: set[str] = set()
        self._on_event = on_event
        self._share()

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        if UNWRITABLE in result:
            raise Unwritable(result[UNWRITABLE])
        step = trial.config["steps"][0]
        rows = result.get("rows")
        if rows:
            self._on_event(Event("epochs", step, rows=rows))
        elif rows is not None:
            if result.get("damage"):
                _log.warning("%s", result["damage"])
            self._running.add(step.key)
            self._share()
            self._on_event(Event("started", step))

    def on_trial_recover(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        self._running.discard(trial.config["steps"][0].key)
        self._share()

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        config, step = trial.config, trial.config["steps"][0]
        document, failure = self._ledger.get(step.key, "train"), self._ledger.failure(step.key)
        if document is not None:
            event = Event("finished", step, result=document)
        elif failure is not None:
            event = Event("failed", step, reason=failure["reason"])
        else:
            epoch = trial.last_result["epoch"]
            event = Event("stopped", step, reason=f"stopped early, after epoch {epoch}, by {NAMES[config['stopping']]}")
            stopped = datetime.now(UTC).isoformat(timespec="milliseconds")
            outcome = {**describe_step(step), "epoch": epoch, "reason": event.reason, "stopped": stopped}
            self._ledger.conclude(config["search"], config["number"], outcome)
            self._context.forget(step)
        self._end(trial)
        self._on_event(event)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        step = trial.config["steps"][0]
        error = _failure(trial)
        reason = DIED if error.startswith("The actor died") else with_remedy(error.splitlines()[-1])
        self._context.fail(step, RuntimeError(error), reason)
        self._end(trial)
        self._on_event(Event("failed", step, reason=reason))

    def _end(self, trial: Trial) -> None:
        step = trial.config["steps"][0]
        self._running.discard(step.key)
        self._left -= 1 + self._queue.ended(step, trial.config["search"], trial.config["number"])
        self._share()

    def extend(self, more: int) -> None:
        """So many more trainings are to start."""
        self._left += more
        self._share()

    def _share(self) -> None:
        self._slots.trainings(min(self._concurrent, self._left), len(self._running), *self._per_training)
