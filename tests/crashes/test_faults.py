"""Single histories in which the disk is slow, or the network splits, and what the next driver finds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import get_args

import pytest

from nemo.errors import UserError
from orchestrator.driver.silence import Silence
from orchestrator.ledger.lease import LeaseLost
from orchestrator.storage.files import Unwritable
from tests.crashes.driver import Driver
from tests.crashes.faults import Cut, Fault, Slow
from tests.crashes.stand_ins import GIVES_UP_AFTER, simulated
from tests.crashes.world import Storage, World

pytestmark = pytest.mark.heavy

SLOW = pytest.mark.slow
STORAGES = [pytest.param("folder", marks=SLOW), pytest.param("network folder", marks=SLOW), "bucket"]
EVERYWHERE = pytest.mark.parametrize("kind", STORAGES)


@contextmanager
def finishing(storage: Path, kind: Storage) -> Iterator[World]:
    """A world; after what happens in the block, one more run without faults finishes the study."""
    with ExitStack() as stack:
        world = stack.enter_context(simulated(World(storage, kind=kind)))
        yield world
        world.check()
        world.heal()
        world.kill_all()
        last = world.start("a", retry_failed=True)
        world.run_to_its_end(last)
        assert last.error is None
        world.check()
        world.check_finished()
        world.check_report()


def until_a_worker_runs(driver: Driver) -> None:
    while driver.fanout is None or not driver.fanout.flying:
        assert not driver.ended
        driver.go()


@EVERYWHERE
@pytest.mark.parametrize("how", ["late", *(pytest.param(how, marks=SLOW) for how in ("slow", *get_args(Cut)))])
def test_of_two_that_believe_to_be_alone_one_goes_on(storage: Path, kind: Storage, how: Slow | Cut) -> None:
    """The first one's renewal is stuck, wherever, for longer than its lease lasts; another one takes over meanwhile."""
    ends = set[type[BaseException] | None]()
    for after in range(2 if kind == "bucket" else 12):  # what a renewal is made of
        place = storage / str(after)
        place.mkdir()
        with finishing(place, kind) as world:
            first = world.start("a")
            until_a_worker_runs(first)
            first.faults.append(Fault("lease", how, 100, after))
            world.tick(20)
            second = world.start("b")
            for _ in range(70):
                second.go()
                world.tick(1)
            for driver in (first, second) * 20:
                driver.go()
            world.tick(100)
            world.check()
            world.run_to_its_end(first, second)
            errors = [driver.error for driver in (first, second)]
            assert len([error for error in errors if error is None]) == 1, errors
            ends |= {type(error) for error in errors if error is not None}
    assert LeaseLost in ends
    assert ends <= {LeaseLost, UserError}  # or the second one has seen the first one live


@EVERYWHERE
@pytest.mark.parametrize("how", ["unanswered", pytest.param("refused", marks=SLOW), pytest.param("hangs", marks=SLOW)])
def test_a_storage_that_no_worker_reaches_is_no_steps_fault(storage: Path, kind: Storage, how: Cut) -> None:
    ends = set[type[BaseException]]()
    for after in range(0, 20, 5):
        place = storage / str(after)
        place.mkdir()
        with finishing(place, kind) as world:
            driver = world.start("a")
            until_a_worker_runs(driver)
            driver.faults.append(Fault("worker", how, 300, after))
            world.run_to_its_end(driver)
            world.check()
            assert world.ledger().failures() == {}
            ends.add(type(driver.error))
    hangs = how == "hangs" and kind != "bucket"  # as long as the server is away, and then goes on
    assert ends - {type(None)} == (set() if hangs else {Unwritable})  # a clean-up may wait for all that time instead


def test_a_driver_whose_own_write_is_not_answered_takes_it_for_its_own(storage: Path) -> None:
    for after in range(8, 12):  # the write that takes the lease is among them
        place = storage / str(after)
        place.mkdir()
        with finishing(place, "bucket") as world:
            driver = world.start("a")
            driver.faults.append(Fault("driver", "unanswered", 100, after))
            world.run_to_its_end(driver)
            assert driver.error is None


def deaf(world: World) -> Driver:
    """A driver that hears of no result any more."""
    driver = world.start("a")
    until_a_worker_runs(driver)
    driver.deaf_until = float("inf")
    driver.go(times=100)
    return driver


@EVERYWHERE
def test_results_that_the_driver_does_not_hear_of_are_there_for_the_next_one(storage: Path, kind: Storage) -> None:
    with finishing(storage, kind) as world:
        driver = deaf(world)
        before = len(world.finished())
        world.tick(GIVES_UP_AFTER + 20)
        world.run_to_its_end(driver)
        assert isinstance(driver.error, Silence)
        assert len(world.finished()) == before > 0


@EVERYWHERE
def test_a_driver_that_hears_nothing_and_reaches_nothing_gives_up(storage: Path, kind: Storage) -> None:
    with finishing(storage, kind) as world:
        driver = deaf(world)
        driver.faults.append(Fault("driver", "refused", 10_000))
        world.tick(2 * GIVES_UP_AFTER)
        world.run_to_its_end(driver)
        assert isinstance(driver.error, Silence)
