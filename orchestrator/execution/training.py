"""One training as a Ray Train run inside a Ray Tune trial: checkpoints, resume, reports, and the result at its end.

A training of one worker runs in Train's local mode, in the trial's own process: a worker group costs more than ten
seconds before the first batch. Inside of a trial Ray refuses `ray.train.report` in that mode, so there `_Alone` tells
Tune itself. Checkpoints are our own files in both: Ray's list of its checkpoints is not replaced as a whole, and a
training that was killed while it was written could never start again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import Any, Protocol

import ray
import ray.train
import ray.train.torch
import ray.tune
import torch
from pyarrow.fs import LocalFileSystem
from ray.train.torch import TorchConfig, TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback

from nemo.distributed import Workers
from nemo.errors import UserError
from nemo.training import Trainer, TrainingDiverged
from orchestrator.cluster.capacity import MAX_FAILURES
from orchestrator.computing.compute import finish_training, make_trainer
from orchestrator.computing.data import as_dataset
from orchestrator.execution.checkpoint import NOT_ITS_FAULT, Checkpoint
from orchestrator.execution.context import reason_of
from orchestrator.execution.system_metrics import SystemMetrics
from orchestrator.execution.worker import message, own_device, put
from orchestrator.storage.files import Unwritable
from orchestrator.storage.layout import CHECKPOINTS

CHECKPOINT_SHARE = 0.05
"""At most this share of a training's time goes into its checkpoints: where epochs are short, some go without."""

LOST_AT_MOST = 30.0
"""But at most this many seconds (or one epoch, if that is longer) pass without a checkpoint, whatever it costs."""

MEETS_WITHIN = 30
"""Seconds in which an elastic group starts or is counted anew: Ray may take 20 to see that a node is gone."""

MEETS_TRIES = 20
"""How often it is: as long in all as a group of a fixed size waits for room."""


STARTS_TRIES = 5
"""How often a group of a fixed size is started where Ray cannot start it."""


class Session(Protocol):
    """How a worker reports to Tune and agrees with the other workers of its training."""

    workers: Workers
    device: torch.device

    def tell(self, message: dict[str, Any]) -> None:
        """Reports to Tune; called by every worker, and the first one's message counts."""

    def agree(self, value: bool) -> bool:
        """The first worker's value, on every worker."""


def fit(arguments: dict[str, Any]) -> str:
    """Runs one Ray Train run named by the step's key; returns why it failed for good, or nothing.

    Args:
        arguments: `step`, `context`, `every_epoch` (report each epoch), and `dataset` in the object store.

    Raises:
        Unwritable: The study's folder is full.
    """
    context, step = arguments["context"], arguments["step"]
    training = context.resources.training
    alone = training.workers == 1
    if training.elastic:
        os.environ["RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S"] = str(MEETS_WITHIN)  # Ray hands it to its controller
    trainer = TorchTrainer(
        _run_worker,
        train_loop_config=arguments,
        torch_config=TorchConfig(backend="nccl" if training.gpus else "gloo", timeout_s=600 if training.gpus else 60),
        scaling_config=ray.train.ScalingConfig(
            num_workers=0 if alone else (training.fewest, training.workers) if training.elastic else training.workers,
            use_gpu=training.gpus > 0,
            resources_per_worker={"CPU": training.cpus} | ({"GPU": training.gpus} if training.gpus else {}),
            placement_strategy=training.placement.upper(),
        ),
        run_config=ray.train.RunConfig(
            name=step.key,
            storage_path=str(context.folder / CHECKPOINTS),  # on this machine: Ray keeps no checkpoints of ours
            storage_filesystem=LocalFileSystem(),  # else a path with ? or % is read as an address
            callbacks=[] if alone else [TuneReportCallback()],
            failure_config=ray.train.FailureConfig(
                max_failures=MAX_FAILURES, controller_failure_limit=MEETS_TRIES if training.elastic else STARTS_TRIES
            ),
        ),
    )
    try:
        return str(trainer.fit().return_value or "")
    except ray.train.TrainingFailedError as error:  # after its own retries
        first = _first_failure(error)
        if isinstance(first, Unwritable):
            raise first from None
        context.keep_traceback(step, first)
        return reason_of(first)


def _run_worker(arguments: dict[str, Any]) -> str:
    """What every worker runs; a failure that a retry can't mend is returned, every other one raised."""
    context, step = arguments["context"], arguments["step"]
    training = context.resources.training
    torch.set_num_threads(max(1, int(training.cpus)))
    session: Session = _Alone() if training.workers == 1 else _Group()
    checkpoint, started = Checkpoint(context, step), time.monotonic()
    try:
        dataset = as_dataset(ray.get(arguments["dataset"]))
        trainer = resumed(
            lambda: make_trainer(step, dataset, context.ledger, session.device, session.workers),
            checkpoint,
            session,
        )
        with SystemMetrics(context.system_metrics and session.workers.rank == 0) as system:
            run_epochs(trainer, checkpoint, session, system, every_epoch=arguments["every_epoch"])
        last = trainer.figures
    except Unwritable:
        raise
    except (TrainingDiverged, UserError) as error:
        return reason_of(error)
    if session.workers.rank == 0:
        ledger = context.ledger
        result = finish_training(step, trainer, ledger, last)
        seconds = max(time.monotonic() - started, sum(row["seconds"] for row in trainer.history))
        compiled = {"compiled": True} if trainer.compiled else {}
        put(ledger, step, result, seconds, session.device, session.workers.world, **compiled)
    return ""


def resumed(make: Callable[[], Trainer], checkpoint: Checkpoint, session: Session) -> Trainer:
    """A trainer that goes on from its last checkpoint, or from the beginning where that cannot be used.

    The first worker decides which: it alone quarantines a damaged file, and all start from the same epoch.
    """
    trainer, first = make(), session.workers.rank == 0
    loaded = first and _load(trainer, checkpoint)
    if session.agree(loaded):
        if not first:
            state = checkpoint.load()
            if state is None:
                raise OSError(f"{checkpoint.name}: the first worker has read it, and this one cannot")
            trainer.load_state_dict(state)
    elif session.agree(bool(checkpoint.damage)):
        return make()  # half of it may have been loaded
    return trainer


def _load(trainer: Trainer, checkpoint: Checkpoint) -> bool:
    """Whether there was a checkpoint that fits the trainer."""
    state = checkpoint.load()
    if state is None:
        return False
    try:
        trainer.load_state_dict(state)
    except NOT_ITS_FAULT:
        raise
    except Exception as error:  # of other code, under the same method version
        checkpoint.discard(error)
        return False
    return True


def run_epochs(
    trainer: Trainer, checkpoint: Checkpoint, session: Session, system: SystemMetrics, *, every_epoch: bool
) -> None:
    """Trains to the end from where the trainer is.

    Rows are reported together with the checkpoint that holds them: an epoch that has to be run again after an
    interruption was never reported, so no history ever has two entries for one epoch.
    """
    session.tell(message([], checkpoint.damage))
    reported, cost, saved = trainer.epoch, 0.0, time.monotonic()
    while not trainer.done:
        epoch_started = time.monotonic()
        trainer.run_epoch().update(system.take())
        now = time.monotonic()
        at_risk = now - saved + now - epoch_started > LOST_AT_MOST  # with another epoch like this one
        due = every_epoch or trainer.done or at_risk or now - saved >= cost / CHECKPOINT_SHARE
        if session.agree(due):
            save_started = time.monotonic()
            if session.workers.rank == 0:
                checkpoint.save(trainer.state_dict())
            session.tell(message(trainer.history[reported:]))
            reported, saved = trainer.epoch, time.monotonic()
            cost = saved - save_started


class _Alone:
    """One worker in the trial's process."""

    def __init__(self) -> None:
        self.workers = Workers()
        self.device = own_device()

    def tell(self, message: dict[str, Any]) -> None:
        ray.tune.report(message)

    def agree(self, value: bool) -> bool:
        return value


class _Group:
    """One worker of a Ray Train worker group."""

    def __init__(self) -> None:
        context = ray.train.get_context()
        self.workers = Workers(context.get_world_rank(), context.get_world_size())
        self.device = ray.train.torch.get_device()

    def tell(self, message: dict[str, Any]) -> None:
        ray.train.report(message)

    def agree(self, value: bool) -> bool:
        flag = torch.tensor(int(value), device=self.device)
        torch.distributed.broadcast(flag, 0)
        return bool(flag.item())


def _first_failure(error: ray.train.TrainingFailedError) -> BaseException:
    """The failure of the worker that failed first; the others' only say that it was gone."""
    failures: dict[int, BaseException] = getattr(error, "worker_failures", {})
    return failures[min(failures)] if failures else error
