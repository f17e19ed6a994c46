from io import StringIO

import pytest
from rich.console import Console

from orchestrator.system.terminal import duration, new_table, print_table


def test_in_a_file_a_table_is_as_wide_as_it_needs() -> None:
    table = new_table("Parts", ["Module", "KRR %", "From"], words=(0, 2))
    table.add_row("m" * 60, "7", "f" * 60)
    table.add_row("short", "30", "here")
    file = StringIO()
    print_table(table, Console(file=file, width=80))
    title, _, head, _, *rows = (line.rstrip() for line in file.getvalue().splitlines())
    assert title == "Parts" and head.split() == ["Module", "KRR", "%", "From"]
    assert rows[:2] == [f" {'m' * 60}      7  {'f' * 60}", f" short{' ' * 55}     30  here"]


@pytest.mark.parametrize(
    ("seconds", "text"), [(None, "?"), (0.4, "0 s"), (89, "89 s"), (90, "2 min"), (5399, "90 min"), (5400, "1.5 h")]
)
def test_a_duration_is_said_in_the_unit_that_fits(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text
