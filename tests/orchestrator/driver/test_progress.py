from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from orchestrator.driver.progress import Progress
from tests.orchestrator.invented import finish, invented_study, plan_of


def follow(storage: Path, console: Console) -> list[str]:
    """Tells of a whole study, one training of which fails; returns its trainings' labels."""
    study, ledger = invented_study(storage, until=0)
    steps = plan_of(study, ledger).steps
    trainings = [step for step in steps if step.kind == "train"]
    with Progress(plan_of(study, ledger).counts(), console=console) as progress:
        for step in steps:
            progress.started(step)
            if step is trainings[-1]:
                progress.failed(step, "the loss is NaN [epoch 3]")
                continue
            document = finish(ledger, step)
            for epoch in document["result"].get("history", []):
                progress.epoch(step, epoch, 3)
            progress.finished(step, document["result"])
        progress.totals({"train": len(trainings), "reuse": 8})
    return [step.label for step in trainings]


def test_without_a_terminal_there_are_plain_lines(storage: Path) -> None:
    shown = StringIO()
    labels = follow(storage, Console(file=shown))
    lines = shown.getvalue().splitlines()
    assert "\x1b" not in shown.getvalue()
    assert f"{labels[0]}: started" in lines
    assert any(line.startswith(f"{labels[0]}: epoch 3/3, train/loss 0.333, accuracy 9") for line in lines)
    assert f"{labels[-1]}: failed: the loss is NaN [epoch 3]" in lines
    assert lines[-1] == "3/4 trainings (1 failed), 0/8 sub-tasks"


@pytest.mark.parametrize("width", [40, 120])
def test_a_terminal_of_any_width_has_bars(storage: Path, width: int) -> None:
    shown = StringIO()
    labels = follow(storage, Console(file=shown, force_terminal=True, width=width))
    assert "\x1b" in shown.getvalue()
    assert f"{labels[-1]}: failed" in shown.getvalue().replace("\n", "")
    assert "3/4 trainings (1 failed)" in shown.getvalue()
