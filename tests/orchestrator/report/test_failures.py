"""`nemo status --failures`: reasons, the ends of tracebacks and the command, on a disk and in a bucket."""

from __future__ import annotations

import io
import os
import shlex
from pathlib import Path

import pytest
import torch
from ray.exceptions import RayTaskError
from rich.console import Console

from nemo.errors import UserError
from nemo.training import TrainingDiverged
from orchestrator.execution.context import OUT_OF_MEMORY, Context, reason_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.step import Step
from orchestrator.report.failures import LAST_LINES, print_tracebacks
from orchestrator.storage import Store, store_at
from orchestrator.storage.layout import log
from orchestrator.study.resources import Resources
from tests.orchestrator.invented import STUDY, invented_study, plan_of


def shown(root: Store, name: str | None = "invented") -> str:
    text = io.StringIO()
    print_tracebacks(root, name, Console(file=text, highlight=False))
    return text.getvalue()


def pending(ledger: Ledger, study: object) -> list[Step]:
    return plan_of(study, ledger).pending(ledger)  # type: ignore[arg-type]


def failed_as(context: Context, step: Step, error: Exception) -> None:
    try:
        raise error
    except Exception as raised:
        context.fail(step, raised)


def test_reason_traceback_path_and_command(store: Store) -> None:
    root = store.parent
    study, ledger = invented_study(root, STUDY, until=0)
    first, second, third, *_ = pending(ledger, study)
    context = Context(ledger.store, Resources())
    failed_as(context, first, TrainingDiverged("the loss is NaN [in epoch 3]"))
    failed_as(context, second, ValueError("what the data set's own code said\nand more"))
    remote = RayTaskError(
        "f", "Traceback (most recent call last):\n" + "  deep\n" * 40 + "KeyError: \x1b[2J", KeyError()
    )
    context.fail(third, remote)
    said = shown(root)
    assert f"failed: {first.label}: the loss is NaN [in epoch 3]\n  The reason says all: no traceback was kept." in said
    assert f"failed: {second.label}: ValueError: what the data set's own code said\n" in said
    assert "  |     raise error\n  | ValueError: what the data set" in said
    assert f"The whole traceback: {ledger.store.where(log(second.key))}" in said
    deep = said.partition(f"failed: {third.label}")[2]
    assert deep.count("  |   deep") == LAST_LINES - 1 and "KeyError: \\x1b[2J" in deep and "\x1b" not in said
    command = shlex.split(said.splitlines()[-1].removeprefix("Try them again: "))
    file = "invented.yaml" if root.remote else str(root / "invented" / "study.yaml").replace("\\", "/")
    assert command == ["nemo", "run", file, "--storage", str(root), "--retry-failed"]
    assert shown(root, None) == said
    ledger.forget_failures()
    assert shown(root) == "invented: nothing has failed.\n"
    assert ledger.store.read(log(second.key)) is None


def test_failures_are_shown_where_the_data_are_not(tmp_path: Path) -> None:
    study, ledger = invented_study(tmp_path, until=0)
    step = pending(ledger, study)[0]
    ledger.fail(step, "it is lost")
    ledger.record_study(study.text.replace("digits", f"folder:{tmp_path}/gone"))
    assert f"failed: {step.label}: it is lost" in shown(store_at(tmp_path))


def test_a_study_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no study 'other' under"):
        shown(store_at(tmp_path), "other")
    assert shown(store_at(tmp_path), None).startswith("no study has been run under")


TORCH = (
    "CUDA out of memory. Tried to allocate 2.50 GiB. GPU 0 has a total capacity of 79.15 GiB of which 1 GiB is free."
)


@pytest.mark.parametrize(
    ("error", "tried"),
    [
        (torch.OutOfMemoryError(TORCH), " (tried to allocate 2.50 GiB)"),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be reported later"), ""),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), ""),
    ],
)
def test_a_gpus_memory_that_is_too_small_is_told_with_its_remedy(error: Exception, tried: str) -> None:
    assert reason_of(error) == OUT_OF_MEMORY + tried
    assert "smaller batch_size" in OUT_OF_MEMORY and "gpus: 1" in OUT_OF_MEMORY


def test_the_machines_own_memory_is_not_a_gpus() -> None:
    assert reason_of(MemoryError("out of memory")) == "MemoryError: out of memory"


@pytest.mark.gpu
def test_a_real_gpus_memory_that_is_too_small() -> None:
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(10**13, device="cuda")
    assert reason_of(caught.value).startswith(f"{OUT_OF_MEMORY} (tried to allocate ")
    assert os.linesep not in reason_of(caught.value)
