"""How long a person waits: `nemo --help`, `nemo plan`, from `nemo run` to the first training step and to the prompt.

Each is a process of its own, by the clock on the wall, once more than counts; the study is one training of two epochs
in an empty temporary folder, so that a head of Ray starts and ends with it.

    python benchmarks/startup.py
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STUDY = """\
name: startup
pairs: [{backbone: simcnn, dataset: digits, width: 0.0625}]
methods: {standard: {}}
recipe: {epochs: 2, batch_size: 128, lr: 0.01}
"""


def seconds_of(*words: object) -> float:
    """Seconds that a command takes."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "orchestrator.cli", *map(str, words)], check=True, capture_output=True)
    return time.perf_counter() - begun


def run(study: Path) -> dict[str, float]:
    """Seconds of one run from its start to what came next, read from what it left behind."""
    with tempfile.TemporaryDirectory(prefix="nemo-") as storage:
        begun = time.time()
        whole = seconds_of("run", study, "--storage", storage)
        (result,) = (Path(storage) / "startup" / "ledger" / "train").glob("*.json")
        first = json.loads(result.read_text())["result"]["history"][0]
        study_file = Path(storage) / "startup" / "study.yaml"
        return {
            "nemo run, to the study's first file": study_file.stat().st_mtime - begun,
            "nemo run, to the first training step": first["time"] / 1000 - first["seconds"] - begun,
            "nemo run, whole": whole,
        }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    every: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "startup.yaml"
        study.write_text(STUDY)
        for repeat in range(-1, options.repeats):
            there = {"nemo --help": seconds_of("--help"), "nemo plan": seconds_of("plan", study, "--storage", folder)}
            for what, value in {**there, **run(study)}.items():
                if repeat >= 0:
                    every.setdefault(what, []).append(value)
    print("| seconds | median | least to most |\n|---|---|---|")
    for what, values in every.items():
        print(f"| {what} | {statistics.median(values):.2f} | {min(values):.2f} to {max(values):.2f} |")


if __name__ == "__main__":
    main()
