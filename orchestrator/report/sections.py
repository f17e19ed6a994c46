"""What a report shows, in its order: the one list that the page and the exported files are made of."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import polars as pl

from orchestrator.report.figures.derived import derived_figure
from orchestrator.report.figures.figure import Figure
from orchestrator.report.figures.figures import curve_figure, front_figure, subtask_figure, threshold_figure
from orchestrator.report.figures.maps import HeatMap, Missing, heat_maps
from orchestrator.report.study_report import StudyReport
from orchestrator.report.tables import PAIR, Table, at_thresholds, parts_of
from orchestrator.report.telling import tell
from orchestrator.system.text import one_line

_log = logging.getLogger(__name__)

Item = Table | Figure | HeatMap | Missing


@dataclass(frozen=True)
class Section:
    """A part of the report with its own heading.

    Attributes:
        name: The text of links to it.
    """

    name: str
    title: str
    items: Sequence[Item]


def sections_of(report: StudyReport) -> list[Section]:
    """The sections that have something to show; one that cannot be made says so, and the others are shown."""
    frames, tables = report.frames, report.tables
    best = {} if report.planned is None else report.planned.plan.best
    chosen = set(best.values())
    modules, subtasks = (parts_of(frame, PAIR) for frame in (frames.modularizations, frames.subtasks))
    sized = [each for part in subtasks for each in at_thresholds(part)]
    sections = [
        Section("Published", "Beside the published numbers", tables["published"]),
        Section("Accuracy", "Accuracy of the whole networks", tables["accuracy"]),
        _section(
            ("Sweep", "Accuracy against what modules keep"),
            lambda: [
                *_shown([_front(part, frames.trainings, chosen) for part in modules]),
                *tables["fronts"],
                *tables["importances"],
            ],
        ),
        _section(
            ("Thresholds", "Modules at each threshold"),
            lambda: _woven([threshold_figure(part) for part in modules], tables["thresholds"]),
        ),
        _section(
            ("Sub-tasks", "Modules of some of the classes"),
            lambda: [*_woven([subtask_figure(*each) for each in sized], tables["subtasks"]), *tables["groups"]],
        ),
        _section(
            ("Derived", "Small networks of trained ones"),
            lambda: _woven([derived_figure(part) for part in parts_of(frames.derived, PAIR)], tables["derived"]),
        ),
        _section(
            ("Maps", "What each class keeps"),
            lambda: heat_maps(report.ledger, frames.modularizations, chosen, report.class_names),
        ),
        _section(
            ("Training", "Training, and how long it took"),
            lambda: [*_shown([curve_figure(part) for part in parts_of(frames.epochs, PAIR)]), *tables["time"]],
        ),
    ]
    return [section for section in sections if section.items]


def _section(names: tuple[str, str], make: Callable[[], Sequence[Item]]) -> Section:
    """A section with the items that `make` makes; a study is finished whether its figures can be made or not."""
    try:
        return Section(*names, make())
    except Exception as error:
        tell(_log, f"the section {names[0]} of the report", error)
        return Section(*names, [Missing(names[1], f"Not shown: {type(error).__name__}: {one_line(str(error))}")])


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
