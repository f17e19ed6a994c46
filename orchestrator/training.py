"""One training as a Ray Train run inside a Ray Tune trial: checkpoints, resume, reports, and the result at its end.

A training of one worker runs in Train's local mode, in the trial's own process: a worker group costs more than ten
seconds before the first batch. Inside of a trial Ray refuses `ray.train.report` and keeps no checkpoints in that mode,
so there `_Alone` keeps them and tells Tune itself; `_Group` leaves both to Ray Train.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any, Protocol

import ray
import ray.train
import ray.train.torch
import ray.tune
import torch
from ray.train.torch import TorchConfig, TorchTrainer
from ray.tune.integration.ray_train import TuneReportCallback

from nemo.distributed import Workers
from nemo.errors import UserError
from nemo.training import Trainer, TrainingDiverged
from orchestrator import steps
from orchestrator.context import Context, reason_of
from orchestrator.environment import environment
from orchestrator.files import atomic_path
from orchestrator.step import Step

CHECKPOINT_SHARE = 0.05
"""At most this share of a training's time goes into its checkpoints: where epochs are short, some go without."""

MAX_FAILURES = 2
"""How often a training starts again after a worker died."""


class Session(Protocol):
    """Where a worker's reports and checkpoints go."""

    workers: Workers
    device: torch.device

    def restore(self) -> dict[str, Any] | None:
        """The state of the last checkpoint."""

    def report(self, rows: list[dict[str, float]], state: dict[str, Any]) -> None:
        """Keeps a checkpoint, then tells Tune of the rows that it holds; called by every worker."""

    def agree(self, value: bool) -> bool:
        """What the first worker says."""


def data_key(step: Step) -> str:
    """Steps with the same one use the same data set."""
    from orchestrator.keys import canonical

    return canonical({name: value for name, value in step.where.items() if name != "resources"})


def compute(step: Step, context: Context, dataset: ray.ObjectRef[steps.Arrays]) -> dict[str, Any]:
    """Runs a modularize or measure step in this process and puts its result."""
    started, ledger, device = time.monotonic(), context.ledger, own_device()
    if step.kind == "modularize":
        result = steps.modularize(step, steps.as_dataset(ray.get(dataset)), ledger, device)
    else:
        result = steps.measure_modules(step, ledger, device)
    return ledger.put(step, result, seconds=time.monotonic() - started, environment=environment(), **ran_on(device))


def own_device() -> torch.device:
    """The GPU that Ray gave to this process, or the CPU."""
    return torch.device("cuda" if ray.get_gpu_ids() and torch.cuda.is_available() else "cpu")


def ran_on(device: torch.device, workers: int = 1) -> dict[str, Any]:
    """What a result records about where it was computed: within these it is bit-identical."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return {"device": name, "threads": torch.get_num_threads(), "workers": workers}


def fit(arguments: dict[str, Any]) -> str:
    """Runs one Ray Train run named by the step's key; returns why it failed for good, or nothing.

    Args:
        arguments: `step`, `context`, `every_epoch` (report each epoch), and `dataset` in the object store.
    """
    context, step = arguments["context"], arguments["step"]
    wanted = context.resources.training
    alone = wanted.workers == 1
    trainer = TorchTrainer(
        _run_worker,
        train_loop_config=arguments,
        torch_config=TorchConfig(backend="nccl" if wanted.gpus else "gloo", timeout_s=600 if wanted.gpus else 60),
        scaling_config=ray.train.ScalingConfig(
            num_workers=0 if alone else wanted.workers,
            use_gpu=wanted.gpus > 0,
            resources_per_worker={"CPU": wanted.cpus} | ({"GPU": wanted.gpus} if wanted.gpus else {}),
        ),
        run_config=ray.train.RunConfig(
            name=step.key,
            storage_path=str(context.checkpoints(step).parent),
            callbacks=[] if alone else [TuneReportCallback()],
            failure_config=ray.train.FailureConfig(max_failures=MAX_FAILURES, controller_failure_limit=5),
            checkpoint_config=ray.train.CheckpointConfig(num_to_keep=1),
        ),
    )
    try:
        return str(trainer.fit().return_value or "")
    except ray.train.TrainingFailedError as error:  # after its own retries
        return reason_of(_first_failure(error))


def _run_worker(arguments: dict[str, Any]) -> str:
    """What every worker runs; a failure that a retry can't mend is returned, every other one raised."""
    context, step = arguments["context"], arguments["step"]
    wanted = context.resources.training
    torch.set_num_threads(max(1, int(wanted.cpus)))
    session = _Alone(context.checkpoints(step)) if wanted.workers == 1 else _Group()
    started = time.monotonic()
    try:
        dataset = steps.as_dataset(ray.get(arguments["dataset"]))
        trainer = steps.make_trainer(step, dataset, context.ledger, session.device, session.workers)
        run_epochs(trainer, session, every_epoch=arguments["every_epoch"])
    except (TrainingDiverged, UserError) as error:
        return reason_of(error)
    if session.workers.rank == 0:
        ledger = context.ledger
        result = steps.finish_training(step, trainer, ledger)
        seconds = max(time.monotonic() - started, sum(row["seconds"] for row in trainer.history))
        ran = ran_on(session.device, wanted.workers)
        ledger.put(step, result, seconds=seconds, environment=environment(), **ran)
    return ""


def run_epochs(trainer: Trainer, session: Session, *, every_epoch: bool) -> None:
    """Trains to the end from where the last checkpoint left off.

    Rows are reported together with the checkpoint that holds them: an epoch that has to be run again after an
    interruption was never told to anyone, so no history ever has two entries for one epoch.
    """
    state = session.restore()
    if state is not None:
        trainer.load_state_dict(state)
    session.report([], {})
    reported, cost, since = trainer.epoch, 0.0, time.monotonic()
    while not trainer.done:
        trainer.run_epoch()
        due = every_epoch or trainer.done or time.monotonic() - since >= cost / CHECKPOINT_SHARE
        if session.agree(due):
            before = time.monotonic()
            session.report(trainer.history[reported:], trainer.state_dict())
            reported, since = trainer.epoch, time.monotonic()
            cost = since - before


class _Alone:
    """One worker in the trial's process; the checkpoint is one file, replaced as a whole."""

    def __init__(self, folder: Path) -> None:
        self.workers = Workers()
        self.device = own_device()
        self._file = folder / "alone.pt"

    def restore(self) -> dict[str, Any] | None:
        if not self._file.exists():
            return None
        state: dict[str, Any] = torch.load(self._file, map_location=self.device, weights_only=True)
        return state

    def report(self, rows: list[dict[str, float]], state: dict[str, Any]) -> None:
        if state:
            with atomic_path(self._file) as path:
                torch.save(state, path)
        ray.tune.report(message(rows))

    def agree(self, value: bool) -> bool:
        return value


class _Group:
    """One worker of a Ray Train worker group."""

    def __init__(self) -> None:
        context = ray.train.get_context()
        self.workers = Workers(context.get_world_rank(), context.get_world_size())
        self.device = ray.train.torch.get_device()

    def restore(self) -> dict[str, Any] | None:
        checkpoint = ray.train.get_checkpoint()
        if checkpoint is None:
            return None
        with checkpoint.as_directory() as folder:
            state: dict[str, Any] = torch.load(Path(folder) / "state.pt", map_location=self.device, weights_only=True)
        return state

    def report(self, rows: list[dict[str, float]], state: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            checkpoint = None
            if state and self.workers.rank == 0:
                torch.save(state, Path(folder) / "state.pt")
                checkpoint = ray.train.Checkpoint.from_directory(folder)
            ray.train.report(message(rows), checkpoint=checkpoint)

    def agree(self, value: bool) -> bool:
        flag = torch.tensor(int(value), device=self.device)
        torch.distributed.broadcast(flag, 0)
        return bool(flag.item())


def message(rows: list[dict[str, float]]) -> dict[str, Any]:
    """What Tune sees: all new rows, and the last one's metrics by name for a scheduler, which counts epochs from 1."""
    return {"rows": rows, **({**rows[-1], "epoch": int(rows[-1]["epoch"]) + 1} if rows else {})}


def _first_failure(error: ray.train.TrainingFailedError) -> BaseException:
    """The failure of the worker that failed first; the others' only say that it was gone."""
    failures: dict[int, BaseException] = getattr(error, "worker_failures", {})
    return failures[min(failures)] if failures else error
