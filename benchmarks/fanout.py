"""How much of the machine's work the fan-out turns into sub-tasks, against one process that does nothing else.

Real sub-tasks (cut, fine-tune, evaluate) of one small network on the digits, all of the same length. Three ways take
turns, so that a busy moment hits all of them: one plain single-threaded process; as many of these at once as there are
workers, which shows what the machine itself loses; and the real fan-out on a Ray head of our own with so many one-core
workers. Rates are those of the middle of a run, with every worker started and busy.

    python benchmarks/fanout.py --workers 1 2
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from nemo.distributed import Workers
from orchestrator.cluster.capacity import Slots
from orchestrator.cluster.cluster import Cluster
from orchestrator.cluster.head import ray_head
from orchestrator.computing import compute
from orchestrator.computing.data import as_dataset, dataset_arrays
from orchestrator.execution.context import Context, Event
from orchestrator.execution.fanout import FanOut, Shared
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import plan
from orchestrator.plan.step import Step, make_step
from orchestrator.study.data import describe
from orchestrator.study.file import load_study_file
from orchestrator.system.environment import environment

# The quickstart's network and fine-tuning; what is fine-tuned has barely been trained, which takes as long.
STUDY = """\
name: fanout
pairs: [{{backbone: rescnn, dataset: digits, width: 0.125}}]
methods: {{standard: {{}}, mwt: {{lambda_coh: 0.5, lambda_coup: 4.0}}}}
recipe: {{epochs: 1, batch_size: 32, lr: 0.03, channels_last: true}}
subtasks:
  classes: [[0, 1, 2]]
  finetune: {{epochs: {epochs}, batch_size: 32, lr: 0.01, anneal: 1.0, channels_last: true}}
"""
CPU = torch.device("cpu")


def prepare(folder: Path, epochs: int) -> tuple[Step, Ledger]:
    """Trains and modularizes in this process; returns the sub-task that builds on it."""
    file = folder / "study.yaml"
    file.write_text(STUDY.format(epochs=epochs))
    study = load_study_file(file)
    ledger = Ledger(folder / study.name)
    steps = plan(describe(study), ledger).steps
    dataset = as_dataset(dataset_arrays(steps[0].where))
    for step in steps:
        if step.kind == "train":
            trainer = compute.make_trainer(step, dataset, ledger, CPU, Workers())
            while not trainer.done:
                trainer.run_epoch()
            ledger.put(step, compute.finish_training(step, trainer, ledger))
        elif step.kind == "modularize":
            ledger.put(step, compute.modularize(step, dataset, ledger, CPU))
    (subtask,) = [step for step in steps if step.kind == "reuse"]
    return subtask, ledger


def copies(step: Step, count: int, name: str) -> list[Step]:
    """The same sub-task under other names, so that none has a result yet."""
    named = [{**step.params, "copy": f"{name} {number}"} for number in range(count)]
    return [make_step("reuse", params, step.parents, step.where, f"sub-task {params['copy']}") for params in named]


def plain(step: Step, folder: Path, count: int) -> list[float]:
    """The times at which one process was done with each of so many sub-tasks, in a row."""
    torch.set_num_threads(1)
    dataset = as_dataset(dataset_arrays(step.where))
    model = compute.model_arrays(dict(step.parents), Ledger(folder))
    ends = []
    for _ in range(count):
        compute.reuse(step, dataset, model, CPU)
        ends.append(time.time())
    return ends


def plain_processes(folder: Path, processes: int, count: int, epochs: int) -> tuple[float, float]:
    """Sub-tasks per second of some plain processes at once, and the seconds of one sub-task."""
    command = [sys.executable, __file__, "--plain", str(folder), str(count), str(epochs)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    started = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) for _ in range(processes)]
    ends = [json.loads(process.communicate()[0].splitlines()[-1]) for process in started]
    seconds = [later - earlier for each in ends for earlier, later in pairwise(each)]
    return rate([end for each in ends for end in each], processes), statistics.median(seconds)


def rate(ends: Sequence[float], workers: int) -> float:
    """Sub-tasks per second between the first of every worker and the last but those, while all of them are busy."""
    inner = sorted(ends)[2 * workers - 1 : len(ends) - workers]
    return (len(inner) - 1) / (inner[-1] - inner[0])


def fanned_out(cluster: Cluster, context: Context, steps: Sequence[Step], workers: int) -> tuple[float, list[float]]:
    """Sub-tasks per second through the fan-out, and what each cost over its own compute, in seconds of its slot."""
    ends: list[tuple[float, float]] = []

    def on_event(event: Event) -> None:
        assert event.result is not None, event.reason
        ends.append((time.time(), event.result["seconds"]))

    with FanOut(context, Slots(cluster), Shared(context), on_event) as fanout:
        fanout.submit(steps)
    inner = ends[2 * workers - 1 : len(ends) - workers]
    slots = workers * (inner[-1][0] - inner[0][0]) / (len(inner) - 1)
    return rate([end for end, _ in ends], workers), [slots - statistics.fmean(seconds for _, seconds in inner[1:])]


def measure(options: argparse.Namespace) -> dict[str, dict[int, list[float]]]:
    found: dict[str, dict[int, list[float]]] = {}

    def note(name: str, workers: int, value: float) -> None:
        found.setdefault(name, {}).setdefault(workers, []).append(value)

    with tempfile.TemporaryDirectory(prefix="nemo-") as temporary:
        folder = Path(temporary)
        subtask, ledger = prepare(folder, options.epochs)
        context = Context(ledger.store, load_study_file(folder / "study.yaml").resources)
        for repeat in range(options.repeats):
            for workers in options.workers:
                alone, seconds = plain_processes(folder, 1, options.count, options.epochs)
                together = alone
                if workers > 1:
                    together, _ = plain_processes(folder, workers, options.count, options.epochs)
                with ray_head(folder / "head", num_cpus=workers, num_gpus=0) as cluster:
                    steps = copies(subtask, options.count * workers, f"{workers} workers, repeat {repeat}")
                    fanned, over = fanned_out(cluster, context, steps, workers)
                note("seconds of one sub-task", workers, seconds)
                note("sub-tasks/s, one plain process", workers, alone)
                note("sub-tasks/s, so many plain processes", workers, together)
                note("sub-tasks/s, fan-out", workers, fanned)
                note("efficiency against one process", workers, fanned / (workers * alone))
                note("efficiency against so many processes", workers, fanned / together)
                note("ms over its compute, per sub-task", workers, 1000 * statistics.fmean(over))
                shown = f"{fanned:.3f} of {workers} x {alone:.3f}"
                print(f"repeat {repeat + 1}, {workers} workers: {shown} sub-tasks/s", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2], help="one-core workers of the fan-out")
    parser.add_argument("--count", type=int, default=20, help="sub-tasks per worker and repeat")
    parser.add_argument("--epochs", type=int, default=15, help="of a sub-task's fine-tuning")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    hardware: dict[str, Any] = environment()["hardware"]
    print(f"{hardware['cpu']}, {hardware['cores']} cores, {platform.system()}, Python {platform.python_version()}")
    print(f"load average at the start: {os.getloadavg()[0]:.2f}", end="\n\n", flush=True)
    found = measure(options)
    print("| median (all) | " + " | ".join(f"{workers} workers" for workers in options.workers) + " |")
    print("|---|" + "---|" * len(options.workers))
    for name, by_workers in found.items():
        cells = [
            f"{statistics.median(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})"
            for values in by_workers.values()
        ]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--plain"]:
        place, count, epochs = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
        study = load_study_file(place / "study.yaml")
        ledger = Ledger(place / study.name)
        (wanted,) = [step for step in plan(describe(study), ledger).steps if step.kind == "reuse"]
        print(json.dumps(plain(wanted, ledger.folder, count)))
    else:
        main()
