"""`nemo sync`: what MLflow lacks of a study, written from the study's storage when no driver does it."""

from __future__ import annotations

from nemo.errors import UserError
from orchestrator.ledger.lease import hold
from orchestrator.ledger.ledger import Ledger
from orchestrator.report.status import study_overview
from orchestrator.storage import Where
from orchestrator.study.file import submitted_study
from orchestrator.tracking.connection import STORE_ERRORS, cannot_use, open_store, store_of
from orchestrator.tracking.entries import STATUS
from orchestrator.tracking.writer import CaughtUp, StudyRuns


def sync_study(where: Where) -> str:
    """Writes what MLflow lacks of a study.

    Args:
        where: Where the study lies.

    Returns:
        A sentence about how much was written.

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
    return _summary(caught_up, uri)


def _summary(caught_up: CaughtUp, uri: str) -> str:
    written = f"{caught_up} written to {uri}" if caught_up.written else "nothing was missing"
    if caught_up.refused:
        raise UserError(f"tracking.uri: MLflow at {uri!r} refuses {caught_up.refusals}; {written}")
    return written


def _status(ledger: Ledger) -> str:
    """The status that the study's last driver set, or would have set."""
    try:
        return STATUS[study_overview(ledger.store).outcome]
    except UserError:  # the plan needs data that is not here
        return STATUS["unfinished"]
