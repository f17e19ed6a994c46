"""Looks at all that a run needs, and says what to do about what is missing."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table
from rich.text import Text

from nemo.errors import UserError
from orchestrator.doctor.finding import Finding, State, fails
from orchestrator.doctor.machine import installation, machine
from orchestrator.doctor.services import services
from orchestrator.storage import store_at
from orchestrator.storage.studies import default_storage

_COLOURS = {State.good: "green", State.look: "yellow", State.fails: "red"}


def examine(storage: str | None, address: str | None, tracking: str | None, *, quick: bool) -> Iterator[Finding]:
    """Every finding as soon as it is there; the arguments are those of `services`."""
    yield from installation()
    try:
        root = default_storage() if storage is None else store_at(storage)
    except UserError as error:
        yield from machine(None)
        yield fails("storage", str(error), "")
        return
    yield from machine(None if root.remote else root.local)
    yield from services(root, address, tracking, quick=quick)


def report(findings: Iterator[Finding], console: Console) -> bool:
    """Prints findings, each as it comes; returns whether nothing fails."""
    counts = dict.fromkeys(State, 0)
    for each in findings:
        counts[each.state] += 1
        line = Table.grid(padding=(0, 2))
        line.add_column(width=5)
        line.add_column(width=13)
        line.add_column(overflow="fold")
        said = Text(each.said + (f"\n{each.remedy[:1].upper()}{each.remedy[1:]}." if each.remedy else ""))
        line.add_row(Text(each.state.value, style=_COLOURS[each.state]), Text(each.thing), said)
        console.print(line)
    console.print(_verdict(counts[State.fails], counts[State.look]))
    return counts[State.fails] == 0


def _verdict(failed: int, looked: int) -> str:
    if failed:
        return f"{failed} of these {'fails' if failed == 1 else 'fail'}: a run would stop there."
    if looked:
        return f"A run can start; {looked} of these {'is' if looked == 1 else 'are'} worth a look."
    return "All that a run needs is here."
