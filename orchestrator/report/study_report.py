"""A study's report, read from its folder: the frames of what the study wants, and the tables to show."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from nemo.errors import UserError
from orchestrator.ledger.data import recorded_data, submitted_made_of
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Plan, plan
from orchestrator.report.accepted import Accepted, accepted
from orchestrator.report.accepted_tables import read_tables
from orchestrator.report.derived import derived_table
from orchestrator.report.frames import Frames, read_frames
from orchestrator.report.fronts import front_table
from orchestrator.report.groups import group_names, group_tables
from orchestrator.report.published import published_tables
from orchestrator.report.published_derived import published_derived_tables
from orchestrator.report.tables import PAIR, Table, method_name, parts_of, tables_by_topic
from orchestrator.report.tried import importance_tables
from orchestrator.storage import Where
from orchestrator.storage.keys import keys_named
from orchestrator.study.data import DescribedStudy
from orchestrator.study.file import submitted_study
from orchestrator.study.study import Study

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Planned:
    """A study as it was last submitted, with the data that its results were made of, and its plan.

    Attributes:
        notes: The data sets that have changed since, a sentence each.
    """

    described: DescribedStudy
    plan: Plan
    notes: Sequence[str] = ()

    @property
    def study(self) -> Study:
        """What was submitted."""
        return self.described.study


@dataclass(frozen=True)
class StudyReport:
    """The contents of a study's report.

    Attributes:
        planned: None where the study cannot be planned here; everything in its store is then shown.
        accepted: What was read of its data; None where nothing is known of the study.
        tables: By topic: those of `tables_by_topic`, `groups`, `derived`, `published`, `fronts` and
            `importances`.
    """

    ledger: Ledger
    planned: Planned | None
    frames: Frames
    tables: dict[str, list[Table]]
    accepted: Accepted | None = None

    @property
    def all_tables(self) -> list[Table]:
        """The tables of all topics."""
        return [table for tables in self.tables.values() for table in tables]

    @property
    def read_tables(self) -> list[Table]:
        """What was read of its data, and what its steps ask for."""
        return [] if self.accepted is None else read_tables(self.accepted)

    @property
    def notes(self) -> Sequence[str]:
        """What a reader must know of the data, a sentence each."""
        return [] if self.planned is None else self.planned.notes

    @property
    def class_names(self) -> dict[str, tuple[str, ...]]:
        """Fingerprint of a data set -> the names of its classes; empty where the study cannot be planned here."""
        described = [] if self.planned is None else self.planned.described.data.values()
        return {each.fingerprint: each.classes for each in described}


def read_report(where: Where) -> tuple[Frames, list[Table]]:
    """The frames and all tables of a study; see `gather`."""
    report = gather(where)
    return report.frames, report.all_tables


def gather(where: Where) -> StudyReport:
    """Reads the report of a study from its store; see `report_of`."""
    return report_of(Ledger(where, readonly=True))


def report_of(ledger: Ledger) -> StudyReport:
    """The results that belong to a study as it was last submitted.

    A store keeps the results of earlier versions of its study too; they are left out, and where its data have changed,
    the results are those of the data with which it was last run. Where the study cannot be
    planned here, because its data lie elsewhere, everything in the store is shown, with a warning.
    """
    planned = _plan(ledger)
    planned_keys = None if planned is None else {step.key for step in planned.plan.steps}
    frames = read_frames(ledger, ledger.store.name, planned_keys)
    fronts = [] if planned is None else [front_table(search, ledger) for search in planned.plan.searches]
    tables = {
        **tables_by_topic(frames),
        "groups": []
        if planned is None
        else group_tables(frames.subtasks, group_names(planned.described, planned.study.subtasks)),
        "derived": [derived_table(part) for part in parts_of(frames.derived, PAIR)],
        "published": [*published_tables(frames), *published_derived_tables(frames.derived)],
        "fronts": [front for front in fronts if front is not None],
        "importances": [] if planned is None else importance_tables(planned.described, planned.plan, ledger),
    }
    return StudyReport(ledger, planned, frames, tables, _accepted(ledger, planned, frames))


def training_key(trainings: pl.DataFrame, key: str) -> str:
    """The only training's key that equals `key` or starts with it.

    Raises:
        UserError: There is none, or more than one.
    """
    matches = keys_named(key, trainings["key"])
    if len(matches) != 1:
        text = "more than one training's key starts with it" if matches else "no training has this key"
        candidates = trainings.filter(pl.col("key").is_in(matches)) if matches else trainings
        rows = candidates.head(8).to_dicts()
        known = ", ".join(f"{row['key']} ({method_name(row)} seed {row['seed']})" for row in rows)
        more = f" and {len(candidates) - 8} more" if len(candidates) > 8 else ""
        raise UserError(f"{key!r}: {text}, choose among {known or 'none, for nothing has finished yet'}{more}.")
    return matches[0]


def _accepted(ledger: Ledger, planned: Planned | None, frames: Frames) -> Accepted | None:
    """What was read of the data: as they are here, else as they were when the study was last run."""
    largest = frames.trainings["parameters"].max()
    parameters = largest if isinstance(largest, int) else None
    if planned is not None:
        return accepted(planned.study, planned.described.data, parameters)
    try:
        return accepted(submitted_study(ledger.store), recorded_data(ledger), parameters, recorded=True)
    except UserError:  # that its file is damaged was said already
        return None


def _plan(ledger: Ledger) -> Planned | None:
    try:
        described, changes = submitted_made_of(ledger)
        return Planned(described, plan(described, ledger), [change.text for change in changes])
    except UserError as error:
        _log.warning("%s: shown with everything that its storage holds, because %s", ledger.store.name, error)
        return None
