"""Changes of a study, or its data, since it was last run under its name: it may grow, but not drop work it has done."""

from __future__ import annotations

import difflib
import logging
from dataclasses import replace

from nemo.errors import UserError
from orchestrator.ledger.data import made_of, recorded_data
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Plan, plan
from orchestrator.plan.step import Step, counted
from orchestrator.storage.layout import CHECKPOINTS, SUBMITTED
from orchestrator.study.data import DescribedStudy, describe
from orchestrator.study.file import submitted_study
from orchestrator.study.study import Study
from orchestrator.study.yaml_source import dump_yaml

_log = logging.getLogger(__name__)


def check_changes(wanted: DescribedStudy, ledger: Ledger) -> None:
    """Refuses a study if its earlier version under the same name has done steps that it no longer contains.

    So it is where a data set has changed. If the earlier version can't be read any more, or its data is gone and was
    not recorded, a warning is logged and nothing is refused.

    Args:
        wanted: The study that is to run.
        ledger: With what was done so far; its store has the earlier version, `study.yaml`.

    Raises:
        UserError: Steps would be dropped; the message counts them and has the difference between the two studies, or
            between the data then and now.
    """
    submitted = ledger.store.where(SUBMITTED)
    if SUBMITTED not in ledger.store.below():
        return
    try:
        previous = submitted_study(ledger.store)
        difference = diff(previous, wanted.study)
        described, changes = made_of(_described(previous, wanted, ledger), ledger)
        if not difference and not changes:
            return
        before = plan(described, ledger)
    except UserError as error:
        text = "%s: cannot be compared with the study as it is now (%s); it runs, and what no longer belongs is unused."
        _log.warning(text, submitted, str(error).splitlines()[0])
        return
    left = left_behind(before, plan(replace(wanted, study=widened(previous, wanted.study)), ledger))
    worked_on = ledger.finished() | ledger.store.below(CHECKPOINTS) if left else set()
    begun = [step for step in left if step.key in worked_on and ledger.failure(step.key) is None]
    if begun and changes:
        names = [pair.dataset for pair in wanted.study.pairs]
        position = names.index(changes[0].dataset) if changes[0].dataset in names else 0
        differences = "\n".join([*(change.difference for change in changes), *[difference] * bool(difference)])
        raise UserError(
            f"{wanted.study.where('pairs', position, 'dataset')}: {changes[0].text.rstrip('.')}, and "
            f"{counted(begun)} that it has finished or begun would no longer belong to it; put the files back, give "
            f"the study another name, or pass --replace to leave them unused in {ledger.store}.\n{differences}"
        )
    if begun:
        raise UserError(
            f"{wanted.study.where('name')}: {wanted.study.name!r} was run before as another study, and "
            f"{counted(begun)} that it has finished or begun would no longer belong to it; give the changed study "
            f"another name, or pass --replace to leave them unused in {ledger.store}.\n{difference}"
        )


def _described(previous: Study, wanted: DescribedStudy, ledger: Ledger) -> DescribedStudy:
    """The earlier version with its data, which need not be there where they are the wanted study's, or recorded.

    Raises:
        UserError: They are neither, and cannot be described.
    """
    known = {**recorded_data(ledger), **wanted.data}
    needed = {pair.data for pair in previous.pairs}
    if needed <= known.keys():
        return DescribedStudy(previous, {name: known[name] for name in needed})
    return describe(previous)


def left_behind(before: Plan, after: Plan) -> list[Step]:
    """The steps that only the earlier plan has."""
    remaining = {step.key for step in after.steps}
    return [step for step in before.steps if step.key not in remaining]


def diff(previous: Study, wanted: Study) -> str:
    """A unified diff of the studies' settings; the order of fields, comments and defaults make no difference."""
    before, after = _text(previous).splitlines(), _text(wanted).splitlines()
    return "\n".join(difflib.unified_diff(before, after, "as it was run", "as it is now", n=2, lineterm=""))


def widened(previous: Study, wanted: Study) -> Study:
    """The wanted study with the sub-tasks of every point, where the previous one had those of the best.

    More points, seeds or another tolerance may make another point the best; that is growth, and leaves nothing behind.
    """
    if wanted.subtasks is None or previous.subtasks is None or previous.subtasks.source != "best":
        return wanted
    return wanted.model_copy(update={"subtasks": wanted.subtasks.model_copy(update={"source": "every"})})


def _text(study: Study) -> str:
    fields = study.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return dump_yaml(fields, sort_keys=True, default_flow_style=None, width=100)
