"""A study's report, read from its folder: the frames of what the study wants, and the tables to show."""

from __future__ import annotations

import logging

from nemo.errors import UserError
from orchestrator.describing import describe
from orchestrator.ledger import Ledger
from orchestrator.plan import Plan, plan
from orchestrator.report.frames import Frames, read_frames
from orchestrator.report.fronts import front_table
from orchestrator.report.tables import Table, report_tables
from orchestrator.stores import Where
from orchestrator.study_file import submitted_study

_log = logging.getLogger(__name__)


def read_report(where: Where) -> tuple[Frames, list[Table]]:
    """Reads the results that belong to a study as it was last submitted.

    A store keeps the results of earlier versions of its study too; they are left out. Where the study cannot be
    planned here, because its data lie elsewhere, everything in the store is shown, with a warning.
    """
    ledger = Ledger(where, readonly=True)
    planned = _plan(ledger)
    frames = read_frames(ledger, ledger.store.name, None if planned is None else {step.key for step in planned.steps})
    fronts = [] if planned is None else [front_table(search, ledger) for search in planned.searches]
    return frames, [*report_tables(frames), *(front for front in fronts if front is not None)]


def _plan(ledger: Ledger) -> Plan | None:
    try:
        study = submitted_study(ledger.store)
        return plan(study, ledger, describe(study))
    except UserError as error:
        _log.warning("%s: shown with everything that its storage holds, because %s", ledger.store.name, error)
        return None
