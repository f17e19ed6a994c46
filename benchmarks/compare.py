"""Compares results that were just saved with those that were last committed, and says what got worse.

`make bench` runs the benchmarks with --save and then this. A ratio got worse if it moved the wrong way by more than 3 %
and more than the rounds of either run spread. Exit code 1 if any did.

    python benchmarks/compare.py step modularizing
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from measuring import RESULTS

NOISE = 0.03


def main(names: list[str]) -> int:
    worse = False
    for name in names:
        path = RESULTS / f"{name}.json"
        if not path.exists():
            sys.exit(f"compare.py: {path.name} is not there, run benchmarks/{name}.py --save first.")
        before = committed(path)
        if before is None:
            print(f"{name}: no result was committed before.")
            continue
        for verdict, line in compared(before, json.loads(path.read_text())):
            worse |= verdict == "worse"
            print(f"{name}: {verdict}: {line}")
    return int(worse)


def committed(path: Path) -> dict[str, Any] | None:
    """The last commit's result; None where it has none."""
    shown = subprocess.run(
        ["git", "-C", str(path.parent), "show", f"HEAD:./{path.name}"], capture_output=True, text=True
    )
    return json.loads(shown.stdout) if shown.returncode == 0 else None


def compared(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """`worse`, `better`, `same`, `new` or `gone`, and what, for each ratio of either run."""
    for what, one, other in (
        ("options", before["options"], now["options"]),
        ("machine", before["environment"]["hardware"], now["environment"]["hardware"]),
    ):
        changed = sorted(key for key in {**one, **other} if one.get(key) != other.get(key))
        if changed:
            yield "note", f"another {what} than before ({', '.join(changed)})"
    old = {each["what"]: each for each in before["ratios"]}
    new = {each["what"]: each for each in now["ratios"]}
    for what in {**old, **new}:
        if what not in new or what not in old:
            yield ("gone" if what not in new else "new"), what
            continue
        was, is_now = old[what], new[what]
        line = f"{what}: {was['value']:.3g} was, {is_now['value']:.3g} is"
        yield _verdict(was, is_now), line


def _verdict(was: Mapping[str, Any], is_now: Mapping[str, Any]) -> str:
    less = is_now["better"] == "less"
    overlap = was["low"] <= is_now["high"] and is_now["low"] <= was["high"]
    if overlap or abs(is_now["value"] / was["value"] - 1) <= NOISE:
        return "same"
    return "better" if (is_now["value"] < was["value"]) == less else "worse"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
