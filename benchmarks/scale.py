"""What a study of 100,000 sub-tasks costs the driver: memory and time per step, and the time to open its ledger.

Invented results go through the real plan, driver, fan-out and ledger, in a temporary folder and a process of its own
for each size; nothing is trained and nothing is told to MLflow. Without --ray the tasks are calls in the driver's
process: they write their results to the ledger as a worker would, and that time is shown apart. With --ray they are
real Ray tasks on a head of our own. Times are of the driver's CPU, so that other work on the machine does not count, or
by the clock where it is said.

    python benchmarks/scale.py --sizes 1000 10000 100000
    python benchmarks/scale.py --sizes 1000 10000 100000 --ray
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import patch

import psutil
import ray
from overhead import STUDY, Unwritten, finish, invented
from rich.console import Console

from orchestrator.cluster.cluster import Cluster
from orchestrator.cluster.head import ray_head
from orchestrator.driver import run
from orchestrator.driver.progress import Progress
from orchestrator.driver.run import Driver
from orchestrator.execution import fanout
from orchestrator.execution.context import Context, Event
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.planner import Planner
from orchestrator.plan.step import Step
from orchestrator.storage import store_at
from orchestrator.study.data import describe
from orchestrator.study.file import load_study_file
from orchestrator.system.environment import environment

SAMPLES = 20
"""Memory is looked at so often in a run."""


def rss() -> float:
    """This process's memory in MB."""
    return psutil.Process().memory_info().rss / 1e6


class Sample(NamedTuple):
    """What was seen when so many steps were done."""

    done: int
    clock: float
    driver: float
    workers: float
    memory: float


class Sampler(Unwritten):
    """In the place of the tracking: notes time and memory on the way."""

    def __init__(self, every: int) -> None:
        self._every, self.done = every, 0
        self.samples: list[Sample] = []
        self.inside = 0.0  # CPU seconds in calls that stand for workers

    def log_result(self, document: dict[str, Any]) -> None:
        if self.done % self._every == 0:
            self.sample()
        self.done += 1

    def sample(self) -> None:
        driver = time.process_time() - self.inside
        self.samples.append(Sample(self.done, time.monotonic(), driver, self.inside, rss()))


class Calls:
    """Stands in for Ray: a task is a call, made when the fan-out waits for it."""

    exceptions = ray.exceptions

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def options(self, **named: object) -> Calls:
        return self

    def remote(self, steps: list[Step], context: Context, *given: object) -> _Reference:
        return _Reference(steps, context)

    def wait(
        self, references: Sequence[_Reference], num_returns: int = 1, **named: object
    ) -> tuple[list[_Reference], list[_Reference]]:
        return list(references[:num_returns]), list(references[num_returns:])

    def get(self, reference: _Reference) -> list[dict[str, Any]]:
        begin = time.thread_time()
        documents = put(reference.steps, reference.context)
        self._sampler.inside += time.thread_time() - begin
        return documents


class _Reference:
    def __init__(self, steps: list[Step], context: Context) -> None:
        self.steps, self.context = steps, context


def put(steps: list[Step], context: Context, *given: object) -> list[dict[str, Any]]:
    """What a worker does when there is nothing to compute."""
    if steps[0].kind == "modularize":
        return [finish(context.ledger, steps[0])[0]]
    about = {"seconds": 1.0, "environment": environment(), "device": "cpu", "threads": 1}
    return [context.ledger.put(step, invented(step), **about) for step in steps]


class Absent:
    """In the place of the data sets and models in the object store."""

    def __init__(self, context: Context) -> None:
        pass

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *given: None


@contextmanager
def replaced(sampler: Sampler, with_ray: bool, folder: Path) -> Iterator[Cluster]:
    """Puts invented results in the place of all computing, and calls in the place of Ray, unless it is wanted."""

    def trainings(steps: Sequence[Step], *given: Any) -> None:
        for step in steps:
            given[-1](Event("finished", step, result=finish(Ledger(folder), step)[0]))

    def progress(*given: Any) -> Progress:
        return Progress(*given, console=Console(file=StringIO()))

    with (
        patch.object(run, "run_trainings", trainings),
        patch.object(run, "Progress", progress),
        patch.object(run, "Shared", Absent),
    ):
        if with_ray:
            path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
            with patch.dict(os.environ, PYTHONPATH=path), ray_head(folder, num_gpus=0) as cluster:
                task = ray.remote(max_retries=fanout.MAX_RETRIES)(put)
                ray.get([task.options(num_cpus=1).remote(*warm_up(folder, number)) for number in range(4)])
                with patch.object(fanout, "_run_steps", task):
                    yield cluster
        else:
            calls = Calls(sampler)
            with patch.object(fanout, "ray", calls), patch.object(fanout, "_run_steps", calls):
                yield Cluster("", ((2.0, 0.0),))


def warm_up(folder: Path, number: int) -> tuple[list[Step], Context]:
    """A task that nobody needs, so that workers have started."""
    params = {"threshold": 0.5, "classes": [0]}
    return [Step("reuse", params, {}, {}, f"{number:020x}", "warm-up")], Context(store_at(folder / "warm-up"), None)  # type: ignore[arg-type]


def child(storage: Path, size: int, with_ray: bool) -> dict[str, float]:
    """Runs a study of so many steps in this process."""
    file = storage / "study.yaml"
    seeds, samples = (size // 1000, "all") if size >= 1000 else (1, str(size // 8))
    file.write_text(STUDY.format(seeds=list(range(seeds)), samples=samples))
    study = load_study_file(file)
    ledger = Ledger(storage / study.name)
    ledger.record_study(study.text)
    sampler = Sampler(max(1, size // SAMPLES))
    with replaced(sampler, with_ray, ledger.folder) as cluster:
        before = rss()
        driver = Driver(study, ledger, Planner(describe(study), ledger))
        driver.run(cluster, sampler)  # type: ignore[arg-type]
        sampler.sample()
    ledger.fold()
    first, last, middle = sampler.samples[0], sampler.samples[-1], sampler.samples[SAMPLES // 2]
    return {
        "steps": sampler.done,
        "MB before the plan": before,
        "MB with the first result": first.memory,
        "MB at the end": last.memory,
        "most MB": max(sample.memory for sample in sampler.samples),
        "driver, ms per step": per_step("driver", first, last),
        "driver, ms per step, first half": per_step("driver", first, middle),
        "driver, ms per step, second half": per_step("driver", middle, last),
        "workers' calls, ms per step": per_step("workers", first, last),
        "by the clock, ms per step": per_step("clock", first, last),
    }


def per_step(name: str, begin: Sample, end: Sample) -> float:
    """Milliseconds per step between two samples."""
    return 1000 * (getattr(end, name) - getattr(begin, name)) / (end.done - begin.done)


def opened(folder: Path) -> dict[str, float]:
    """The time to open the ledger of the study, for a driver that has just started."""
    begin, clock = time.process_time(), time.monotonic()
    Ledger(folder).finished()
    return {
        "ledger, s until the finished are known": time.process_time() - begin,
        "ledger, s by the clock": time.monotonic() - clock,
    }


def of_size(size: int, with_ray: bool) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="nemo-") as temporary:
        found: dict[str, float] = {}
        for task in ("run", "open"):
            command = [sys.executable, __file__, "--child", task, temporary, str(size), str(int(with_ray))]
            ended = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            found |= json.loads(ended.stdout.splitlines()[-1])
        return found


def table(found: dict[int, dict[str, float]]) -> Iterator[str]:
    smallest, largest = min(found), max(found)
    yield "| | " + " | ".join(f"{size:,} sub-tasks" for size in found) + " | ratio |"
    yield "|---|" + "---|" * (len(found) + 1)
    for name in found[smallest]:
        cells = [f"{each[name]:,.3f}" if each[name] < 10 else f"{each[name]:,.0f}" for each in found.values()]
        yield f"| {name} | " + " | ".join(cells) + f" | {found[largest][name] / max(found[smallest][name], 1e-9):.2f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1000, 10_000, 100_000], help="sub-tasks, about")
    parser.add_argument("--ray", action="store_true", help="real Ray tasks on a head of our own")
    options = parser.parse_args()
    hardware = environment()["hardware"]
    print(f"{hardware['cpu']}, {hardware['cores']} cores, {platform.system()}, Python {platform.python_version()}")
    print(f"load average at the start: {os.getloadavg()[0]:.2f}", end="\n\n", flush=True)
    found = {}
    for size in sorted(options.sizes):
        found[size] = of_size(size, options.ray)
        print(f"{size:,}: {found[size]}", file=sys.stderr, flush=True)
    print("\n".join(table(found)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        task, temporary, size, with_ray = sys.argv[2:]
        storage = Path(temporary)
        told = child(storage, int(size), with_ray == "1") if task == "run" else opened(storage / "overhead")
        print(json.dumps(told))
    else:
        main()
