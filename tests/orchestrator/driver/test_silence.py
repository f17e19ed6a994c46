"""What silence means: a word after a while, the end after a long one, and neither while something happens."""

from __future__ import annotations

import pytest

from nemo.errors import UserError
from orchestrator.cluster.cluster import Cluster
from orchestrator.driver.silence import PATIENCE, Silence, Watch, Watchdog, patience
from orchestrator.execution.context import Event
from orchestrator.ledger.ongoing import MeasureProgress, measured_so_far, ongoing_text
from orchestrator.plan.step import Step, make_step
from orchestrator.storage import Store


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def verdicts(dog: Watchdog, clock: Clock, seconds: float, unknown: bool = False) -> dict[float, str]:
    """Looks once a second for so long; when -> what was not `fine`."""
    found = {}
    for second in range(1, round(seconds) + 1):
        clock.now += 1
        verdict = dog.look(unknown)
        if verdict != "fine":
            found[float(second)] = verdict
        if verdict == "give up":
            break
    return found


def test_silence_is_told_ever_less_often_and_ends() -> None:
    clock = Clock()
    told = verdicts(Watchdog(clock=clock), clock, 4000)
    assert told == {60: "say", 120: "say", 240: "say", 480: "say", 960: "say", 1800: "give up"}


def test_news_start_it_all_over() -> None:
    clock = Clock()
    dog = Watchdog(clock=clock)
    for _ in range(100):
        assert verdicts(dog, clock, 59) == {}
        dog.heard()
    assert verdicts(dog, clock, 60) == {60: "say"}
    dog.heard()
    assert verdicts(dog, clock, 60) == {60: "say"}


def test_long_epochs_take_long() -> None:
    clock = Clock()
    dog = Watchdog(clock=clock)
    dog.heard(30.0)
    dog.heard(2.0)
    told = verdicts(dog, clock, 4000)
    assert next(iter(told)) == 300
    assert list(told.items())[-1] == (3000, "give up")


def test_nothing_tells_how_long_a_unknown_takes() -> None:
    clock = Clock()
    dog = Watchdog(clock=clock)
    assert "give up" not in verdicts(dog, clock, 6 * 3600 - 1, unknown=True).values()
    assert verdicts(dog, clock, 1, unknown=True) == {1: "give up"}


def test_patience_wins() -> None:
    clock = Clock()
    dog = Watchdog(patience=20.0, clock=clock)
    dog.heard(1000.0)
    told = verdicts(dog, clock, 60, unknown=True)
    assert told == {10: "say", 20: "give up"}


def test_a_sleep_is_no_silence() -> None:
    clock = Clock()
    dog = Watchdog(clock=clock)
    clock.now += 100_000
    assert dog.look() == "fine"
    assert list(verdicts(dog, clock, 100)) == [50]  # ten seconds of the gap count


@pytest.mark.parametrize("given", ["soon", "0", "-1", "nan"])
def test_patience_is_a_number_of_seconds(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    assert patience() is None
    monkeypatch.setenv(PATIENCE, "90")
    assert patience() == 90
    monkeypatch.setenv(PATIENCE, given)
    with pytest.raises(UserError, match=rf"\$NEMO_GIVE_UP_AFTER={given}: is no number of seconds"):
        patience()


def training(number: int) -> Step:
    return make_step("train", {"recipe": {"epochs": 9}, "seed": number}, {}, {}, f"training {number}")


def watch(clock: Clock, flying: list[Step]) -> Watch:
    return Watch(Cluster("none:1", ((2.0, 0.0),)), lambda: flying, Watchdog(patience=80.0, clock=clock))


def test_a_study_that_waits_for_room_is_given_six_hours() -> None:
    clock = Clock()
    watched = Watch(Cluster("none:1", ((2.0, 0.0),)), list, Watchdog(clock=clock))
    for _ in range(6 * 3600 - 1):
        clock.now += 1
        watched.look()
    clock.now += 1
    with pytest.raises(Silence):
        watched.look()


def test_people_are_told_in_which_epoch_trainings_are(store: Store) -> None:
    flying: list[Step] = []
    watched = watch(Clock(), flying)
    for number in (1, 2):
        watched.saw(Event("started", training(number)))
    watched.saw(Event("epochs", training(2), rows=[{"epoch": 0.0, "seconds": 1.0}, {"epoch": 1.0, "seconds": 1.0}]))
    flying += [make_step("reuse", {"seed": number}, {}, {}, f"sub-task {number}") for number in range(2)]
    told = ongoing_text(watched.ongoing(store))
    assert told == "Trained now: training 1 (in its first epoch), training 2 (epoch 2 of 9). With Ray: 2 sub-tasks."
    watched.saw(Event("failed", training(1)))
    assert [each.label for each in watched.ongoing(store)] == ["training 2", "sub-task 0", "sub-task 1"]
    flying[:] = [make_step("measure", {"threshold": t}, {"train": "a" * 20}, {}, f"measure {t}") for t in (0.5, 0.9)]
    seconds = iter((0.0, 1.0, 6.0, 6.0))
    said = MeasureProgress(store, "a" * 20, lambda: next(seconds))
    said(1, 300)  # too soon
    assert measured_so_far(store, "a" * 20) == (0, None)
    said(60, 300)
    told = ongoing_text(watched.ongoing(store))
    assert told.endswith("With Ray: 2 measurements, measure 0.5 (60 of 300 modules).")
    said(300, 300)
    assert measured_so_far(store, "a" * 20) == (0, None)


def words(watched: Watch, clock: Clock) -> str:
    """What is said after half of its patience."""
    said = []
    for _ in range(40):
        clock.now += 1
        said.append(watched.look())
    assert not any(said[:-1])
    return said[-1]


def test_what_it_waits_for() -> None:
    clock = Clock()
    flying: list[Step] = []
    watched = watch(clock, flying)
    assert (
        words(watched, clock)
        == "no news for 40 s; waiting for the first step to start on a cluster of 2 CPUs and 0 GPUs"
    )
    one, two = training(1), training(2)
    watched.saw(Event("started", one))
    watched.saw(Event("started", two))
    watched.saw(Event("epochs", one, rows=[{"epoch": 0.0, "seconds": 1.0}, {"epoch": 1.0, "seconds": 1.0}]))
    told = "training 1 (after epoch 2 of 9), training 2 on a cluster of 2 CPUs and 0 GPUs"
    assert words(watched, clock) == f"no news for 40 s; waiting for {told}"
    watched.saw(Event("failed", one, reason="none"))
    flying += [make_step("reuse", {"number": number}, {}, {}, f"sub-task {number}") for number in range(4)]
    told = "training 2, sub-task 0, sub-task 1 and 2 more on a cluster of 2 CPUs and 0 GPUs"
    assert words(watched, clock) == f"no news for 40 s; waiting for {told}"
    for _ in range(3):
        clock.now += 10
        watched.look()
    clock.now += 10
    with pytest.raises(
        Silence, match=r"^gave up after 80 s without any news; this was waited for: training 2, sub"
    ) as end:
        watched.look()
    assert end.value.reason == "gave up after 80 s without any news"
    assert watched.awaited() == [two, *flying]


def test_what_was_never_timed_may_take_longer() -> None:
    clock = Clock()
    flying: list[Step] = []
    dog = Watchdog(clock=clock)
    watched = Watch(Cluster("none:1", ((2.0, 0.0),)), lambda: flying, dog)

    def patience() -> float:
        """Seconds until it gives up."""
        with pytest.raises(Silence):
            while True:
                clock.now += 5
                watched.look()
        found, _ = dog.silence, dog.heard()
        return found

    one = training(1)
    watched.saw(Event("started", one))
    assert patience() == 6 * 3600
    watched.saw(Event("epochs", one, rows=[{"epoch": 0.0, "seconds": 1.0}]))
    assert patience() == 30 * 60
    flying += [make_step("reuse", {}, {}, {}, "sub-task")]
    assert patience() == 6 * 3600
    watched.saw(Event("finished", make_step("reuse", {"n": 1}, {}, {}, "other"), result={"seconds": 40.0}))
    assert patience() == 4000
