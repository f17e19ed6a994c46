"""What a study of 100,000 sub-tasks costs the driver: memory and time per step, and the time to open its ledger.

Invented results go through the real plan, driver, fan-out and ledger, in a temporary folder and a process of its own
for each size; nothing is trained and nothing is told to MLflow. Without --ray the tasks are calls in the driver's
process, so that the times are the driver's alone: a call writes its result to the ledger as a worker would, and that
time is shown apart. With --ray they are real Ray tasks on a head of our own, and the times are those of all processes
on this machine.

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
from typing import Any
from unittest.mock import patch

import psutil
import ray
from overhead import STUDY, Unwritten, finish, invented, timed
from rich.console import Console

from orchestrator import fanout, run
from orchestrator.context import Context, Event
from orchestrator.describing import describe
from orchestrator.environment import environment
from orchestrator.head import Cluster, ray_head
from orchestrator.ledger import Ledger
from orchestrator.plan import Planner
from orchestrator.progress import Progress
from orchestrator.run import Driver
from orchestrator.step import Step
from orchestrator.study_file import load_study_file

SAMPLES = 20
"""Memory is looked at so often in a run."""


def rss() -> float:
    """This process's memory in MB."""
    return psutil.Process().memory_info().rss / 1e6


class Sampler(Unwritten):
    """In the place of the tracking: notes time and memory on the way."""

    def __init__(self, every: int) -> None:
        self._every, self.done = every, 0
        self.samples: list[tuple[int, float, float, float]] = []
        self.inside = 0.0  # seconds in calls that stand for workers

    def log_result(self, document: dict[str, Any]) -> None:
        if self.done % self._every == 0:
            self.sample()
        self.done += 1

    def sample(self) -> None:
        self.samples.append((self.done, time.perf_counter(), self.inside, rss()))


class Calls:
    """Stands in for Ray: a task is a call, made when the fan-out waits for it."""

    exceptions = ray.exceptions

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler

    def options(self, **named: object) -> Calls:
        return self

    def remote(self, step: Step, context: Context, *given: object) -> _Reference:
        return _Reference(step, context)

    def wait(
        self, references: Sequence[_Reference], num_returns: int = 1, **named: object
    ) -> tuple[list[_Reference], list[_Reference]]:
        return list(references[:num_returns]), list(references[num_returns:])

    def get(self, reference: _Reference) -> dict[str, Any]:
        begin = time.perf_counter()
        document = put(reference.step, reference.context)
        self._sampler.inside += time.perf_counter() - begin
        return document


class _Reference:
    def __init__(self, step: Step, context: Context) -> None:
        self.step, self.context = step, context


def put(step: Step, context: Context, *given: object) -> dict[str, Any]:
    """What a worker does when there is nothing to compute."""
    if step.kind == "modularize":
        return finish(context.ledger, step)[0]
    return context.ledger.put(step, invented(step), seconds=1.0, environment=environment(), device="cpu", threads=1)


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
            given[-1](Event("finished", step, document=finish(Ledger(folder), step)[0]))

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
                with patch.object(fanout, "_run_step", task):
                    yield cluster
        else:
            calls = Calls(sampler)
            with patch.object(fanout, "ray", calls), patch.object(fanout, "_run_step", calls):
                yield Cluster("", ((2.0, 0.0),))


def warm_up(folder: Path, number: int) -> tuple[Step, Context]:
    """A task that nobody needs, so that workers have started."""
    params = {"threshold": 0.5, "classes": [0]}
    return Step("reuse", params, {}, {}, f"{number:020x}", "warm-up"), Context(folder / "warm-up", None)  # type: ignore[arg-type]


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
        driver = Driver(study, ledger, Planner(study, ledger, describe(study)))
        driver.run(cluster, sampler)  # type: ignore[arg-type]
        sampler.sample()
    ledger.fold()
    (first, *_, last), (early, late) = (
        sampler.samples,
        (sampler.samples[: SAMPLES // 2], sampler.samples[SAMPLES // 2 :]),
    )
    found = {
        "steps": sampler.done,
        "MB before the plan": before,
        "MB at the end": last[3],
        "most MB": max(sample[3] for sample in sampler.samples),
        "ms per step": per_step(first, last),
        "ms per step, first half": per_step(early[0], early[-1]),
        "ms per step, second half": per_step(late[0], late[-1]),
    }
    if not with_ray:
        found["ms per step in the workers' place"] = 1000 * (last[2] - first[2]) / (last[0] - first[0])
    return found


def per_step(begin: tuple[int, float, float, float], end: tuple[int, float, float, float]) -> float:
    """Milliseconds per step between two samples, without those that stand for workers."""
    return 1000 * ((end[1] - begin[1]) - (end[2] - begin[2])) / (end[0] - begin[0])


def opened(folder: Path) -> dict[str, float]:
    """The time to open the ledger of the study, for a driver that has just started."""
    return {
        "s until the finished are known": timed(lambda: Ledger(folder).finished()),
        "s until every result was read": timed(lambda: sum(1 for _ in Ledger(folder).results())),
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
    smallest, *_, largest = found
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
    found = {size: of_size(size, options.ray) for size in sorted(options.sizes)}
    print("\n".join(table(found)))


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        task, temporary, size, with_ray = sys.argv[2:]
        storage = Path(temporary)
        told = child(storage, int(size), with_ray == "1") if task == "run" else opened(storage / "overhead")
        print(json.dumps(told))
    else:
        main()
