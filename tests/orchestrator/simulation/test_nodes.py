from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo.errors import UserError
from orchestrator.simulation.assumptions import FakeCluster, read_fake_cluster
from orchestrator.simulation.nodes import SimulatedClock, SimulatedCluster, SimulatedJob

EXACTLY = pytest.approx


@dataclass
class Ran:
    """A fake cluster and what became of its jobs."""

    fake: FakeCluster
    jobs: list[SimulatedJob]
    ends: Counter[str] = field(default_factory=Counter)
    finished: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.clock = SimulatedClock()
        self.cluster = SimulatedCluster(self.fake, self.clock, self.end)
        for job in self.jobs:
            self.cluster.submit(job)
        self.clock.run(lambda: self.ends.total() == len(self.jobs))

    def end(self, job: SimulatedJob, finished: bool) -> None:
        self.ends[job.name] += 1
        if finished:
            self.finished.add(job.name)
        for node in self.cluster._nodes:
            assert node.cpus > -1e-6 and node.gpus > -1e-6, "more was given out than there is"

    @property
    def seconds(self) -> float:
        return self.clock.now


few = settings(max_examples=50 if settings.default.derandomize else 2000)


@st.composite
def clusters(draw: st.DrawFn, **fields: Any) -> FakeCluster:
    chance: dict[str, Any] = {
        "nodes": draw(st.integers(1, 5)),
        "cpus": float(draw(st.integers(2, 8))),
        "gpus": float(draw(st.integers(0, 2))),
        "failures": draw(st.sampled_from([0.0, 0.5, 5.0])),
        "recovery": draw(st.sampled_from([0.0, 60.0, 600.0])),
        "stragglers": draw(st.sampled_from([0.0, 0.3, 1.0])),
        "start": draw(st.sampled_from([0.0, 8.0])),
        "load": draw(st.sampled_from([0.0, 16.0])),
        "seed": draw(st.integers(0, 9)),
    }
    return FakeCluster(**{**chance, **fields})


@st.composite
def workloads(draw: st.DrawFn, fake: FakeCluster) -> list[SimulatedJob]:
    gpus = draw(st.sampled_from([0.0, 0.25, 1.0] if fake.gpus else [0.0]))
    task, jobs, number = (draw(st.sampled_from([0.5, 1.0, 2.0])), gpus), [], count()
    for seconds in draw(st.lists(st.integers(0, 500), max_size=25)):
        jobs.append(SimulatedJob(f"task {next(number)}", [task], seconds, data=draw(st.sampled_from("ab")), retries=2))
    workers = draw(st.integers(1, fake.nodes))
    for epochs in draw(st.lists(st.integers(1, 20), max_size=5)):
        bundles, retries = [(2.0, gpus)] * workers, draw(st.sampled_from([2, 1000]))
        name = f"training {next(number)}"
        jobs.append(SimulatedJob(name, bundles, 64.0 * epochs, interval=64.0, retries=retries, first=True))
    return jobs


@st.composite
def runs(draw: st.DrawFn, **fields: Any) -> Ran:
    fake = draw(clusters(**fields))
    return Ran(fake, draw(workloads(fake)))


@few
@given(runs())
def test_every_job_ends_once_and_is_finished_unless_it_died_too_often(ran: Ran) -> None:
    assert ran.ends == Counter(job.name for job in ran.jobs)
    for job in ran.jobs:
        assert (job.name in ran.finished) == (job.deaths <= job.retries)
        assert job.deaths <= job.retries + 1
        if job.name in ran.finished:
            assert job.kept == EXACTLY(job.seconds)


@few
@given(runs(failures=5.0))
def test_a_death_costs_at_most_the_work_since_the_last_checkpoint(ran: Ran) -> None:
    for job in ran.jobs:
        assert job.lost <= job.deaths * min(job.interval, job.seconds) + 1e-6
        assert job.deaths or job.lost == 0


@few
@given(runs())
def test_no_run_is_faster_than_its_work_allows(ran: Ran) -> None:
    there = ran.fake.cluster.cpus, ran.fake.cluster.gpus
    for resource in (0, 1):
        needed = sum(job.useful * bundle[resource] for job in ran.jobs for bundle in job.bundles)
        assert ran.cluster.work[resource] == EXACTLY(needed)
        spent = ran.cluster.work[resource] + ran.cluster.again[resource] + ran.cluster.waiting[resource]
        assert spent <= there[resource] * ran.seconds + 1e-6
    assert ran.seconds >= max((job.useful for job in ran.jobs), default=0) - 1e-6


@few
@given(runs(failures=0.0))
def test_without_failures_something_always_runs(ran: Ran) -> None:
    fake = ran.fake
    longest = sum(job.useful + fake.start + fake.load for job in ran.jobs)
    assert ran.seconds <= longest + 1e-6
    assert ran.cluster.vanished == 0 and ran.cluster.again == [0.0, 0.0]
    slow = fake.slowdown if fake.stragglers == 1 else 1.0
    if fake.stragglers in (0.0, 1.0):
        assert all(job.useful == EXACTLY(job.seconds * slow) for job in ran.jobs)


@few
@given(st.data())
def test_the_same_seed_gives_the_same_run_and_time_has_no_unit(data: st.DataObject) -> None:
    fake = data.draw(clusters())
    jobs = data.draw(workloads(fake))

    def ran(times: int) -> Ran:
        stretched = {name: getattr(fake, name) * times for name in ("recovery", "start", "load")}
        copies = [
            SimulatedJob(
                job.name, job.bundles, job.seconds * times, job.data, job.interval * times, job.retries, job.first
            )
            for job in jobs
        ]
        return Ran(fake.model_copy(update={**stretched, "failures": fake.failures / times}), copies)

    once, again, twice = ran(1), ran(1), ran(2)
    assert (once.seconds, once.cluster.work, once.finished) == (again.seconds, again.cluster.work, again.finished)
    assert (twice.seconds, twice.finished) == (EXACTLY(2 * once.seconds), once.finished)


def test_nodes_that_vanish_take_their_workers_and_data_with_them() -> None:
    fake = FakeCluster(nodes=1, cpus=1.0, failures=4.0, recovery=10.0, start=6.0, load=0.0)
    ran = Ran(fake, [SimulatedJob("training", [(1.0, 0.0)], 7200.0, interval=60.0, retries=1000, first=True)])
    (job,) = ran.jobs
    assert job.deaths == ran.cluster.vanished > 0
    waited = ran.cluster.waiting[0]
    assert waited == EXACTLY(6.0 * (1 + job.deaths), rel=0.2)  # a node may vanish while its worker starts
    assert ran.seconds == EXACTLY(7200.0 + job.lost + waited + 10.0 * job.deaths)


def test_a_worker_starts_once_and_data_are_loaded_once_per_node() -> None:
    fake = FakeCluster(nodes=2, cpus=2.0, start=6.0, load=5.0)
    ran = Ran(fake, [SimulatedJob(f"task {number}", [(1.0, 0.0)], 100.0, data="digits") for number in range(8)])
    assert ran.seconds == 206.0
    assert ran.cluster.waiting == [24.0, 0.0]


def test_a_job_over_several_nodes_dies_with_any_of_them() -> None:
    fake = FakeCluster(nodes=3, cpus=1.0, failures=6.0, recovery=0.0, start=0.0, load=0.0)
    wide = SimulatedJob("training", [(1.0, 0.0)] * 3, 3600.0, interval=10.0, retries=10_000, first=True)
    ran = Ran(fake, [wide])
    assert wide.deaths == ran.cluster.vanished > 3
    assert wide.lost <= 10.0 * wide.deaths


@pytest.mark.heavy
def test_nodes_that_vanish_faster_than_a_job_finds_room_are_told() -> None:
    fake = FakeCluster(nodes=8, cpus=1.0, failures=60.0, recovery=86400.0)
    with pytest.raises(UserError, match="failures=60: nodes vanish faster"):
        Ran(fake, [SimulatedJob("training", [(1.0, 0.0)] * 8, 3600.0, retries=2, first=True)])


def test_what_comes_first_is_placed_first() -> None:
    ends: list[str] = []
    clock = SimulatedClock()
    fake = FakeCluster(nodes=1, cpus=2.0, start=0.0, load=0.0)
    cluster = SimulatedCluster(fake, clock, lambda job, finished: ends.append(job.name))
    for name, cpus, first in (("running", 2.0, False), ("task", 1.0, False), ("training", 2.0, True)):
        cluster.submit(SimulatedJob(name, [(cpus, 0.0)], 10.0, first=first))
    clock.run(lambda: len(ends) == 3)
    assert ends == ["running", "training", "task"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "nodes: is missing"),
        ("nodes", "name=number"),
        ("nodes=1,nodes=2", "once each"),
        ("nodes=0", "nodes"),
        ("nodes=2.5", "nodes"),
        ("nodes=many", "nodes"),
        ("nodes=1,gpu=8", "did you mean 'gpus'"),
        ("nodes=1,cpus=0", "cpus"),
        ("nodes=1,stragglers=2", "stragglers"),
        ("nodes=1,failures=.inf", "failures"),
        ("nodes=1,start=[1", "start"),
    ],
)
def test_a_wrong_cluster_is_one_sentence(text: str, words: str) -> None:
    with pytest.raises(UserError, match="--simulate") as error:
        read_fake_cluster(text)
    assert words in str(error.value) and len(str(error.value).splitlines()) == 1


def test_a_cluster_is_read_with_its_defaults() -> None:
    fake = read_fake_cluster("nodes=64, gpus=8, failures=1e-2")
    assert (fake.nodes, fake.gpus, fake.cpus_of_node, fake.failures) == (64, 8.0, 96.0, 0.01)
    assert read_fake_cluster("nodes=1").cluster.nodes == ((8.0, 0.0),)
    assert SimulatedJob("", [], 0.0).interval == inf
