"""What the ledger, the plan and MLflow cost per step, in a small study and in a large one.

A study of invented results is finished up to its last seed, in a temporary folder, through the real ledger and the real
tracking; the times are wall times of the last steps there. A resumed driver is a process of its own, from its start to
its first submitted step; Ray's part is taken out: its head is not started, and nothing runs on it. Every median stands
beside the quarter and three quarters of the values; the last column compares the largest size with the smallest.

    python benchmarks/overhead.py --sizes 100 1000 10000
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any
from unittest.mock import patch

from rich.console import Console

from orchestrator.cluster.cluster import Cluster
from orchestrator.driver import run
from orchestrator.driver.progress import Progress
from orchestrator.driver.run import Driver, run_study
from orchestrator.execution.context import Event
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Planner
from orchestrator.plan.results import Result
from orchestrator.plan.step import Step
from orchestrator.study.data import describe
from orchestrator.study.file import load_study_file, study_with_data
from orchestrator.study.study import Study
from orchestrator.system.environment import environment
from orchestrator.tracking.connection import store_of
from orchestrator.tracking.tracking import Tracking

# One seed has 7 steps, and the sub-tasks of the better of two points: all 1,012 of ten classes unless fewer are drawn.
STUDY = """\
name: overhead
pairs: [{{backbone: simcnn, dataset: digits, width: 0.125}}]
methods: {{standard: {{}}, mwt: {{}}}}
seeds: {seeds}
recipe: {{epochs: 30, batch_size: 32, validation: 0.1}}
sweep: {{mwt: {{grid: {{lambda_coup: [2.0, 3.0]}}}}}}
thresholds: [0.9]
subtasks: {{from: best, sizes: [2, 3, 4, 5, 6, 7, 8, 9], samples: {samples}}}
"""
CLUSTER = Cluster("", ((2.0, 0.0),))
LAST = 90

Times = dict[str, list[float]]
"""What was measured -> seconds, one for each time."""


def study_text(size: int) -> str:
    """A study with about so many steps in all of its seeds but the last."""
    seeds, samples = (size // 1000 + 1, "all") if size >= 1000 else (2, str(size // 8))
    return STUDY.format(seeds=list(range(seeds)), samples=samples)


def invented(step: Step) -> dict[str, Any]:
    """A result as large as a real one."""
    draw = random.Random(step.key)
    names = ("train/loss", "train/accuracy", "train/loss_ce", "test/accuracy", "validation/accuracy", "lr", "seconds")
    match step.kind:
        case "train":
            epochs = range(step.params["recipe"]["epochs"])
            row = {name: draw.random() for name in names}
            history = [{"epoch": epoch, "time": 1_790_000_000_000 + epoch, **row} for epoch in epochs]
            return {"accuracy": draw.random(), "validation_accuracy": draw.random(), "history": history}
        case "modularize":
            return {"widths": [64] * 13, "samples": [100] * 10, "unmasked": 64}
        case "measure":
            figures = {name: draw.random() for name in ("krr", "cohesion", "coupling", "flops_reduction")}
            return {"threshold": step.params["threshold"], **figures, "class_krr": [draw.random()] * 10}
    figures = ("accuracy", "accuracy_before_finetuning", "standard_accuracy", "modular_accuracy", "krr", "krr_all")
    costs = {name: draw.randrange(10**9) for name in ("flops", "parameters", "standard_flops")}
    told = {"threshold": step.params["threshold"], "classes": step.params["classes"]}
    return {**told, **{name: draw.random() for name in figures}, **costs, "flops_reduction": draw.random()}


def finish(ledger: Ledger, step: Step) -> tuple[dict[str, Any], float]:
    """Puts a result; returns its document and the seconds that it took."""
    if step.kind in ("train", "modularize"):
        name = "network.safetensors" if step.kind == "train" else "relevance.safetensors"
        with ledger.writing(step.key, name) as path:
            path.write_bytes(random.Random(step.key).randbytes(200_000))
    begin = time.perf_counter()
    document = ledger.put(step, invented(step), seconds=1.0, environment=environment(), device="cpu", threads=1)
    return document, time.perf_counter() - begin


def timed(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def fill(storage: Path, size: int, with_mlflow: bool) -> tuple[Study, Times]:
    """Finishes a study of this size but for its last seed, as workers and the driver would."""
    file = storage / "study.yaml"
    file.write_text(study_text(size))
    study = load_study_file(file)
    ledger = Ledger(storage / study.name)
    ledger.record_study(study.text)
    times: Times = {"ledger put": [], "MLflow": []}
    tracking = Tracking(*store_of(study, storage)) if with_mlflow else None
    if tracking:
        tracking.study_run(study.name, ledger, environment())
        tracking.flush()
    planner = Planner(describe(study), ledger)
    waiting = planner.plan.steps
    done: set[str] = set()
    while waiting:
        step = waiting.pop(0)
        if not done.issuperset(step.parents.values()) or _seed(step, ledger) == study.seeds[-1]:
            continue
        document, seconds = finish(Ledger(ledger.folder), step)
        done.add(step.key)
        times["ledger put"].append(seconds)
        if tracking:
            times["MLflow"].append(timed(partial(_written, tracking, document)))
        waiting += planner.follow(step)
    if tracking:
        tracking.close("KILLED")
    ledger.fold()
    return study, {name: values[-LAST:] for name, values in times.items() if values}


def _written(tracking: Tracking, result: Result) -> None:
    tracking.log_result(result)
    tracking.flush()


def _seed(step: Step, ledger: Ledger) -> int:
    return step.params["seed"] if "seed" in step.params else ledger.get(step.parents["train"])["params"]["seed"]


def read(folder: Path, repeats: int) -> Times:
    """Single results, and all of them."""
    keys = random.Random(0).sample(sorted(Ledger(folder).finished()), LAST)
    single = [timed(partial(Ledger(folder).get, key)) for key in keys]
    count = len(Ledger(folder).finished())
    every = [timed(lambda: sum(1 for _ in Ledger(folder).results())) / count for _ in range(repeats)]
    return {"ledger get": single, "ledger open, per step": every}


def plans(study: Study, folder: Path, repeats: int) -> Times:
    """The plan of the whole study, by a driver that has just opened its ledger."""
    described = describe(study)
    count = len(Planner(described, Ledger(folder)).plan.steps)
    every = [timed(lambda: Planner(described, Ledger(folder)).plan) / count for _ in range(repeats)]
    return {"plan, per step": every}


def events(study: Study, folder: Path) -> Times:
    """The last seed, run to its end: what the driver does when a step is finished, MLflow left out."""
    ledger = Ledger(folder)
    driver = Driver(study, ledger, Planner(describe(study), ledger))
    times: Times = {"event, sub-task": [], "event, others": []}
    waiting: list[Step] = []

    def drain(on_event: Callable[[Event], None]) -> None:
        while waiting:
            step = waiting.pop(0)
            event = Event("finished", step, result=finish(Ledger(folder), step)[0])
            name = "event, sub-task" if step.kind == "reuse" else "event, others"
            times[name].append(timed(partial(on_event, event)))

    def trainings(steps: Sequence[Step], searches: object, *given: Any) -> None:
        waiting.extend(steps)
        drain(given[-1])

    with stand_ins(lambda steps: waiting.extend(steps), trainings):
        driver.run(CLUSTER, Unwritten())
    return times


class Unwritten:
    """In the place of the tracking."""

    def __init__(self, *given: object) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given: None


@contextmanager
def stand_ins(submit: Callable[[Sequence[Step]], None], trainings: Callable[..., None]) -> Iterator[None]:
    """Puts functions in the place of what runs on Ray, and the progress out of sight."""

    class FanOut:
        flying: tuple[Step, ...] = ()

        def __init__(self, *given: object) -> None:
            pass

        def submit(self, steps: Sequence[Step]) -> None:
            submit(steps)

        def __enter__(self) -> FanOut:
            return self

        def __exit__(self, *error: object) -> None:
            pass

    @contextmanager
    def ray_head(*given: object, **named: object) -> Iterator[Cluster]:
        yield CLUSTER

    def progress(*given: Any) -> Progress:
        return Progress(*given, console=Console(file=StringIO()))

    with (
        patch.object(run, "FanOut", FanOut),
        patch.object(run, "run_trainings", trainings),
        patch.object(run, "ray_head", ray_head),
        patch.object(run, "Progress", progress),
    ):
        yield


class Submitted(Exception):
    """The first step was submitted."""


def resume(storage: Path, with_mlflow: bool, began: float) -> None:
    """A resumed driver, in this process, until its first submitted step; prints what that took since `began`."""
    imported = time.time()

    def submitted(steps: Sequence[Step], *given: object) -> None:
        if steps:
            raise Submitted(time.time())

    tracking = Tracking if with_mlflow else Unwritten
    with stand_ins(submitted, submitted), patch.object(run, "Tracking", tracking), suppress(Submitted):
        try:
            run_study(study_with_data(storage / "study.yaml"), storage=storage)
        except Submitted as first:
            print(json.dumps({"start": first.args[0] - began, "of which imports": imported - began}))
            raise
    if with_mlflow:
        print(json.dumps({"MLflow caught up": time.time() - began}))


def resumed(storage: Path, with_mlflow: bool) -> dict[str, float]:
    """Runs `resume` in a process of its own."""
    words = ["--with-mlflow"] if with_mlflow else []
    command = [sys.executable, __file__, "--resume", str(storage), str(time.time()), *words]
    ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    told: dict[str, float] = {}
    for line in ended.stdout.splitlines():
        told |= json.loads(line)
    return told


def measure(sizes: Sequence[int], repeats: int, with_mlflow: bool) -> dict[int, Times]:
    """Every size in a folder of its own; what can be repeated is repeated in turns, so that a busy moment hits all."""
    found: dict[int, Times] = {}
    with tempfile.TemporaryDirectory(prefix="nemo-") as temporary:
        studies = {}
        for size in sizes:
            storage = Path(temporary) / str(size)
            storage.mkdir()
            studies[size], found[size] = fill(storage, size, with_mlflow)
        for repeat in range(repeats):
            for size, study in studies.items():
                storage = Path(temporary) / str(size)
                for name, seconds in resumed(storage, with_mlflow).items():
                    found[size].setdefault(name, []).append(seconds)
                if repeat == 0:
                    found[size] |= read(storage / study.name, repeats) | plans(study, storage / study.name, repeats)
        for size, study in studies.items():
            found[size] |= events(study, Path(temporary) / str(size) / study.name)
    return found


def table(found: dict[int, Times]) -> Iterator[str]:
    """A row for each thing that was measured; times in ms."""
    smallest, *_, largest = found
    yield "| ms | " + " | ".join(f"{size:,} finished" for size in found) + " | ratio |"
    yield "|---|" + "---|" * (len(found) + 1)
    for name in found[smallest]:
        medians = {size: statistics.median(times[name]) for size, times in found.items()}
        cells = [f"{1000 * medians[size]:,.3f} ({spread(times[name])})" for size, times in found.items()]
        yield f"| {name} | " + " | ".join(cells) + f" | {medians[largest] / medians[smallest]:.2f} |"


def spread(seconds: Sequence[float]) -> str:
    """The quarter and three quarters, in ms."""
    low, _, high = statistics.quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else seconds * 3
    return f"{1000 * low:,.3f} to {1000 * high:,.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100, 1000, 10_000], help="finished steps, about")
    parser.add_argument("--repeats", type=int, default=5, help="of what is done once per driver")
    parser.add_argument("--no-mlflow", action="store_true", help="for sizes at which it takes too long")
    parser.add_argument("--json", type=Path, help="also write every value, in seconds, to this file")
    options = parser.parse_args()
    found = measure(sorted(options.sizes), options.repeats, not options.no_mlflow)
    hardware = environment()["hardware"]
    print(f"{hardware['cpu']}, {hardware['cores']} cores, {platform.system()}, Python {platform.python_version()}")
    print(f"median (quarter to three quarters) of {LAST} steps or {options.repeats} times", end="\n\n")
    print("\n".join(table(found)))
    if options.json:
        options.json.write_text(json.dumps({"hardware": hardware, "seconds": found}))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--resume"]:
        resume(Path(sys.argv[2]), "--with-mlflow" in sys.argv, float(sys.argv[3]))
    else:
        main()
