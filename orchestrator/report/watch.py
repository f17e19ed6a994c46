"""Watching a study while it runs, from its storage alone: in a terminal, as lines, or as a page that is kept fresh."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from nemo.errors import UserError
from orchestrator.ledger.data import submitted_as_recorded
from orchestrator.ledger.lease import read_owner
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.ongoing import ongoing_text
from orchestrator.ledger.spending import spending_text
from orchestrator.plan.planner import plan
from orchestrator.plan.step import NOUNS
from orchestrator.report.status import Overview, Status, overview_lines, overview_table, overview_with, study_status
from orchestrator.storage import Where, layout

LOOKS_EVERY, LOOKS_EVERY_REMOTE, DRAWS_EVERY = 2.0, 10.0, 30.0
"""Seconds between two looks at a study on a disk, at one in a bucket, and between two drawings of its page."""

_SHARE = 0.2
"""A look that takes long is followed by a longer pause: at most this share of the time goes into looking."""

_SHOWN = 8
_REFRESH = '<meta http-equiv="refresh" content="{seconds:.0f}">\n'


@dataclass(frozen=True)
class Look:
    """A study as it is at one time.

    Attributes:
        begun: The labels of the trainings that have a checkpoint and no result.
    """

    overview: Overview
    status: Status
    begun: list[str]

    @property
    def runs(self) -> bool:
        """Whether there is anything to wait for."""
        return self.status.runs

    @property
    def line(self) -> str:
        """All of it in a line, which changes when something has happened."""
        counts = [each for each in self.overview.counts if each.known or each.up_to]
        parts = [
            f"{each.finished}/{each.known + each.up_to} {NOUNS[each.kind]}"
            + (f" ({each.failed} failed)" if each.failed else "")
            for each in counts
        ]
        return f"{self.overview.study}: {self.status.state}: {', '.join(parts)}"


class Watched:
    """A study that is looked at again and again; what has been read once is not read again.

    Args:
        where: Where it lies.
    """

    def __init__(self, where: Where) -> None:
        self._ledger = Ledger(where, readonly=True)
        self._text: bytes | None = None

    @property
    def pause(self) -> float:
        """Seconds until the next look."""
        return LOOKS_EVERY_REMOTE if self._ledger.store.remote else LOOKS_EVERY

    def look(self) -> Look:
        """The study as it is now.

        Raises:
            UserError: Its storage cannot be read, or its file is damaged.
        """
        store, ledger = self._ledger.store, self._ledger
        text = store.read(layout.SUBMITTED)
        if self._text is None or text != self._text:
            self._described = submitted_as_recorded(ledger)
            self._text = text
        owner, begun = read_owner(store), store.below(layout.CHECKPOINTS)  # before the steps are counted
        planned = plan(self._described, ledger)
        overview = overview_with(self._described, planned, ledger)
        finished = ledger.finished("train") if begun else set()
        labels = [step.label for step in planned.steps if step.key in begun - finished]
        return Look(overview, study_status(overview, owner, datetime.now(UTC)), labels)

    def looks(self, sleep: Callable[[float], object]) -> Iterator[Look | UserError]:
        """What is seen until the study does not run any more; an error where a later look fails.

        Raises:
            UserError: The first look fails.
        """
        first, runs = True, True
        while runs:
            started = time.monotonic()
            try:
                look = self.look()
                runs = look.runs
                yield look
            except UserError as error:
                if first:
                    raise
                yield error
            first = False
            if runs:
                sleep(max(self.pause, (time.monotonic() - started) / _SHARE))


def watch_status(where: Where, console: Console, sleep: Callable[[float], object] = time.sleep) -> None:
    """Shows the status of a study until it does not run any more: in a terminal in place, else a line per change.

    Raises:
        UserError: It cannot be read.
    """
    watched = Watched(where)
    if not console.is_terminal:
        last = ""
        for look in watched.looks(sleep):
            line = str(look) if isinstance(look, UserError) else look.line
            if line != last:
                console.print(f"{datetime.now():%H:%M:%S} {line}", markup=False, soft_wrap=True)
            last = line
        if isinstance(look, Look):
            console.print(f"{look.overview.study}: {look.status.text}.", markup=False, soft_wrap=True)
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="visible") as live:
        shown: list[object] = []
        for look in watched.looks(sleep):
            if isinstance(look, Look):
                shown = _shown(look)
                live.update(Group(*shown), refresh=True)  # type: ignore[arg-type]
            else:
                live.update(Group(*shown, Text(str(look), "yellow")), refresh=True)  # type: ignore[arg-type]


def _shown(look: Look) -> list[object]:
    overview = look.overview
    texts = overview_lines(overview)
    if look.runs and (text := ongoing_text(overview.ongoing)):
        texts.append(text)
    elif look.runs and look.begun:
        more = f" and {len(look.begun) - _SHOWN} more" if len(look.begun) > _SHOWN else ""
        texts.append(f"Trained now: {', '.join(look.begun[:_SHOWN])}{more}.")
    texts.append(f"{overview.study}: {look.status.state}: {look.status.text}.")
    if look.runs:
        texts.append(f"As of {datetime.now():%H:%M:%S}; Ctrl-C ends the watching, not the study.")
    return [overview_table(overview), *map(Text, texts)]


def watch_page(where: Where, out: Path, sleep: Callable[[float], object] = time.sleep) -> None:
    """Keeps the page of a study fresh in a file until the study does not run any more, or somebody presses Ctrl-C.

    The file is replaced as a whole. While the study runs, the page loads itself again, and not afterwards.

    Raises:
        UserError: The study cannot be read, or the file cannot be written.
    """
    from orchestrator.report.page import read_page

    watched, page, drawn, seen = Watched(where), "", 0.0, ""
    try:
        for look in watched.looks(sleep):
            if isinstance(look, UserError) or (look.runs and time.monotonic() - drawn < DRAWS_EVERY and page):
                continue
            state = look.line + spending_text(look.overview.limits, look.overview.spent)
            if state != seen or not look.runs:
                page, drawn, seen = read_page(where), time.monotonic(), state
                _replace(out, _reloading(page) if look.runs else page)
    finally:
        if page:
            _replace(out, page)


def _reloading(page: str) -> str:
    """The page with a word to the browser to load it again, and no script."""
    before, head, after = page.partition("<head>\n")
    return before + head + _REFRESH.format(seconds=DRAWS_EVERY) + after


def _replace(out: Path, text: str) -> None:
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(out)
    except OSError as error:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
        raise UserError(f"--out: {out} cannot be written ({error.strerror}), choose another file.") from error
