"""Changes of a study since it was last run under its name: it may grow, but not drop work that it has done."""

from __future__ import annotations

import difflib
import logging
from collections import Counter
from dataclasses import replace

from nemo.errors import UserError
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Plan, plan
from orchestrator.plan.step import NOUNS, Step
from orchestrator.storage.layout import CHECKPOINTS, SUBMITTED
from orchestrator.study.data import DescribedStudy, describe
from orchestrator.study.file import submitted_study
from orchestrator.study.study import Study
from orchestrator.study.yaml_source import dump_yaml

_log = logging.getLogger(__name__)


def check_changes(wanted: DescribedStudy, ledger: Ledger) -> None:
    """Refuses a study if its earlier version under the same name has done steps that it no longer contains.

    If the earlier version can't be read any more, or its data is gone, a warning is logged and nothing is refused.

    Args:
        wanted: The study that is to run.
        ledger: With what was done so far; its store has the earlier version, `study.yaml`.

    Raises:
        UserError: Steps would be dropped; the message counts them and has the difference between the two studies.
    """
    submitted = ledger.store.where(SUBMITTED)
    if SUBMITTED not in ledger.store.below():
        return
    try:
        previous = submitted_study(ledger.store)
        difference = diff(previous, wanted.study)
        if not difference:
            return
        before = plan(describe(previous), ledger)
    except UserError as error:
        text = "%s: cannot be compared with the study as it is now (%s); it runs, and what no longer belongs is unused."
        _log.warning(text, submitted, str(error).splitlines()[0])
        return
    left = left_behind(before, plan(replace(wanted, study=_widened(previous, wanted.study)), ledger))
    worked_on = ledger.finished() | ledger.store.below(CHECKPOINTS) if left else set()
    begun = [step for step in left if step.key in worked_on and ledger.failure(step.key) is None]
    if begun:
        raise UserError(
            f"{wanted.study.where('name')}: {wanted.study.name!r} was run before as another study, and "
            f"{_counted(begun)} that it has finished or begun would no longer belong to it; give the changed study "
            f"another name, or pass --replace to leave them unused in {ledger.store}.\n{difference}"
        )


def left_behind(before: Plan, after: Plan) -> list[Step]:
    """The steps that only the earlier plan has."""
    remaining = {step.key for step in after.steps}
    return [step for step in before.steps if step.key not in remaining]


def diff(previous: Study, wanted: Study) -> str:
    """A unified diff of the studies' settings; the order of fields, comments and defaults make no difference."""
    before, after = _text(previous).splitlines(), _text(wanted).splitlines()
    return "\n".join(difflib.unified_diff(before, after, "as it was run", "as it is now", n=2, lineterm=""))


def _widened(previous: Study, wanted: Study) -> Study:
    """The wanted study with the sub-tasks of every point, where the previous one had those of the best.

    More points, seeds or another tolerance may make another point the best; that is growth, and leaves nothing behind.
    """
    if wanted.subtasks is None or previous.subtasks is None or previous.subtasks.source != "best":
        return wanted
    return wanted.model_copy(update={"subtasks": wanted.subtasks.model_copy(update={"source": "every"})})


def _text(study: Study) -> str:
    fields = study.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return dump_yaml(fields, sort_keys=True, default_flow_style=None, width=100)


def _counted(steps: list[Step]) -> str:
    """`1 training, 2 measurements and 4 sub-tasks`."""
    counts = Counter(step.kind for step in steps)
    parts = [f"{number} {NOUNS[kind] if number > 1 else NOUNS[kind][:-1]}" for kind, number in counts.items()]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
