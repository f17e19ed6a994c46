"""What a report shows, in its order: the one list that the page and the exported files are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from orchestrator.report.figures.figure import Figure
from orchestrator.report.figures.figures import curve_figure, front_figure, subtask_figure, threshold_figure
from orchestrator.report.figures.maps import HeatMap, Missing, heat_maps
from orchestrator.report.study_report import StudyReport
from orchestrator.report.tables import PAIR, Table, at_thresholds, parts_of

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
    """The sections that have something to show."""
    frames, tables = report.frames, report.tables
    best = {} if report.planned is None else report.planned.plan.best
    chosen = set(best.values())
    modules, subtasks = (parts_of(frame, PAIR) for frame in (frames.modularizations, frames.subtasks))
    fronts = [_front(part, frames.trainings, chosen) for part in modules]
    curves = [curve_figure(part) for part in parts_of(frames.epochs, PAIR)]
    maps = heat_maps(report.ledger, frames.modularizations, chosen, report.class_names)
    sections = [
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
        Section("Maps", "What each class keeps", maps),
        Section("Training", "Training, and how long it took", [*_shown(curves), *tables["time"]]),
    ]
    return [section for section in sections if section.items]


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
