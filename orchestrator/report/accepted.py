"""What a plan has accepted: what was read of each data set, the class sets by name, and what steps ask for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.combination import Combination
from orchestrator.plan.step import NOUNS
from orchestrator.study.class_sets import ClassSets
from orchestrator.study.data import DescribedStudy, groups_of
from orchestrator.study.reading import SHOWN, Reading, bytes_text, first_of, readings, unknown
from orchestrator.study.resources import Resources
from orchestrator.study.study import Study
from orchestrator.system.terminal import new_table, print_table
from orchestrator.system.text import one_line

if TYPE_CHECKING:
    from nemo.datasets.description import Description

_WEIGHT = 4  # bytes: they are kept in single precision

NamedSet = tuple[str | None, tuple[str, ...]]
"""The name of a group, where it is one, and the names of its classes."""


@dataclass(frozen=True)
class DataSet:
    """A data set, and the classes of the modules that are cut for it.

    Attributes:
        title: Its name, with what tells it from the others.
        reading: What was read of it.
        subtasks: The class sets of the study's sub-tasks.
        derived: Those of the networks that it derives.
    """

    title: str
    reading: Reading
    subtasks: Sequence[NamedSet]
    derived: Sequence[NamedSet]

    @property
    def rows(self) -> list[tuple[str, str]]:
        """A line each: what it is, and the text."""
        sets = [("Sub-tasks", self.subtasks), ("Derived", self.derived)]
        return [*self.reading.rows, *((name, _sets_text(each)) for name, each in sets if each)]

    @property
    def document(self) -> dict[str, Any]:
        """All of it as JSON has it."""
        return {
            **self.reading.document,
            **{
                name: [{"group": group, "classes": list(classes)} for group, classes in sets]
                for name, sets in (("subtasks", self.subtasks), ("derived", self.derived))
            },
        }


@dataclass(frozen=True)
class Accepted:
    """What a study's plan was made of.

    Attributes:
        data: The data sets that are known.
        missing: A line for each of the others.
        needs: What steps ask for, a line each.
        recorded: Whether the data are not here, and this is what they were when the study was last run.
    """

    data: Sequence[DataSet]
    missing: Sequence[str]
    needs: Sequence[tuple[str, str]]
    recorded: bool = False


def accepted(
    study: Study, data: Mapping[str, Description], parameters: int | None = None, *, recorded: bool = False
) -> Accepted:
    """What was accepted of a study.

    Args:
        study: What is wanted.
        data: `Pair.data` -> description.
        parameters: Of the largest network that was trained so far; None where none was.
        recorded: Whether the descriptions are those of the last run.
    """
    found: list[DataSet] = []
    for reading in readings(study, data):
        titles = [each.title for each in found]
        same = sum(title == reading.dataset or title.startswith(f"{reading.dataset} (") for title in titles)
        title = f"{reading.dataset} ({same + 1})" if same else reading.dataset
        sets = [_named_sets(study, reading.description, wanted) for wanted in (study.subtasks, study.derive)]
        found.append(DataSet(title, reading, *sets))
    return Accepted(found, unknown(study, data), _needs(study.resources, parameters), recorded)


def accepted_of(described: DescribedStudy, ledger: Ledger) -> Accepted:
    """What was accepted of a study with its data, and what its results tell of its networks."""
    sizes = [document["result"].get("parameters") for _, document in ledger.results("train")]
    return accepted(described.study, described.data, max((size for size in sizes if size), default=None))


def _named_sets(study: Study, description: Description, wanted: ClassSets | None) -> list[NamedSet]:
    if wanted is None:
        return []
    any_of_them = Combination(study, study.pairs[0], next(iter(study.methods)), study.seeds[0], description, "")
    groups = groups_of(description, wanted)
    return [
        (groups.get(tuple(sorted(classes))), tuple(description.classes[number] for number in classes))
        for classes in any_of_them.class_sets(wanted, as_written=wanted is study.derive)
    ]


def _sets_text(sets: Sequence[NamedSet]) -> str:
    shown = "; ".join(set_text(each) for each in sets[:SHOWN])
    more = f"; and {len(sets) - SHOWN:,} more" if len(sets) > SHOWN else ""
    return f"{len(sets):,} set{'s' * (len(sets) != 1)} of classes: {shown}{more}"


def set_text(named: NamedSet, most: int = SHOWN) -> str:
    """`cat, dog`, or `pets (cat, dog)` of a group."""
    group, classes = named
    return first_of(classes, most) if group is None else f"{group} ({first_of(classes, most)})"


def _needs(resources: Resources, parameters: int | None) -> list[tuple[str, str]]:
    """What steps ask for, and the memory of a network as far as it is known."""
    training, subtask = resources.training, resources.subtask
    each = _of_machine(training.cpus, training.gpus)
    workers = each if training.workers == 1 else f"{training.workers} workers, each with {each}"
    rows = [
        (NOUNS["train"].capitalize(), workers),
        ("Other steps", _of_machine(subtask.cpus, subtask.gpus)),
    ]
    if parameters is not None:
        size = bytes_text(_WEIGHT * parameters)
        rows.append(("Weights", f"{size} of the largest network so far, of {parameters:,} parameters"))
    return rows


def _of_machine(cpus: float, gpus: float) -> str:
    cores = f"{cpus:g} CPU{'s' * (cpus != 1)}"
    return f"{cores} and {gpus:g} GPU{'s' * (gpus > 1)}" if gpus else cores


NEEDS_NOTE = (
    "As resources says; the memory that a training takes beside its images and weights is not known before it runs."
)


def print_accepted(shown: Accepted, console: Console, *, everything: bool = False) -> None:
    """Prints what was accepted: a table for each data set, and what steps ask for.

    Args:
        shown: What was.
        console: Where to.
        everything: Whether every class and every class set has a line of its own.
    """
    for each in shown.data:
        _print_rows(f"Data: {each.title}", ("", "What was read"), each.rows, console)
        if everything:
            columns = ("Class", "Training", "Validation", "Test")
            table = new_table(None, columns)
            for row in each.reading.classes:
                numbers = ["?" if row[name] is None else f"{row[name]:,}" for name in ("train", "validation", "test")]
                table.add_row(_safe(row["name"]), *numbers)
            _print(f"Classes: {each.title}", table, console)
            for name, sets in (("Sub-tasks", each.subtasks), ("Derived", each.derived)):
                if sets:
                    rows = [(str(number), set_text(one, len(one[1]))) for number, one in enumerate(sets, 1)]
                    _print_rows(f"{name}: {each.title}", ("", "Classes"), rows, console)
    for line in shown.missing:
        console.print(one_line(line), markup=False, soft_wrap=True)
    _print_rows("What steps ask for", ("Steps", "Each"), shown.needs, console)
    console.print(NEEDS_NOTE, markup=False, soft_wrap=True)


def _print_rows(title: str, columns: tuple[str, str], rows: Sequence[tuple[str, str]], console: Console) -> None:
    table = new_table(None, columns, (0, 1))
    table.columns[0].no_wrap = True
    for name, text in rows:
        table.add_row(_safe(name), _safe(text))
    _print(title, table, console)


def _print(title: str, table: Table, console: Console) -> None:
    console.print(f"[bold]{_safe(title)}[/bold]", soft_wrap=True)
    print_table(table, console)


def _safe(text: str) -> str:
    return escape(one_line(text))
