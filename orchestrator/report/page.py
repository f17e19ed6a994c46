"""A study's report as one page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.credentials import masked
from orchestrator.report.drawing import draw, marker
from orchestrator.report.figure import Figure
from orchestrator.report.figures import curve_figure, front_figure, subtask_figure, threshold_figure
from orchestrator.report.maps import HeatMap, Missing, heat_maps
from orchestrator.report.origins import origin_table
from orchestrator.report.published import MISSING
from orchestrator.report.study_report import StudyReport, gather
from orchestrator.report.summary import asked, cost_table, facts, failures, overview_of
from orchestrator.report.tables import PAIR, Table, at_thresholds, parts_of
from orchestrator.storage import SUBMITTED
from orchestrator.stores import Where

Item = Table | Figure | HeatMap | Missing


@dataclass(frozen=True)
class Section:
    """A part of the page with its own heading.

    Attributes:
        name: What links to it say.
    """

    name: str
    title: str
    items: Sequence[Item]


def read_page(where: Where) -> str:
    """The page of a study, from its store alone."""
    return as_html(gather(where))


def as_html(report: StudyReport) -> str:
    """The page; whatever a study or a ledger says is escaped in it."""
    shown = overview_of(report)
    ran = [cost_table(report, shown), origin_table(report.ledger, set(report.frames.trainings["key"]))]
    text = report.ledger.store.read(SUBMITTED) or b""
    return _template().render(
        name=report.frames.study,
        missing=MISSING,
        asked=asked(report),
        facts=facts(report, shown),
        ran=[table for table in ran if table.rows],
        sections=[section for section in _sections(report) if section.items],
        failures=failures(report, shown),
        stopped=report.ledger.stops(),
        text=masked(text.decode(errors="replace")),
    )


def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("orchestrator.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # What these return is built as XML elements, which escape their texts.
    environment.filters["draw"] = lambda panel: Markup(draw(panel))
    environment.filters["marker"] = lambda style: Markup(marker(style))
    return environment.get_template("page.html")


def _sections(report: StudyReport) -> list[Section]:
    frames, tables = report.frames, report.tables
    best = {} if report.planned is None else report.planned.plan.best
    chosen = set(best.values())
    modules, subtasks = (parts_of(frame, PAIR) for frame in (frames.modularizations, frames.subtasks))
    fronts = [_front(part, frames.trainings, chosen) for part in modules]
    curves = [curve_figure(part) for part in parts_of(frames.epochs, PAIR)]
    names = (
        {}
        if report.planned is None
        else {each.fingerprint: each.classes for each in report.planned.descriptions.values()}
    )
    return [
        Section("Published", "Beside the published numbers", tables["published"]),
        Section("Accuracy", "Accuracy of the whole networks", tables["accuracy"]),
        Section("Sweep", "Accuracy against what modules keep", [*_shown(fronts), *tables["fronts"]]),
        Section(
            "Thresholds",
            "Modules at each threshold",
            _woven([threshold_figure(part) for part in modules], tables["thresholds"]),
        ),
        Section(
            "Sub-tasks",
            "Modules of some of the classes",
            _woven([subtask_figure(*each) for part in subtasks for each in at_thresholds(part)], tables["subtasks"]),
        ),
        Section("Maps", "What each class keeps", heat_maps(report.ledger, frames.modularizations, chosen, names)),
        Section("Training", "Training, and how long it took", [*_shown(curves), *tables["time"]]),
    ]


def _front(modules: pl.DataFrame, trainings: pl.DataFrame, chosen: set[str]) -> Figure:
    """The front of a pair at its highest threshold."""
    same = pl.all_horizontal(pl.col(name).eq_missing(modules[name][0]) for name in PAIR)
    threshold, part = at_thresholds(modules)[-1]
    return front_figure(trainings.filter(same), part, threshold, chosen)


def _woven(figures: Sequence[Figure], tables: Sequence[Table]) -> list[Item]:
    """Each figure before the table that has its numbers."""
    items: list[Item] = []
    for figure, table in zip(figures, tables, strict=True):
        items += [*_shown([figure]), table]
    return items


def _shown(figures: Sequence[Figure]) -> list[Figure]:
    """The figures that have something to show."""
    return [figure for figure in figures if not all(panel.empty for panel in figure.panels)]
