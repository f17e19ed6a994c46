"""A study's report as one page that needs nothing else: no network, no script, no other file."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from orchestrator.report.accepted_tables import class_tables
from orchestrator.report.figures.figure import Figure, Panel
from orchestrator.report.figures.maps import HeatMap
from orchestrator.report.published import MISSING
from orchestrator.report.sections import Item, Section, sections_of
from orchestrator.report.study_report import StudyReport, gather
from orchestrator.report.summary import asked, facts, failures, overview_of, ran_tables
from orchestrator.report.tables import Table
from orchestrator.report.telling import telling
from orchestrator.storage import Where
from orchestrator.storage.layout import SUBMITTED
from orchestrator.system.credentials import masked
from orchestrator.system.text import printable

_log = logging.getLogger(__name__)

_ROWS, _MAP = 500, 60
"""Rows of a table, and rows and columns of a map, that a page shows."""


def read_page(where: Where) -> str:
    """The page of a study, from its store alone."""
    return as_html(gather(where))


def as_html(report: StudyReport, sections: Sequence[Section] | None = None) -> str:
    """The page; all texts from a study or a ledger are escaped.

    Args:
        report: The study's report.
        sections: Its `sections_of`, where they are known already.
    """
    overview = overview_of(report)
    text = report.ledger.store.read(SUBMITTED) or b""
    page: str = _template().render(
        name=report.frames.study,
        missing=MISSING,
        notes=report.notes,
        asked=asked(report),
        read=[table.head(_ROWS) for table in (*report.read_tables, *class_tables_of(report))],
        facts=facts(report, overview),
        ran=ran_tables(report, overview),
        sections=[_bounded(each) for each in (sections_of(report) if sections is None else sections)],
        failures=failures(report, overview),
        stopped=report.ledger.stops(),
        text=masked(text.decode(errors="replace")),
    )
    return printable(page)


def class_tables_of(report: StudyReport) -> list[Table]:
    """The classes of each data set that is known."""
    return [] if report.accepted is None else class_tables(report.accepted)


def _bounded(section: Section) -> Section:
    """What fits a page that opens at once, of a study of any size."""

    def bounded(item: Item) -> Item:
        if isinstance(item, Table):
            return item.head(_ROWS)
        if isinstance(item, HeatMap):
            return item.thinned(_MAP)
        if isinstance(item, Figure) and item.table is not None:
            return replace(item, table=item.table.head(_ROWS))
        return item

    return replace(section, items=[bounded(item) for item in section.items])


def _drawn(panel: Panel, draw: Callable[[], str]) -> Markup:
    """A picture for the page, or that there is none."""
    with telling(_log, f"the picture {panel.title!r} of the page"):
        return Markup(draw())
    return Markup('<p class="note">This picture cannot be drawn.</p>')


def _template() -> Any:
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # at its first start it tells of its cache
    from orchestrator.report.figures.svg import draw, marker  # matplotlib takes a moment

    environment = Environment(
        loader=PackageLoader("orchestrator.report", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # What these return is built as XML elements, which escape their texts.
    number = count(1)
    environment.filters["draw"] = lambda panel: _drawn(panel, lambda: draw(panel, f"p{next(number)}-"))
    environment.filters["marker"] = lambda key: Markup(marker(key, f"p{next(number)}-"))
    return environment.get_template("page.html")
