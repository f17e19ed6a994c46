"""The status of a study: how many of its steps are done, and whether it runs, was killed, stopped or is finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from statistics import fmean
from typing import Any, Literal, TextIO

from rich.console import Console
from rich.table import Table

from nemo.errors import UserError
from orchestrator.ledger.control import paused_since
from orchestrator.ledger.data import made_of, submitted_made_of
from orchestrator.ledger.lease import Owner, read_owner, seems_alive
from orchestrator.ledger.ledger import Ledger
from orchestrator.ledger.ongoing import Ongoing, ongoing_text, read_ongoing
from orchestrator.ledger.spending import Spent, amount_text, reached, read_spent, spending_text
from orchestrator.ledger.warm_start import warm_start_notes
from orchestrator.plan.frontier import Frontier, Outcome
from orchestrator.plan.planner import Plan, plan
from orchestrator.plan.step import NOUNS
from orchestrator.report.accepted import Accepted, accepted_of
from orchestrator.storage import Store, Where
from orchestrator.storage.studies import find_study, known_studies
from orchestrator.study.data import DescribedStudy, check_data
from orchestrator.study.limits import Limits
from orchestrator.study.precision import precision_notes
from orchestrator.study.resources import Resources
from orchestrator.study.weights import knowing_weights
from orchestrator.system.terminal import duration, new_table

State = Literal["running", "paused", "silent", "killed", "stopped", "failed", "finished"]


@dataclass(frozen=True)
class Count:
    """The steps of one kind.

    Attributes:
        known: How many are planned so far, finished ones included.
        up_to: How many more there may be, depending on results that are still missing.
        failed: How many failed for good; they run again only when asked for.
        lost: How many cannot run because a step they build on failed.
        seconds: Mean seconds of a finished step of this kind; None before the first.
    """

    kind: str
    known: int
    up_to: int
    finished: int
    failed: int
    lost: int
    seconds: float | None

    @property
    def left(self) -> int:
        """How many may still run."""
        return self.known + self.up_to - self.finished - self.failed - self.lost

    @property
    def seconds_left(self) -> float | None:
        """Seconds for all steps that may still run, one after the other; None if no such step has finished yet."""
        return 0.0 if not self.left else None if self.seconds is None else self.left * self.seconds


@dataclass(frozen=True)
class Overview:
    """A study's steps by kind, the failures of those that are not finished, and what is to be known of its data.

    Attributes:
        resources, limits: The study's.
        spent: By all of its runs.
        paused_since: When a person asked its driver to submit nothing more; None where nobody did.
        ongoing: What its driver has running, or had when it died.
        accepted: What was read of its data, of a plan.
    """

    study: str
    counts: list[Count]
    failures: Sequence[Mapping[str, Any]]
    outcome: Outcome
    notes: Sequence[str] = ()
    resources: Resources = field(default_factory=Resources)
    limits: Limits = field(default_factory=Limits)
    spent: Spent = field(default_factory=Spent)
    paused_since: str | None = None
    ongoing: Sequence[Ongoing] = ()
    accepted: Accepted | None = None

    @property
    def done(self) -> bool:
        """Whether nothing is left to run."""
        return self.outcome != "unfinished"

    @property
    def hours_left(self) -> tuple[float, float] | None:
        """Hours of CPUs and of GPUs that the rest takes; None where a kind of step has not been timed yet."""
        cpu_hours = gpu_hours = 0.0
        for each in self.counts:
            if each.seconds_left is None:
                return None
            cpus, gpus = self.resources.of(each.kind)
            cpu_hours += each.seconds_left / 3600 * cpus
            gpu_hours += each.seconds_left / 3600 * gpus
        return cpu_hours, gpu_hours


def overview(described: DescribedStudy, storage: Store) -> Overview:
    """Counts a study's steps against what its folder in a storage has; touches nothing."""
    name = described.study.name
    ledger = Ledger(storage / name, readonly=True)
    described = knowing_weights(described, ledger.store)
    planned = plan(described, ledger)
    notes = [*(change.text for change in made_of(described, ledger)[1]), *described.notes]
    notes += [*warm_start_notes(planned.searches, ledger), *precision_notes(described.study)]
    counted = overview_with(described, planned, ledger)
    return replace(counted, notes=notes, accepted=accepted_of(described, ledger))


def count(name: str, planned: Plan, ledger: Ledger) -> Overview:
    """The plan's steps by kind against the ledger."""
    seconds: dict[str, list[float]] = {}
    done = set()
    for key, document in ledger.results():
        done.add(key)
        seconds.setdefault(document["kind"], []).append(document["seconds"])
    failures = ledger.failures()
    frontier = Frontier(planned.steps, done, failures)
    states = {"finished": frontier.finished, "failed": frontier.failed, "lost": frontier.lost}
    counts = []
    for kind, known in planned.counts().items():
        keys = {step.key for step in planned.steps if step.kind == kind}
        mean = fmean(seconds[kind]) if kind in seconds else None
        numbers = {state: len(keys & keys_in_state) for state, keys_in_state in states.items()}
        counts.append(Count(kind, known, planned.up_to[kind], **numbers, seconds=mean))
    failed = [failures[step.key] for step in planned.steps if step.key in frontier.failed]
    return Overview(name, counts, failed, frontier.outcome(planned.up_to))


def study_overview(where: Where) -> Overview:
    """The overview of a study that was started, from its store alone; of the data that its results were made of.

    Raises:
        UserError: Its data cannot be described here, or its study file is damaged.
    """
    ledger = Ledger(where, readonly=True)
    described, changes = submitted_made_of(ledger)
    check_data(described)
    notes = [*(change.text for change in changes), *described.notes]
    return replace(overview_with(described, plan(described, ledger), ledger), notes=notes)


def overview_with(described: DescribedStudy, planned: Plan, ledger: Ledger) -> Overview:
    """The overview of a study with what it has spent, and without notes on its data."""
    return replace(count(described.study.name, planned, ledger), **_spending(described, ledger))


def _spending(described: DescribedStudy, ledger: Ledger) -> dict[str, Any]:
    study = described.study
    asked = {"spent": read_spent(ledger.store), "paused_since": paused_since(ledger.store)}
    return {"resources": study.resources, "limits": study.limits, "ongoing": read_ongoing(ledger.store), **asked}


def print_overview(overview: Overview, console: Console) -> None:
    """A table of the counts, the time that is left, and the failures."""
    console.print(overview_table(overview))
    for line in overview_lines(overview):
        console.print(line, markup=False, soft_wrap=True)


def overview_table(overview: Overview) -> Table:
    """The counts, and the time that each kind of step takes."""
    columns = ("Steps", "Planned", "Up to", "Finished", "Failed", "Seconds each", "Time left")
    table = new_table(overview.study, columns)
    table.columns[0].no_wrap = True
    for each in overview.counts:
        if each.known or each.up_to:
            numbers = (each.known, each.known + each.up_to if each.up_to else "", each.finished, each.failed or "")
            mean = "" if each.seconds is None else f"{each.seconds:.1f}"
            table.add_row(NOUNS[each.kind], *map(str, numbers), mean, duration(each.seconds_left))
    return table


def overview_lines(overview: Overview) -> list[str]:
    """What is left, what it costs and what was spent, what is to be known of the data, and the failures."""
    left = [each.seconds_left for each in overview.counts]
    known = [seconds for seconds in left if seconds is not None]
    if overview.done:
        failed = overview.outcome == "failed"
        lines = ["Nothing is left but what failed." if failed else "Everything is finished."]
    elif len(known) == len(left):
        lines = [f"About {duration(sum(known))} are left, one step after the other{_price(overview)}."]
    else:
        lines = ["No estimate yet: it needs one finished step of every kind."]
    if spent := spending_text(overview.limits, overview.spent):
        lines.append(f"Spent: {spent}.")
    lines += [f"note: {note}" for note in overview.notes]
    return lines + [f"failed: {failure['label']}: {failure['reason']}" for failure in overview.failures]


def _price(overview: Overview) -> str:
    """What the rest costs, and by how much that is too much; empty where nothing has a price or such a limit."""
    limits, left = overview.limits, overview.hours_left
    if left is None:
        return ""
    prices = limits.prices
    text = f", for about {amount_text(prices.of(*left))}" if prices.given else ""
    total = Spent(0.0, overview.spent.cpu_hours + left[0], overview.spent.gpu_hours + left[1]).of(limits)
    for name in ("gpu_hours", "cost"):
        limit = getattr(limits, name)
        if limit is not None and total[name] > limit:
            text += f"; limits.{name} is {limit:g}, and it comes to {amount_text(total[name])}"
    return text


@dataclass(frozen=True)
class Status:
    """The state of a study.

    Attributes:
        state: `silent` is a driver on another host that shows no sign of life: killed, or cut off from the storage.
        text: An explanation and what to do, one sentence.
    """

    state: State
    text: str

    @property
    def runs(self) -> bool:
        """Whether a driver is at it."""
        return self.state in ("running", "paused")


def study_status(overview: Overview, owner: Owner | None, now: datetime) -> Status:
    """The state of a study.

    Args:
        overview: Its steps.
        owner: Who held its lease before the steps were counted.
        now: The time of day; it only matters for a driver on another host.
    """
    if owner is not None and seems_alive(owner, now):
        if overview.paused_since is not None:
            text = f"since {overview.paused_since} its driver, {owner.text}, submits nothing more; "
            text += f"nemo resume {overview.study} goes on"
            return Status("paused", text)
        return Status("running", f"it is run by {owner.text}")
    if overview.outcome == "failed":
        return Status("failed", "nothing is left but what failed; nemo run with --retry-failed tries it again")
    if overview.outcome == "finished":
        return Status("finished", "every step has its result")
    if owner is None and (limit := reached(overview.limits, overview.spent)):
        return Status("stopped", f"it has reached {limit}; nemo run with a higher limit carries on")
    if owner is None:
        return Status("stopped", "nobody runs it; nemo run carries on")
    if owner.process.alive is None:
        return Status("silent", f"{owner.text} was last heard of at {owner.renewed}; nemo run takes over")
    return Status("killed", f"{owner.text} died while it ran this; nemo run carries on")


def print_status(root: Store, name: str | None, console: Console) -> None:
    """The overview and the status of a study, or of all that a storage has.

    Raises:
        UserError: There is no study of this name; or some cannot be read here, after the others were shown.
    """
    names = known_studies(root) if name is None else [name]
    if not names:
        console.print(f"no study has been run under {str(root)!r} yet", markup=False, soft_wrap=True)
    errors = []
    for folder in [find_study(root, each) for each in names]:
        try:
            owner, overview = read_owner(folder), study_overview(folder)
        except UserError as error:  # such as data that this machine lacks; the others are shown all the same
            errors.append(str(error))
            continue
        status = study_status(overview, owner, datetime.now(UTC))
        print_overview(overview, console)
        if status.runs and (text := ongoing_text(overview.ongoing)):
            console.print(text, markup=False, soft_wrap=True)
        console.print(f"{overview.study}: {status.state}: {status.text}.", markup=False, soft_wrap=True)
    if errors:
        raise UserError("\n".join(errors))


def print_failures(where: Where, file: TextIO) -> bool:
    """Prints the failures of a study that was started, and how to retry them; returns whether there are any.

    Raises:
        UserError: See `study_overview`.
    """
    failures = study_overview(where).failures
    for failure in failures:
        print(f"failed: {failure['label']}: {failure['reason']}", file=file)
    if failures:
        print("nemo run with --retry-failed tries them again; nemo status --failures shows their tracebacks", file=file)
    return bool(failures)
