"""Runs the kill matrix and prints its table: python -m tests.faults.matrix [--seed N] [--repeats N] [--into FILE]."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.faults.matrix.history import History, differences
from tests.faults.matrix.kills import STAGES, VICTIMS, Kill, Stage, Victim, histories, name_of

MARKS = "<!-- kills -->\n", "<!-- end of kills -->\n"

Counts = Counter[tuple[Victim, Stage]]


def run(kills: list[Kill], seed: int, workers: int) -> tuple[History, dict[str, Any]]:
    """One history, and what its study found."""
    with tempfile.TemporaryDirectory(prefix="nemo-", ignore_cleanup_errors=True) as folder:
        history = History(Path(folder), kills, seed, workers)
        return history, history.run()


def lines(path: Path | None) -> list[str]:
    """Those of a file, which may not be there yet."""
    return path.read_text().splitlines() if path is not None and path.exists() else []


def table(done: Counts) -> Iterator[str]:
    """How often what was killed where."""
    yield "| killed (SIGKILL) | " + " | ".join(STAGES) + " |"
    yield "|---|" + "---|" * len(STAGES)
    for victim in VICTIMS:
        yield f"| {victim} | " + " | ".join(str(done[victim, stage] or "") for stage in STAGES) + " |"


def report(done: Counts, failed: list[str], studies: int, starts: int, seed: int, minutes: float) -> str:
    """The table and what it means, as Markdown."""
    outcome = "; ".join(failed) if failed else "nothing was lost, nothing was doubled"
    return "\n".join(
        [
            *table(done),
            "",
            f"{sum(done.values())} kills of {studies} studies with {starts} starts in {minutes:.0f} minutes, "
            f"seed {seed}: {outcome}.",
            "",
        ]
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--repeats", type=int, default=1, help="how often each cell is done; 1 makes over 100 kills")
    parser.add_argument("--at-most", type=int, default=13, help="kills of one study")
    parser.add_argument("--only", type=int, nargs="+", help="these histories alone, by number")
    parser.add_argument("--progress", type=Path, help="a file of what is done; the same command carries on from it")
    parser.add_argument("--into", type=Path, help="a page in which the table stands between marks")
    options = parser.parse_args()
    began, failed, starts = time.monotonic(), list[str](), 0
    done: Counts = Counter()
    dealt = histories(options.seed, options.repeats, options.at_most)
    chosen = [(number, kills) for number, kills in enumerate(dealt) if options.only is None or number in options.only]
    known = [json.loads(line) for line in lines(options.progress)]
    undisturbed: dict[int, dict[str, Any]] = {}
    for number, kills in chosen:
        earlier = next((each for each in known if (each["seed"], each["number"]) == (options.seed, number)), None)
        if earlier is not None:
            done.update((victim, stage) for victim, stage in earlier["done"])
            starts, began = starts + earlier["starts"], began - earlier["seconds"]
            continue
        workers, since = kills[0].workers, time.monotonic()
        if workers not in undisturbed:
            print(f"{workers} workers, undisturbed", flush=True)
            undisturbed[workers] = run([], 0, workers)[1]
        print(name_of(number, kills), flush=True)
        try:
            history, found = run(kills, 1000 * options.seed + number, workers)
            others = differences(found, undisturbed[workers])
            assert not others, f"its numbers are others than those of an undisturbed study: {'; '.join(others)}"
        except (AssertionError, LookupError, subprocess.TimeoutExpired) as error:
            print(f"  FAILED: {error}", flush=True)
            failed.append(f"history {number}: {str(error).splitlines()[0]}")
            continue
        struck = [(kill.victim, kill.stage) for kill in history.done]
        done.update(struck)
        starts += history.starts
        if options.progress:
            told = {"seed": options.seed, "number": number, "done": struck, "starts": history.starts}
            with options.progress.open("a") as file:
                file.write(json.dumps({**told, "seconds": time.monotonic() - since}) + "\n")
        print(f"  {len(history.done)} kills, {history.starts} starts", flush=True)
    text = report(done, failed, len(chosen), starts, options.seed, (time.monotonic() - began) / 60)
    print(text)
    if options.into:
        before, _, rest = options.into.read_text().partition(MARKS[0])
        options.into.write_text(before + MARKS[0] + text + MARKS[1] + rest.partition(MARKS[1])[2])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
