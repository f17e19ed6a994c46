"""A cluster in simulated time: nodes that run jobs, vanish and come back; it knows nothing of studies."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from math import floor, inf, isinf
from random import Random

from nemo.errors import UserError
from orchestrator.simulation.assumptions import FakeCluster

Bundle = tuple[float, float]
"""CPUs and GPUs on one node."""

HOPELESS = 100_000
"""After so many nodes that vanish in a row without the end of a job, the simulation gives up."""

_ROUNDING = 1e-9


class SimulatedClock:
    """Simulated time: calls functions in the order of their times, and of registration if these are equal."""

    def __init__(self) -> None:
        self.now = 0.0
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def at(self, time: float, call: Callable[[], None]) -> None:
        """Calls something at a time that has not passed."""
        heapq.heappush(self._due, (time, next(self._order), call))

    def run(self, done: Callable[[], bool]) -> None:
        """Lets time pass until it is done."""
        while not done():
            self.now, _, call = heapq.heappop(self._due)
            call()


@dataclass(eq=False)
class SimulatedJob:
    """Something that a cluster runs.

    Attributes:
        name: The seed of its random events, so that these do not depend on when and where it runs.
        bundles: The CPUs and GPUs that it holds while it runs.
        seconds: Of work.
        interval: Seconds of work from one checkpoint to the next; infinite where nothing is kept before the end.
        data: What a node must have before the work begins.
        retries: How often it is started again after a death.
        first: Whether it has priority over jobs without this.
        kept: Seconds of work that need not be done again.
        useful: Seconds in which that work was done; more, where it was a straggler.
        lost: Seconds of work that had to be done again.
    """

    name: str
    bundles: Sequence[Bundle]
    seconds: float
    data: str = ""
    interval: float = inf
    retries: int = 0
    first: bool = False
    kept: float = 0.0
    useful: float = 0.0
    lost: float = 0.0
    deaths: int = 0


@dataclass(eq=False)
class _Node:
    name: str
    cpus: float
    gpus: float
    random: Random
    up: bool = True
    warm: int = 0  # idle workers that have started before
    data: dict[str, float] = field(default_factory=dict)  # what it has, or will have at a time
    runs: dict[_Run, None] = field(default_factory=dict)

    def fits(self, bundle: Bundle) -> bool:
        return self.up and self.cpus + _ROUNDING >= bundle[0] and self.gpus + _ROUNDING >= bundle[1]


@dataclass(eq=False)
class _Run:
    job: SimulatedJob
    nodes: Sequence[_Node]
    begin: float
    wait: float  # for its worker to start, and for data
    slowness: float
    over: bool = False


class SimulatedCluster:
    """Runs jobs on nodes that all look alike, as soon as they fit.

    Args:
        fake: Its nodes, and how often they fail.
        clock: Its time.
        on_end: Called with each job that ended, and whether it was finished; else it died too often.

    While the clock runs, a UserError is raised if nodes fail so often that a job will never find enough of them.

    Attributes:
        work, again, waiting: CPU and GPU seconds that went into work that was kept, into work that had to be done
            again, and into waiting for workers and data.
        vanished: How many nodes vanished.
    """

    def __init__(self, fake: FakeCluster, clock: SimulatedClock, on_end: Callable[[SimulatedJob, bool], None]) -> None:
        self._assumed, self._clock, self._on_end = fake, clock, on_end
        self.work, self.again, self.waiting = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
        self.vanished = self._vanished_in_a_row = 0
        self._queues: tuple[deque[SimulatedJob], deque[SimulatedJob]] = deque(), deque()
        self._nodes = [
            _Node(str(place), fake.cpus_of_node, fake.gpus, Random(f"{fake.seed} node {place}"))
            for place in range(fake.nodes)
        ]
        self._open = dict.fromkeys(self._nodes)  # those that may have room for one more of the second queue
        for node in self._nodes:
            self._expect_end(node)

    def submit(self, job: SimulatedJob) -> None:
        """Runs a job when there is room."""
        self._queues[not job.first].append(job)
        self._place()

    def _place(self) -> None:
        first, others = self._queues
        while first and (nodes := self._room(first[0].bundles)):
            self._start(first.popleft(), nodes)
        while others and self._open:
            node = next(iter(self._open))
            if node.fits(others[0].bundles[0]):
                self._start(others.popleft(), [node])
            else:
                del self._open[node]

    def _room(self, bundles: Sequence[Bundle]) -> list[_Node]:
        """A node for each bundle, as few as possible; none where they do not all fit."""
        chosen: list[_Node] = []
        for bundle in bundles:
            node = next((node for node in self._nodes if node.fits(bundle)), None)
            if node is not None:
                chosen.append(node)
                _take(node, bundle)
        for node, bundle in zip(chosen, bundles, strict=False):
            _take(node, bundle, -1)
        return chosen if len(chosen) == len(bundles) else []

    def _start(self, job: SimulatedJob, nodes: Sequence[_Node]) -> None:
        now, random = self._clock.now, Random(f"{self._assumed.seed} {job.name} {job.deaths}")
        ready = now
        for node, bundle in zip(nodes, job.bundles, strict=True):
            _take(node, bundle)
            started = now if node.warm else now + self._assumed.start
            node.warm = max(0, node.warm - 1)
            ready = max(ready, started, node.data.setdefault(job.data, now + self._assumed.load))
        slowness = self._assumed.slowdown if random.random() < self._assumed.stragglers else 1.0
        run = _Run(job, nodes, now, ready - now, slowness)
        for node in nodes:
            node.runs[run] = None
        self._clock.at(ready + (job.seconds - job.kept) * slowness, partial(self._finish, run))

    def _finish(self, run: _Run) -> None:
        if not run.over:
            self._leave(run, run.job.seconds - run.job.kept)
            self._place()
            self._on_end(run.job, True)

    def _die(self, run: _Run) -> None:
        job = run.job
        done = max(0.0, self._clock.now - run.begin - run.wait) / run.slowness
        reached = 0.0 if isinf(job.interval) else floor((job.kept + done) / job.interval + _ROUNDING) * job.interval
        self._leave(run, min(max(0.0, reached - job.kept), done), done)
        job.deaths += 1
        if job.deaths > job.retries:
            self._on_end(job, False)
        else:
            self._queues[not job.first].appendleft(job)

    def _leave(self, run: _Run, kept: float, done: float | None = None) -> None:
        """Ends a run, and books its time."""
        self._vanished_in_a_row = 0
        job, lost = run.job, 0.0 if done is None else done - kept
        run.over = True
        job.kept, job.useful, job.lost = job.kept + kept, job.useful + kept * run.slowness, job.lost + lost
        spent = self._clock.now - run.begin
        waited = min(run.wait, spent)
        parts = {"waiting": waited, "again": lost * run.slowness, "work": spent - waited - lost * run.slowness}
        for node, bundle in zip(run.nodes, job.bundles, strict=True):
            _take(node, bundle, -1)
            node.runs.pop(run, None)
            node.warm += 1
            self._open[node] = None
            for name, seconds in parts.items():
                for resource in (0, 1):
                    getattr(self, name)[resource] += seconds * bundle[resource]

    def _expect_end(self, node: _Node) -> None:
        if self._assumed.failures:
            lives = node.random.expovariate(1.0) * 3600 / self._assumed.failures
            self._clock.at(self._clock.now + lives, partial(self._vanish, node))

    def _vanish(self, node: _Node) -> None:
        self.vanished += 1
        self._vanished_in_a_row += 1
        if self._vanished_in_a_row > max(HOPELESS, 100 * len(self._nodes)):
            raise UserError(
                f"--simulate failures={self._assumed.failures:g}: nodes vanish faster than the study gets on, "
                "choose fewer failures, a shorter recovery or more nodes."
            )
        node.up = False
        for run in list(node.runs):
            self._die(run)
        node.warm = 0
        node.data.clear()
        self._clock.at(self._clock.now + self._assumed.recovery, partial(self._return, node))
        self._place()

    def _return(self, node: _Node) -> None:
        node.up = True
        self._open[node] = None
        self._expect_end(node)
        self._place()


def _take(node: _Node, bundle: Bundle, times: int = 1) -> None:
    node.cpus -= times * bundle[0]
    node.gpus -= times * bundle[1]
