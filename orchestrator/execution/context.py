"""What everything that runs steps on Ray shares: the study's store, its resources, and the events it reports."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from traceback import format_exception
from typing import Literal

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.results import Result
from orchestrator.plan.step import Step
from orchestrator.storage import Store, layout
from orchestrator.storage.files import Unwritable
from orchestrator.study.resources import Resources
from orchestrator.system.text import printable


@dataclass(frozen=True)
class Context:
    """A study as its workers see it.

    Attributes:
        store: Where the study lies, the same on every node.
        resources: What a training and a sub-task get.
        system_metrics: Whether trainings tell what they do to their machines.
    """

    store: Store
    resources: Resources
    system_metrics: bool = False

    @property
    def ledger(self) -> Ledger:
        """The study's ledger."""
        return Ledger(self.store)

    @property
    def folder(self) -> Path:
        """A folder on the calling machine, for files such as Ray's own."""
        return self.store.local

    def forget(self, step: Step) -> None:
        """Deletes the checkpoints of a training, and what Ray wrote beside them; what cannot be deleted is left."""
        self.store.delete_all(layout.checkpoints(step.key))
        shutil.rmtree(self.folder / layout.checkpoints(step.key), ignore_errors=True)

    def fail(self, step: Step, error: BaseException, reason: str = "") -> str:
        """Records a failure, and its traceback in `logs/` where it is no expected one; returns the reason.

        Args:
            step: What failed.
            error: Why.
            reason: The cause in one line; by default it is taken from the error.

        Raises:
            Unwritable: The error was an `Unwritable`: it stops the study instead of failing a step.
        """
        cause = cause_of(error)
        if isinstance(cause, Unwritable):
            raise cause
        reason = printable(reason or reason_of(error))
        self.keep_traceback(step, error)
        self.ledger.fail(step, reason)
        return reason

    def keep_traceback(self, step: Step, error: BaseException) -> None:
        """Writes the traceback of an error to `logs/`, unless its one sentence says all."""
        if not _expected(error):
            text = str(error)  # of an error of Ray's it is the worker's traceback
            if "Traceback" not in text and error.__traceback__ is not None:
                text = "".join(format_exception(error))
            self.store.write(layout.log(step.key), f"{step.label}\n\n{text}\n".encode(errors="backslashreplace"))


@dataclass(frozen=True)
class Event:
    """Something that happened to a step, reported to the driver.

    Attributes:
        kind: `started`; `epochs`: a training has new entries of its history, which a checkpoint holds; `finished`: its
            result is in the ledger; `failed` for good in this run; `stopped` early by its search.
        rows: The new entries of the history.
        result: What the ledger has of a finished step.
        reason: Why it failed or was stopped, one sentence.
    """

    kind: Literal["started", "epochs", "finished", "failed", "stopped"]
    step: Step
    rows: Sequence[Mapping[str, float]] = ()
    result: Result | None = None
    reason: str = ""


OnEvent = Callable[[Event], None]


DIED = "its worker died again and again: it was killed, or the machine has too little memory"
"""The reason of a step whose worker died on every retry."""

OUT_OF_MEMORY = (
    "the GPU's memory is too small for it: give a smaller batch_size (in recipe, or in subtasks.finetune), or a whole "
    "GPU, gpus: 1 (in resources)"
)
"""The reason of a step that a GPU had no memory for."""

_NO_MEMORY = re.compile(r"\b(CUDA|HIP)\b.*out of memory|CUBLAS_STATUS_ALLOC_FAILED", re.IGNORECASE | re.DOTALL)
_TRIED = re.compile(r"Tried to allocate [\d.]+ \w+")

_DEATHS = {"ActorDiedError", "WorkerCrashedError", "WorkerHealthCheckFailedError"}


def reason_of(error: BaseException) -> str:
    """One line that says what went wrong, as the ledger and the report show it."""
    cause = cause_of(error)
    if type(cause).__name__ in _DEATHS:
        return DIED
    lines = str(cause).strip().splitlines() or [""]
    return lines[0] if _expected(error) else with_remedy(f"{type(cause).__name__}: {lines[0] or lines[-1]}")


def with_remedy(reason: str) -> str:
    """A reason in torch's words; where they mean that a GPU's memory is too small, with what to do about it."""
    if not _NO_MEMORY.search(reason):
        return reason
    tried = _TRIED.search(reason)
    return OUT_OF_MEMORY + (f" ({tried[0][0].lower()}{tried[0][1:]})" if tried else "")


def cause_of(error: BaseException) -> BaseException:
    """What went wrong in a worker, without what Ray wraps around it."""
    while isinstance(cause := getattr(error, "cause", None), BaseException):
        error = cause
    return error


def _expected(error: BaseException) -> bool:
    from nemo.training import TrainingDiverged

    return isinstance(cause_of(error), UserError | TrainingDiverged)
