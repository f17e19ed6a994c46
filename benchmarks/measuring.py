"""What the benchmarks share: sides that take turns in one process, their ratios, a table and a file of results.

A round runs every side once, so that a busy moment hits all of them; odd rounds run them backwards, so that none always
comes first. Ratios are of medians; beside each stand the quarter and three quarters of the rounds' own ratios, and the
ratio of the minima, which says the most on a machine that was never quiet.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from orchestrator.system.environment import environment

RESULTS = Path(__file__).parent / "results"

Seconds = dict[str, list[float]]
"""Side -> its seconds, one for each round."""


@dataclass(frozen=True)
class Ratio:
    """How many times as long as another side one takes.

    Attributes:
        what: Names the comparison; unique in its benchmark.
        value: Ratio of the medians.
        low: First quartile of the rounds' ratios.
        high: Third quartile of them.
        best: Ratio of the minima.
        better: Whether less or more is better.
        target: What it should be, at most or at least; None where nothing is promised.
    """

    what: str
    value: float
    low: float
    high: float
    best: float
    better: Literal["less", "more"] = "less"
    target: float | None = None

    @property
    def met(self) -> bool:
        """Whether the target is reached."""
        if self.target is None:
            return True
        return self.value <= self.target if self.better == "less" else self.value >= self.target


def in_turns(
    sides: Mapping[str, Callable[[], object]],
    rounds: int,
    *,
    warm_up: int = 1,
    clock: Callable[[], float] = time.process_time,
) -> Seconds:
    """Runs every side so many times, round by round; the rounds that warm up don't count.

    The clock is this process's CPU time: what else the machine does is not in it, waiting for a device neither.
    """
    seconds: Seconds = {side: [] for side in sides}
    for turn in range(-warm_up, rounds):
        for side in sides if turn % 2 == 0 else reversed(sides):
            begin = clock()
            sides[side]()
            if turn >= 0:
                seconds[side].append(clock() - begin)
    return seconds


def ratio(
    what: str,
    seconds: Seconds,
    side: str,
    over: str,
    *,
    scale: float = 1.0,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Ratio:
    """The ratio of one side's seconds to another's, times `scale` where their work differs by a known factor."""
    low, _, high = quartiles([scale * a / b for a, b in zip(seconds[side], seconds[over], strict=True)])
    return Ratio(
        what,
        scale * statistics.median(seconds[side]) / statistics.median(seconds[over]),
        low,
        high,
        scale * min(seconds[side]) / min(seconds[over]),
        "less" if at_least is None else "more",
        at_most if at_least is None else at_least,
    )


def quartiles(values: Sequence[float]) -> tuple[float, float, float]:
    """Both quartiles around the median; a single value is all three."""
    if len(values) == 1:
        return (values[0],) * 3
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, middle, high


def table(ratios: Sequence[Ratio]) -> Iterator[str]:
    """A Markdown table, a row for each ratio."""
    yield "| what | ratio of medians | quarter to three quarters of the rounds | of minima | target |"
    yield "|---|---|---|---|---|"
    for each in ratios:
        bound = "" if each.target is None else f"{'at most' if each.better == 'less' else 'at least'} {each.target:g}"
        missed = "" if each.met else ", missed"
        spread = f"{each.low:.3g} to {each.high:.3g}"
        yield f"| {each.what} | {each.value:.3g} | {spread} | {each.best:.3g} | {bound}{missed} |"


def arguments(doc: str | None, *, rounds: int, threads: int = 1) -> argparse.ArgumentParser:
    """The options that every benchmark on this frame has."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=rounds, help=f"each side runs so often ({rounds})")
    parser.add_argument("--threads", type=int, default=threads, help=f"of torch ({threads})")
    parser.add_argument("--save", action="store_true", help="write benchmarks/results/NAME.json, to be committed")
    return parser


def report(
    name: str, options: argparse.Namespace, ratios: Sequence[Ratio], seconds: Mapping[str, Seconds], **more: Any
) -> None:
    """Prints the machine and the table, and saves all of it with every value where the options say so.

    Args:
        name: Of the file under `results/`.
        options: What the benchmark was called with.
        ratios: What it answers.
        seconds: What it measured, by comparison.
        more: Anything else to keep, as JSON.
    """
    about = environment()
    hardware, packages = about["hardware"], about["packages"]
    load = os.getloadavg()[0]
    print(f"{hardware['cpu']}, {hardware['cores']} cores, {platform.system()}, load {load:.1f}")
    print(f"Python {about['python']}, torch {packages['torch']}; {options.threads} threads, {options.rounds} rounds\n")
    print("\n".join(table(ratios)))
    if options.save:
        chosen = {key: value for key, value in vars(options).items() if key != "save"}
        document = {
            "benchmark": name,
            "options": chosen,
            "environment": about,
            "load": load,
            "ratios": [asdict(each) for each in ratios],
            "seconds": dict(seconds),
            **more,
        }
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
