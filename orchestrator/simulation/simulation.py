"""Running a study in simulated time: the real plan and the real placement rules on a simulated cluster."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from math import inf

from rich.console import Console

from nemo.errors import UserError
from orchestrator.cluster.capacity import (
    MAX_FAILURES,
    MAX_RETRIES,
    Slots,
    bundles_of,
    check_room,
    concurrent_subtasks,
    concurrent_trainings,
    searches_modules,
    takes,
)
from orchestrator.ledger.ledger import Ledger
from orchestrator.plan.frontier import Frontier
from orchestrator.plan.planner import Planner
from orchestrator.plan.step import Step
from orchestrator.plan.step_queue import StepQueue
from orchestrator.plan.training_queue import Training, TrainingQueue
from orchestrator.report.status import overview, print_overview
from orchestrator.simulation.assumptions import FakeCluster, read_fake_cluster
from orchestrator.simulation.forecast import Forecast, print_forecast
from orchestrator.simulation.imagined import Imagined
from orchestrator.simulation.nodes import Bundle, SimulatedClock, SimulatedCluster, SimulatedJob
from orchestrator.simulation.timings import Timings
from orchestrator.storage import Store, Where
from orchestrator.storage.studies import known_studies, storage_root
from orchestrator.study.data import DescribedStudy
from orchestrator.study.file import StudyLike, study_with_data
from orchestrator.study.resources import Resources
from orchestrator.study.weights import knowing_weights


def simulate(described: DescribedStudy, storage: Store, fake: FakeCluster) -> tuple[Forecast, Timings]:
    """Runs what is left of a study in simulated time, and says where the times came from; touches nothing.

    Args:
        described: What is wanted.
        storage: Where it lies; durations that this study has not measured are taken from the other studies there.
        fake: The simulated cluster.

    Raises:
        UserError: A training or a sub-task can never fit.
    """
    study = described.study
    for position, pair in enumerate(study.pairs):
        if pair.fetches and pair.weights is None:
            raise UserError(
                f"{study.where('pairs', position, 'pretrained')}: its steps are known once nemo run has fetched the "
                f"weights of {pair.backbone}, simulate it then."
            )
    names = dict.fromkeys([study.name, *known_studies(storage)])
    ledgers = [Ledger(storage / name, readonly=True) for name in names]
    results, timings = Imagined(ledgers[0], fake.seed), Timings(ledgers, fake.given, fake.seed)
    planner = Planner(described, results)
    with study.naming_lines():
        simulation = Simulation(planner, results, study.resources, fake, timings)
    return simulation.run(), timings


def print_simulation(
    wanted: StudyLike, storage: Where | None, overrides: Sequence[str], assumed: str, console: Console
) -> None:
    """Shows what a study would run, and how long the rest of it would take on a simulated cluster.

    Args:
        wanted: See `orchestrator.plan`.
        storage: See there.
        overrides: See there.
        assumed: What is assumed of the cluster, see `read_fake_cluster`.
        console: Where it is shown.

    Raises:
        UserError: Something is wrong with the study, its data, its storage or the assumptions; see `simulate`.
    """
    fake = read_fake_cluster(assumed)
    described = study_with_data(wanted, overrides)
    root = storage_root(storage or described.study.storage)
    described = knowing_weights(described, root / described.study.name)
    print_overview(overview(described, root), console)
    forecast, timings = simulate(described, root, fake)
    print_forecast(forecast, fake, timings.sources, console, described.study.limits.prices)


class Simulation:
    """Does what the driver, the fan-out and Ray Tune would do, in simulated time.

    No trial of a search is stopped early: how many would be depends on their curves. Trainings keep each epoch, and do
    not shrink with the cluster: where it is too small from the beginning, they take longer with fewer workers.

    Args:
        planner: Of the study, against the results.
        results: What is finished; takes the imagined results of the rest.
        resources: The study's.
        fake: The simulated cluster.
        timings: How long steps take.

    Attributes:
        jobs: What was run, each a step, or a trial of a search.

    Raises:
        UserError: A training or a sub-task can never fit.
    """

    def __init__(
        self, planner: Planner, results: Imagined, resources: Resources, fake: FakeCluster, timings: Timings
    ) -> None:
        self._cluster = fake.cluster
        check_room(self._cluster, resources)
        self._planner, self._results, self._resources, self._timings = planner, results, resources, timings
        self._clock, self._driver, self._mlflow = SimulatedClock(), _Server(fake.driver), _Server(fake.mlflow)
        self._nodes = SimulatedCluster(fake, self._clock, self._ended)
        self._slots = Slots(self._cluster)
        self._concurrent = concurrent_trainings(self._cluster, resources)
        self.jobs: list[SimulatedJob] = []
        self._running: dict[SimulatedJob, _Run] = {}  # until the driver has handled its end
        self._waiting = StepQueue()
        self._chains: dict[str, float] = {}  # key -> seconds of the longest chain of steps that ends there
        self._in_flight = self._training = 0
        self._counts: Counter[str] = Counter()
        self._seconds: dict[str, float] = {}  # of work by kind
        planned = planner.plan
        self._frontier = Frontier([], set(), ())
        self._adopt(planned.steps, 0.0)
        trainings = [step for step in self._frontier.pending if step.kind == "train"]
        self._queue = TrainingQueue(trainings, planned.searches, results)
        needs = [takes(step, self._cluster, resources) for step in self._queue.examples]
        self._need = max((cpus for cpus, _ in needs), default=0.0), max((gpus for _, gpus in needs), default=0.0)

    def run(self) -> Forecast:
        """Runs what is left of the study."""
        self._waiting.extend(self._frontier.release(self._frontier.pending))
        self._start_ready()
        self._clock.run(lambda: not self._running)
        seconds, nodes = max(self._clock.now, self._mlflow.free), self._nodes
        return Forecast(
            seconds=seconds,
            finished=dict(self._counts),
            failed=len(self._frontier.failed),
            lost=len(self._frontier.lost),
            each={kind: self._seconds[kind] / count for kind, count in self._counts.items()},
            bounds=self._bounds(),
            work=self._shares(nodes.work, seconds),
            again=self._shares(nodes.again, seconds),
            waiting=self._shares(nodes.waiting, seconds),
            vanished=nodes.vanished,
        )

    def _bounds(self) -> dict[str, float]:
        """Name -> seconds that the same work takes at least on this cluster."""
        tasks = sum(job.useful for job in self.jobs if not job.first)
        trainings = sum(job.useful for job in self.jobs if job.first)
        resources = zip(self._nodes.work, (self._cluster.cpus, self._cluster.gpus), strict=True)
        slots = [trainings / self._concurrent, tasks / concurrent_subtasks(self._cluster, self._resources)]
        return {
            "chain": max(self._chains.values(), default=0.0),
            "slots": max(*slots, *(spent / available for spent, available in resources if available)),
            "driver": self._driver.busy,
            "mlflow": self._mlflow.busy,
        }

    def _shares(self, spent: Sequence[float], seconds: float) -> tuple[float, float]:
        available = self._cluster.cpus * seconds, self._cluster.gpus * seconds
        cpus, gpus = (part / total if total else 0.0 for part, total in zip(spent, available, strict=True))
        return cpus, gpus

    # which steps are known and may run

    def _adopt(self, steps: Sequence[Step], chain: float) -> None:
        """Adds steps that became known at the end of a chain of steps."""
        self._frontier.adopt(steps)
        for step in steps:
            self._chains.setdefault(step.key, chain)  # what a search has suggested runs before the plan knows it
            if self._results.get(step.key, step.kind) is not None:
                self._frontier.finish(step)
            elif self._results.failure(step.key) is not None:
                self._frontier.fail(step)

    def _start_ready(self) -> None:
        """Starts all jobs that may start."""
        while self._training < self._concurrent and (training := self._queue.next()) is not None:
            self._start(_Run(training.steps, training), bundles_of(training.steps[0], self._cluster, self._resources))
        left = self._training + self._queue.waiting
        self._slots.trainings(min(self._concurrent, left), self._training, *self._need)
        bundle = self._resources.subtask.cpus, self._resources.subtask.gpus
        while self._waiting and self._in_flight < self._slots.tasks(*bundle):
            self._start(_Run([self._waiting.pop()]), [bundle])

    # running it

    def _start(self, run: _Run, bundles: Sequence[Bundle]) -> None:
        first = run.steps[0]
        train = first if first.kind == "train" else self._frontier.steps[first.parents["train"]]
        training = first.kind == "train"
        fewer = self._resources.training.workers / len(bundles) if training and not searches_modules(first) else 1.0
        run.seconds = [
            0.0
            if self._results.get(step.key, step.kind) is not None
            else self._timings.seconds(step, train.params) * fewer
            for step in run.steps
        ]
        job = SimulatedJob(
            first.key,
            bundles,
            sum(run.seconds),
            data=f"{first.where['fingerprint']} {first.where['image_size']}",
            interval=run.seconds[0] / max(1, first.params["recipe"]["epochs"]) or inf if training else inf,
            retries=MAX_FAILURES if training else MAX_RETRIES,
            first=training,
        )
        self._chains.setdefault(first.key, 0.0)
        self.jobs.append(job)
        self._running[job] = run
        self._in_flight += not training
        self._training += training
        self._nodes.submit(job)

    def _ended(self, job: SimulatedJob, finished: bool) -> None:
        self._clock.at(self._driver.take(self._clock.now), partial(self._handle_end, job, finished))

    def _handle_end(self, job: SimulatedJob, finished: bool) -> None:
        run = self._running.pop(job)
        step = run.steps[0]
        self._in_flight -= not job.first
        self._training -= job.first
        if finished:
            for each, seconds in zip(run.steps, run.seconds, strict=True):
                self._results.finish(each)
                self._counts[each.kind] += each.key not in self._frontier.finished
                self._seconds[each.kind] = self._seconds.get(each.kind, 0.0) + seconds
                self._frontier.finish(each)
            before = [self._chains.get(key, 0.0) for key in (step.key, *step.parents.values())]
            self._chains |= dict.fromkeys((each.key for each in run.steps), max(before) + job.useful)
            epochs = step.params["recipe"]["epochs"] if job.first else 0
            self._mlflow.take(self._clock.now, len(run.steps) + epochs)
        else:
            self._results.fail(step)
            self._frontier.fail(step)
        if run.training is not None:
            search = run.training.search
            self._queue.ended(step, None if search is None else search.key, run.training.number)
        new = self._planner.follow(step)
        self._adopt(new, self._chains.get(step.key, 0.0))
        self._waiting.extend(self._frontier.release([*self._frontier.children(step), *new]))
        self._start_ready()


class _Run:
    """What one job does for the study: a step, or a training with what its search needs measured of it."""

    def __init__(self, steps: list[Step], training: Training | None = None) -> None:
        self.steps, self.training = steps, training
        self.seconds: list[float] = []


class _Server:
    """Something that handles one request after the other."""

    def __init__(self, each: float) -> None:
        self._each = each
        self.free = self.busy = 0.0

    def take(self, now: float, times: int = 1) -> float:
        """The time when it will have handled so many more requests."""
        self.free = max(now, self.free) + times * self._each
        self.busy += times * self._each
        return self.free
