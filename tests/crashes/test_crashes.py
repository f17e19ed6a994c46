from __future__ import annotations

from contextlib import ExitStack
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, get_args

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from orchestrator.execution.context import DIED
from tests.crashes.driver import Death, Driver
from tests.crashes.faults import Cut, Fault, Slow, Who
from tests.crashes.stand_ins import simulated
from tests.crashes.world import HOSTS, STUDY, Storage, World

METHODS = {**STUDY["methods"], "moda": {}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of the study when nothing happens."""
    with simulated(World(tmp_path_factory.mktemp("undisturbed"))) as world:
        driver = world.start("a")
        world.run_to_its_end(driver)
        assert driver.error is None
        world.check()
        world.check_finished()
    return world.results


@pytest.mark.parametrize(
    ("how", "each", "least"),
    [("before", 3, 50), pytest.param("before", 1, 150, marks=pytest.mark.slow), ("half", 1, 20)],
)
def test_a_study_killed_at_any_write_carries_on(
    storage: Path, how: Death, each: int, least: int, undisturbed: dict[str, Any]
) -> None:
    killed = 0
    for point in count(step=each):
        folder = storage / str(point)
        folder.mkdir()
        with simulated(World(folder)) as world:
            first = world.start("a")
            first.go(times=point)
            if first.ended:
                break
            if not first.kill(how):
                continue
            killed += 1
            world.run_to_its_end(first)
            world.check()
            second = world.start("a")
            world.run_to_its_end(second)
            assert second.error is None
            world.check()
            world.check_finished()
            assert world.results == undisturbed
    assert killed >= least


def test_trainings_that_die_again_and_again_fail_and_are_tried_again_when_asked(storage: Path) -> None:
    with simulated(World(storage, seed=11071649, trouble=1.0)) as world:
        world.run_to_its_end(world.start("a"))
        world.check()
        assert DIED in {failure["reason"] for failure in world.ledger().failures().values()}
        world.trouble = 0.0
        world.run_to_its_end(world.start("a", retry_failed=True))
        world.check()
        world.check_finished()


pytestmark = [pytest.mark.heavy, pytest.mark.timeout(4 * 3600)]  # NEMO_HYPOTHESIS=dev takes its time

POINTS = st.sampled_from([1, 2, 3, 5, 10, 20, 40, 80, 160])
WHICH = st.integers(0, 2)
AFTER = st.integers(0, 12)
"""So many operations go well before a fault begins: as many as a renewal of the lease in a folder has."""


FAULTS = st.builds(
    Fault,
    who=st.sampled_from(get_args(Who)),
    how=st.sampled_from([*get_args(Slow), *get_args(Cut)]),
    seconds=st.sampled_from([5, 30, 70, 200]),
    after=AFTER,
)
"""A disk that is slow for an operation, maybe for longer than a lease lasts; a network that splits, and heals."""


class Studies(RuleBasedStateMachine):
    """Up to three drivers of one study on two hosts start, go on, die, are cut off and meet in any order."""

    @initialize(
        seed=st.integers(0, 2**32),
        trouble=st.sampled_from([0.0, 0.3, 1.0]),
        kind=st.sampled_from(get_args(Storage)),
        points=POINTS,
    )
    def begin(self, seed: int, trouble: float, kind: Storage, points: int) -> None:
        self.temporary = TemporaryDirectory(prefix="nemo-")
        self.stack = ExitStack()
        self.world = self.stack.enter_context(simulated(World(Path(self.temporary.name), seed, trouble, kind)))
        self._go(self.world.start("a"), points)

    @property
    def living(self) -> list[Driver]:
        return [driver for driver in self.world.drivers if not driver.ended]

    def _go(self, driver: Driver, points: int) -> None:
        driver.go(times=points)
        self.world.check()

    @precondition(lambda self: len(self.living) < 3)
    @rule(host=st.sampled_from(HOSTS), retry_failed=st.booleans(), points=POINTS, fault=st.none() | FAULTS)
    def start(self, host: str, retry_failed: bool, points: int, fault: Fault | None) -> None:
        driver = self.world.start(host, retry_failed)
        driver.faults += [] if fault is None else [fault]
        self._go(driver, points)

    @precondition(lambda self: self.living)
    @rule(which=WHICH, points=POINTS)
    def go(self, which: int, points: int) -> None:
        self._go(self.living[which % len(self.living)], points)

    @precondition(lambda self: len(self.living) > 1)
    @rule(turns=st.lists(st.tuples(WHICH, st.integers(1, 10)), min_size=5, max_size=30))
    def take_turns(self, turns: list[tuple[int, int]]) -> None:
        living = self.living
        for which, points in turns:
            living[which % len(living)].go(times=points)
        self.world.check()

    @precondition(lambda self: self.living)
    @rule(which=WHICH, how=st.sampled_from(get_args(Death)))
    def kill(self, which: int, how: Death) -> None:
        driver = self.living[which % len(self.living)]
        for _ in range(20):  # soon it stands where it can die so
            if driver.kill(how):
                break
            driver.go()
        self.world.check()

    @rule(seconds=st.sampled_from([10, 30, 70]))
    def tick(self, seconds: int) -> None:
        self.world.tick(seconds)

    @precondition(lambda self: self.living)
    @rule(which=WHICH, fault=FAULTS, points=POINTS)
    def meet(self, which: int, fault: Fault, points: int) -> None:
        """Something is wrong between a driver, or its workers, and the storage."""
        driver = self.living[which % len(self.living)]
        driver.faults.append(fault)
        self._go(driver, points)

    @precondition(lambda self: self.living)
    @rule(which=WHICH, points=POINTS, seconds=st.sampled_from([30, 300, 700]))
    def hear_nothing(self, which: int, points: int, seconds: int) -> None:
        """A driver hears nothing of its workers, whose results reach the storage; it may give them up."""
        driver = self.living[which % len(self.living)]
        driver.deaf_until = self.world.passed + seconds
        self._go(driver, points)
        self.world.tick(seconds)
        self.world.check()

    @precondition(lambda self: self.world.holders() and len(self.living) < 3)
    @rule(points=POINTS, before=st.integers(5, 20), how=st.sampled_from([*get_args(Slow), *get_args(Cut)]), after=AFTER)
    def take_over(self, points: int, before: int, how: Slow | Cut, after: int) -> None:
        """A driver is cut off in the middle of a renewal, for longer than its lease lasts; another one wants it."""
        driver = self.world.holders()[0]
        operations = after % 2 if self.world.remote else after  # a look and a put
        driver.faults.append(Fault("lease", how, 100, operations))
        self.world.tick(10)
        other = self.world.start("b" if driver.process.host == "a" else "a")
        self._go(other, before)
        for _ in range(7):
            self.world.tick(10)
            self._go(other, 4)  # it looks whether the lease is renewed
        self._go(other, points)
        self.world.tick(30)
        self.world.check()

    @rule(grown=st.sampled_from([{"thresholds": [0.7, 0.9]}, {"seeds": [0, 1]}, {"methods": METHODS}]))
    def extend(self, grown: dict[str, Any]) -> None:
        self.world.extend(**grown)

    def teardown(self) -> None:
        if not hasattr(self, "world"):
            return
        try:
            self.world.heal()
            if self.world.luck.random() < 0.5:  # who has lived through it all comes to an end by itself
                self.world.run_to_its_end(*(driver for driver in self.living if not driver.orphan))
                self.world.check()
            self.world.kill_all()
            self.world.check()
            self.world.trouble = 0.0
            self.world.tick(90)
            last = self.world.start("a", retry_failed=True)
            self.world.run_to_its_end(last)
            assert last.error is None
            self.world.check()
            self.world.check_finished()
            self.world.check_report()
        finally:
            self.stack.close()
            self.temporary.cleanup()


# NEMO_HYPOTHESIS=dev draws new ones every time, and 120 times as many.
Studies.TestCase.settings = settings(max_examples=25 if settings.default.derandomize else 3000, stateful_step_count=40)
TestStudies = Studies.TestCase
