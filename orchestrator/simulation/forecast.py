"""The result of a simulation: how long a study takes on a cluster, and what keeps it from being faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rich.console import Console

from orchestrator.ledger.spending import amount_text
from orchestrator.plan.step import NOUNS
from orchestrator.simulation.assumptions import FakeCluster
from orchestrator.study.limits import Prices
from orchestrator.system.terminal import duration, new_table

BOUNDS = {
    "chain": "the longest chain of steps that wait for each other",
    "slots": "the work over the cluster's places for it",
    "driver": "the driver",
    "mlflow": "writing to MLflow",
}


@dataclass(frozen=True)
class Forecast:
    """What a simulation predicts of a study on a cluster.

    Attributes:
        seconds: From the first step to the last write to MLflow.
        finished: Kind -> how many steps it finished.
        failed: How many steps died too often, or had failed before.
        lost: How many cannot run because they depend on these.
        each: Kind -> mean seconds of work of a step.
        bounds: Name (see `BOUNDS`) -> seconds that it takes at least on this cluster, in any order of the steps.
        work, again, waiting: Shares of all CPUs' and of all GPUs' time: for work that was kept, for work that was
            lost, and for workers and data that were not there yet.
        vanished: How many nodes vanished.
    """

    seconds: float
    finished: Mapping[str, int]
    failed: int
    lost: int
    each: Mapping[str, float]
    bounds: Mapping[str, float]
    work: tuple[float, float]
    again: tuple[float, float]
    waiting: tuple[float, float]
    vanished: int


def print_forecast(
    forecast: Forecast, fake: FakeCluster, sources: Callable[[str], str], console: Console, prices: Prices | None = None
) -> None:
    """A table of the steps and their times, and sentences about the whole.

    Args:
        forecast: The result of the simulation.
        fake: The simulated cluster.
        sources: Kind -> where its times come from.
        console: Where to write.
        prices: The study's.
    """
    nodes = f"{fake.nodes} node{'s' * (fake.nodes > 1)} of {fake.cpus_of_node:g} CPUs and {fake.gpus:g} GPUs"
    if not forecast.finished:
        console.print(f"Simulated on {nodes}: nothing is left to run.")
        return
    columns = ("Steps", "Simulated", "Seconds each", "Known from")
    table = new_table(f"Simulated on {nodes}", columns, words=(0, 3))
    for kind, count in forecast.finished.items():
        table.add_row(NOUNS[kind], str(count), f"{forecast.each[kind]:.1f}", sources(kind))
    console.print(table)
    for line in sentences(forecast, fake, prices or Prices()):
        console.print(line, soft_wrap=True)


def sentences(forecast: Forecast, fake: FakeCluster, prices: Prices | None = None) -> list[str]:
    """The forecast in sentences."""
    part = 1 if fake.gpus and forecast.work[1] else 0
    name = ("CPUs", "GPUs")[part]
    busy = [f"{shares[part]:.0%} {what}" for shares, what in _shares(forecast) if shares[part] >= 0.005]
    bounds = sorted(forecast.bounds.items(), key=lambda bound: -bound[1])
    strongest, least = bounds[0]
    others = ", ".join(f"{BOUNDS[bound]} {duration(seconds)}" for bound, seconds in bounds[1:])
    lines = [
        f"It takes {duration(forecast.seconds)}; the {name} are busy with {', '.join(busy) or 'next to nothing'}.",
        f"What bounds it is {BOUNDS[strongest]}: no less than {duration(least)}; {others}.",
    ]
    if prices is not None and prices.given:
        lines.append(f"Its steps cost about {amount_text(prices.of(*_hours_held(forecast, fake)))}, at limits.prices.")
    if fake.failures:
        failed = f"; {forecast.failed} steps died too often or failed before, {forecast.lost} build on them"
        lines.append(f"{forecast.vanished} nodes vanished{failed if forecast.failed else '; every step was finished'}.")
    lines.append(
        f"Assumed: a worker starts in {fake.start:g} s, a node has a data set in {fake.load:g} s, a step costs the "
        f"driver {1000 * fake.driver:g} ms, a write to MLflow {1000 * fake.mlflow:g} ms; no trial is stopped early."
    )
    return lines


def _hours_held(forecast: Forecast, fake: FakeCluster) -> tuple[float, float]:
    """The hours of CPUs and of GPUs that steps held, idle ones left out."""
    shares = (sum(part) for part in zip(*(share for share, _ in _shares(forecast)), strict=True))
    there = fake.nodes * fake.cpus_of_node, fake.nodes * fake.gpus
    cpus, gpus = (share * count * forecast.seconds / 3600 for share, count in zip(shares, there, strict=True))
    return cpus, gpus


def _shares(forecast: Forecast) -> list[tuple[tuple[float, float], str]]:
    return [
        (forecast.work, "work"),
        (forecast.again, "work that was lost"),
        (forecast.waiting, "waiting for workers and data"),
    ]
