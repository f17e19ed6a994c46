from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nemo.errors import UserError
from orchestrator.plan.planner import Planner
from orchestrator.plan.results import GivenResults
from orchestrator.simulation.assumptions import FakeCluster
from orchestrator.simulation.forecast import Forecast, sentences
from orchestrator.simulation.imagined import Imagined
from orchestrator.simulation.simulation import Simulation
from orchestrator.simulation.timings import Timings
from orchestrator.study.data import DescribedStudy
from orchestrator.study.limits import Prices
from orchestrator.study.study import Study
from tests.orchestrator.simulation.test_nodes import clusters
from tests.orchestrator.study_examples import DESCRIPTIONS, study

pytestmark = pytest.mark.heavy

GRID = {"mwt": {"grid": {"lambda_coup": [1.0, 2.0, 3.0]}}}
SEARCH = {
    "mwt": {"search": "random", "trials": 3, "space": {"lambda_coup": [1.0, 3.0]}, "objectives": ["accuracy", "krr"]}
}
TIMES = {"train": 8.0, "modularize": 16.0, "measure": 4.0, "reuse": 32.0}


@st.composite
def studies(draw: st.DrawFn) -> Study:
    parts: dict[str, Any] = {
        "methods": draw(st.sampled_from([["standard", "mwt"], ["mwt"], ["standard", "mwt", "nemo"]])),
        "seeds": draw(st.sampled_from([[0], [0, 1]])),
        "recipe": {"epochs": draw(st.integers(1, 8)), "batch_size": 32, "validation": 0.1},
        "thresholds": draw(st.sampled_from([[0.9], [0.5, 0.9]])),
        "subtasks": {"from": draw(st.sampled_from(["best", "every"])), "sizes": [2, 3], "samples": 4},
        "resources": {
            "training": {"workers": draw(st.integers(1, 2)), "cpus": draw(st.sampled_from([0.5, 1.0]))},
            "subtask": {"cpus": draw(st.sampled_from([0.25, 1.0, 2.0]))},
            "max_concurrent": draw(st.sampled_from([None, 1, 2])),
        },
    }
    sweep = draw(st.sampled_from([{}, GRID, SEARCH]))
    return study(**parts, **({"sweep": sweep} if sweep else {}))


def simulation(wanted: Study, fake: FakeCluster, times: dict[str, float] = TIMES) -> Simulation:
    results = Imagined(GivenResults(), fake.seed)
    return Simulation(
        Planner(DescribedStudy(wanted, DESCRIPTIONS), results),
        results,
        wanted.resources,
        fake,
        Timings([], times, fake.seed),
    )


few = settings(max_examples=25 if settings.default.derandomize else 1000)
COSTS = {"driver": st.sampled_from([0.0, 0.25]), "mlflow": st.sampled_from([0.0, 0.5])}


@st.composite
def cases(draw: st.DrawFn, **fields: Any) -> tuple[Study, FakeCluster]:
    costs = {name: draw(cost) for name, cost in COSTS.items()}
    return draw(studies()), draw(clusters(**costs, **fields))


@few
@given(cases(failures=0.0))
def test_without_failures_every_step_of_the_plan_runs_once(case: tuple[Study, FakeCluster]) -> None:
    run = simulation(*case)
    forecast = run.run()
    planned = run._planner.plan
    assert sum(planned.up_to.values()) == 0
    assert forecast.finished == {kind: count for kind, count in planned.counts().items() if count}
    assert (forecast.failed, forecast.lost, forecast.vanished) == (0, 0, 0)
    names = [job.name for job in run.jobs]
    assert len(set(names)) == len(names) and set(names) <= {step.key for step in planned.steps}


@few
@given(cases())
def test_no_study_is_faster_than_what_bounds_it(case: tuple[Study, FakeCluster]) -> None:
    forecast = simulation(*case).run()
    assert forecast.seconds >= max(forecast.bounds.values()) - 1e-6
    for shares in zip(forecast.work, forecast.again, forecast.waiting, strict=True):
        assert 0 <= sum(shares) <= 1 + 1e-6


@few
@given(cases(failures=0.0))
def test_without_failures_the_cluster_never_idles_while_a_step_could_run(case: tuple[Study, FakeCluster]) -> None:
    _, fake = case
    run = simulation(*case)
    forecast = run.run()
    work = sum(job.useful + fake.start + fake.load for job in run.jobs)
    assert forecast.seconds <= work + forecast.bounds["driver"] + forecast.bounds["mlflow"] + 1e-6


@few
@given(cases(failures=20.0))
def test_with_failures_every_step_is_finished_once_or_died_or_builds_on_one(case: tuple[Study, FakeCluster]) -> None:
    run = simulation(*case)
    forecast = run.run()
    steps = len(run._planner.plan.steps)
    assert sum(forecast.finished.values()) + forecast.failed + forecast.lost == steps
    assert forecast.failed == sum(job.deaths > job.retries for job in run.jobs)
    assert max(Counter(job.name for job in run.jobs).values()) == 1
    for job in run.jobs:
        assert job.lost <= job.deaths * min(job.interval, job.seconds) + 1e-6


@few
@given(cases())
def test_the_same_seed_gives_the_same_forecast(case: tuple[Study, FakeCluster]) -> None:
    assert simulation(*case).run() == simulation(*case).run()


@few
@given(cases(stragglers=0.0), st.sampled_from([2, 4]))
def test_time_has_no_unit(case: tuple[Study, FakeCluster], times: int) -> None:
    wanted, fake = case
    names = ("recovery", "start", "load", "driver", "mlflow")
    stretched: dict[str, float] = {name: getattr(fake, name) * times for name in names}
    slow = fake.model_copy(update={**stretched, "failures": fake.failures / times})
    once = simulation(wanted, fake).run()
    long = simulation(wanted, slow, {kind: seconds * times for kind, seconds in TIMES.items()}).run()
    assert long.seconds == pytest.approx(times * once.seconds)
    assert long.finished == once.finished


PLAIN = study(recipe={"epochs": 10}, subtasks={"sizes": [2], "samples": 40})
"""Two trainings of 80 s, a relevance pass, a measure, and 40 sub-tasks of 32 s."""


def fake(**fields: Any) -> FakeCluster:
    return FakeCluster(**{"start": 0.0, "load": 0.0, "driver": 0.0, "mlflow": 0.0, **fields})


def test_a_study_on_enough_nodes_takes_its_longest_chain() -> None:
    forecast = simulation(PLAIN, fake(nodes=100, cpus=1.0)).run()
    assert forecast.seconds == forecast.bounds["chain"] == 80 + 16 + 32
    assert "What bounds it is the longest chain" in sentences(forecast, fake(nodes=100))[1]


def test_a_study_on_one_core_takes_all_of_its_work() -> None:
    forecast = simulation(PLAIN, fake(nodes=1, cpus=1.0)).run()
    assert forecast.seconds == forecast.bounds["slots"] == 2 * 80 + 16 + 4 + 40 * 32
    assert forecast.work == (1.0, 0.0)
    assert "CPUs are busy with 100% work" in sentences(forecast, fake(nodes=1))[0]


@pytest.mark.parametrize("name", ["driver", "mlflow"])
def test_a_slow_driver_or_tracking_is_what_bounds_a_study(name: str) -> None:
    forecast = simulation(PLAIN, fake(nodes=100, cpus=1.0, **{name: 60.0})).run()
    assert max(forecast.bounds, key=lambda bound: forecast.bounds[bound]) == name
    assert forecast.seconds >= forecast.bounds[name] >= 44 * 60.0


def test_max_concurrent_bounds_the_trainings() -> None:
    wanted = study(seeds=[0, 1, 2, 3], recipe={"epochs": 10}, resources={"max_concurrent": 2})
    forecast = simulation(wanted, fake(nodes=100, cpus=1.0)).run()
    assert forecast.bounds["slots"] == 8 * 80 / 2


def test_trainings_wait_for_their_teachers() -> None:
    pairs = [{"backbone": "deit_s", "dataset": "digits"}]
    wanted = study(pairs=pairs, methods=["standard"], recipe={"epochs": 10})
    forecast = simulation(wanted, fake(nodes=10)).run()
    assert forecast.finished == {"train": 2}
    assert forecast.seconds == forecast.bounds["chain"] == 160


def test_what_builds_on_a_step_that_died_too_often_is_lost() -> None:
    wanted = study(recipe={"epochs": 1}, subtasks={"sizes": [2], "samples": 40})
    run = simulation(wanted, fake(nodes=1, cpus=1.0, failures=60.0, recovery=0.0), {**TIMES, "modularize": 5000.0})
    forecast = run.run()
    assert forecast.failed >= 1
    assert "modularize" not in forecast.finished and forecast.finished["train"] == 2
    assert forecast.lost == 41
    assert "died too often" in " ".join(sentences(forecast, fake(nodes=1, failures=60.0)))


def test_elastic_trainings_take_longer_where_there_is_no_room_for_all_workers() -> None:
    wanted = study(
        methods=["standard"], recipe={"epochs": 10}, resources={"training": {"workers": 4, "min_workers": 1}}
    )
    assert simulation(wanted, fake(nodes=1, cpus=4.0)).run().seconds == 80
    assert simulation(wanted, fake(nodes=1, cpus=2.0)).run().seconds == 160


def test_what_can_never_fit_is_refused_with_the_arithmetic() -> None:
    wanted = study(resources={"training": {"workers": 4, "cpus": 2, "gpus": 1}})
    with pytest.raises(UserError, match=r"4 workers x 2 CPUs and 1 GPUs each.*16 CPUs and 2 GPUs has room for 2"):
        simulation(wanted, fake(nodes=2, cpus=8.0, gpus=1.0))
    wanted = study(resources={"subtask": {"cpus": 16}})
    with pytest.raises(UserError, match=r"resources\.subtask: .*16 CPUs"):
        simulation(wanted, fake(nodes=2, cpus=8.0))


def test_the_steps_price_is_that_of_what_they_hold() -> None:
    """Of a node of 8 CPUs for two hours: a half of them worked, and a quarter worked in vain."""
    shares = {"work": (0.5, 0.0), "again": (0.25, 0.0), "waiting": (0.0, 0.0)}
    bounds = {"chain": 1.0, "slots": 1.0}
    forecast = Forecast(7200.0, {"train": 1}, 0, 0, {"train": 1.0}, bounds, vanished=0, **shares)
    told = sentences(forecast, fake(nodes=1, cpus=8), Prices(cpu=0.5))
    assert "Its steps cost about 6.00, at limits.prices." in told
    assert not any("Its steps cost" in line for line in sentences(forecast, fake(nodes=1, cpus=8)))
