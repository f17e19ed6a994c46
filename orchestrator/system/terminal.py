"""Output for terminals: tables of one style, and readable durations."""

from __future__ import annotations

from collections.abc import Container, Sequence

from rich import box
from rich.console import Console
from rich.table import Table


def new_table(title: str | None, columns: Sequence[str], words: Container[int] = (0,)) -> Table:
    """A table without rows or inner lines, two spaces between its columns: ten of them fit a terminal of eighty.

    Args:
        title: In rich's markup; None shows none.
        columns: Their heads, in rich's markup.
        words: The places of the columns that hold words, and are flush left; the others hold numbers.
    """
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place in words else "right")
    return table


def print_table(table: Table, console: Console) -> None:
    """Prints a table as wide as the terminal; in a file, as wide as it needs."""
    if not console.is_terminal:
        console.width = max(console.width, Console(width=10_000).measure(table).maximum)
    console.print(table)


def duration(seconds: float | None) -> str:
    """`45 s`, `12 min`, `3.5 h`; a question mark for what is not known."""
    if seconds is None:
        return "?"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
