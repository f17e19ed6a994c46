"""`nemo sync`: what MLflow lacks of a study, written from the study's storage when no driver does it."""

from __future__ import annotations

from nemo.errors import UserError
from orchestrator.ledger.lease import hold
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.status import study_overview
from orchestrator.storage import Where
from orchestrator.study.file import submitted_study
from orchestrator.tracking.connection import STORE_ERRORS, cannot_use, open_store, store_of
from orchestrator.tracking.writer import CaughtUp, StudyRuns


def sync_study(where: Where) -> str:
    """Writes what MLflow lacks of a study.

    Args:
        where: Where the study lies.

    Returns:
        How much it was, as a sentence.

    Raises:
        UserError: A driver runs the study, or its store cannot be reached or refuses something.
    """
    ledger = Ledger(where)
    study = submitted_study(ledger.store)
    with study.naming_lines(), hold(ledger.store):
        uri, artifact_root, experiment = store_of(study, ledger.store.parent)
        try:
            runs = StudyRuns(open_store(uri, artifact_root, experiment), study.name, ledger)
            caught_up = runs.catch_up()
            runs.describe_study()
            runs.attach_report()
            runs.end_study(_status(ledger))
        except (*STORE_ERRORS, ImportError) as error:
            raise cannot_use(uri, artifact_root, error) from error
    return _told(caught_up, uri)


def _told(caught_up: CaughtUp, uri: str) -> str:
    written = f"{caught_up} written to {uri}" if caught_up.written else "nothing was missing"
    if caught_up.refused:
        raise UserError(f"tracking.uri: MLflow at {uri!r} refuses {caught_up.refusals}; {written}")
    return written


def _status(ledger: Ledger) -> str:
    """How the study's last driver ended it, or would have."""
    try:
        shown = study_overview(ledger.store)
    except UserError:  # the data is not here that would tell what is planned
        return "KILLED"
    return "KILLED" if not shown.done else "FAILED" if shown.failures else "FINISHED"
