"""Cuts every network of the list and writes the table of docs/any-network.md; carries on where it was interrupted.

.venv/bin/python -m tests.nemo.any_network.table --into docs/any-network.md
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from tests.nemo.any_network.networks import NETWORKS

START, END = "<!-- networks -->\n", "<!-- /networks -->\n"


def measure(name: str) -> dict[str, Any]:
    """A row of the table."""
    from tests.nemo.any_network.cutting import compare, draw, prepare

    began = time.perf_counter()
    prepared = prepare(name)
    followed = time.perf_counter() - began
    began = time.perf_counter()
    found = {kind: compare(prepared, draw(prepared, kind)) for kind in ("half", "dead", "one")}
    return {
        "name": name,
        "sites": len(prepared.sites),
        "error": max(each.error for each in found.values()),
        "moved": found["half"].moved,
        "flops": found["half"].flops,
        "followed": followed,
        "cut": (time.perf_counter() - began) / len(found),
    }


def table(rows: list[dict[str, Any]]) -> str:
    lines = [
        "| network | sites | largest error | the cut moved the logits by | FLOPs saved at half the units |",
        "|---|--:|--:|--:|--:|",
    ]
    lines += [
        f"| `{row['name']}` | {row['sites']} | {row['error']:.0e} | {row['moved']:.2f} | {100 * row['flops']:.0f} % |"
        for row in rows
    ]
    worst, half = max(row["error"] for row in rows), median(row["flops"] for row in rows)
    lines.append("")
    lines.append(f"{len(rows)} networks; largest error {worst:.0e}; median of the FLOPs saved {100 * half:.0f} %.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, help="a Markdown file with marks between which the table stands")
    parser.add_argument("--rows", type=Path, default=Path("any-network.jsonl"), help="where finished rows are kept")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.one)))
        return
    done = [json.loads(line) for line in arguments.rows.read_text().splitlines()] if arguments.rows.exists() else []
    for name in NETWORKS:
        if name in {row["name"] for row in done}:
            continue
        # each in its own process: torch keeps what it exported
        command = [sys.executable, "-m", "tests.nemo.any_network.table", "--one", name]
        ended = subprocess.run(command, capture_output=True, text=True, check=False)
        if ended.returncode != 0:
            print(f"{name}: {ended.stderr.strip().splitlines()[-1]}", flush=True)
            continue
        done.append(json.loads(ended.stdout.splitlines()[-1]))
        with arguments.rows.open("a") as file:
            file.write(json.dumps(done[-1]) + "\n")
        print(done[-1], flush=True)
    order = {name: place for place, name in enumerate(NETWORKS)}
    text = table(sorted(done, key=lambda row: order[row["name"]]))
    if arguments.into is None:
        print(text)
    else:
        before, _, rest = arguments.into.read_text().partition(START)
        arguments.into.write_text(f"{before}{START}{text}{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
